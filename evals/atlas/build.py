"""From personas to an atlas: embed, cluster, name, map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from persona_agent.errors import InputError
from persona_agent.evals.atlas.claim_space import by_support, centred, claim_vectors
from persona_agent.evals.atlas.grouping import (
    STABLE,
    Grouping,
    assign,
    dense_groups,
    group,
    reduced,
    silhouette,
)
from persona_agent.evals.atlas.mapping import draw_map
from persona_agent.evals.atlas.naming import name_clusters
from persona_agent.evals.atlas.neighbours import nearest
from persona_agent.evals.atlas.records import (
    NONE,
    Atlas,
    Entry,
    MapName,
    Point,
    Scalar,
    Space,
    Vectors,
)
from persona_agent.evals.runner import Progress, silent
from persona_agent.protocols import Embedder
from persona_agent.schema import Persona

NEIGHBOURS = 5
SHOWN_CLAIMS = 5
Flags = npt.NDArray[np.bool_]


def build_atlas(
    entries: Sequence[Entry],
    embedder: Embedder,
    *,
    vectors: Vectors | None = None,
    space: Space = "claims",
    map: MapName | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Atlas:
    """Build the atlas of personas.

    Clusters are found among the latest version of each user; earlier versions are given to the
    nearest centre. Equal arguments give an equal atlas.

    Args:
        entries: all versions of all personas, each user's in order.
        embedder: of claims.
        vectors: rows of another space for the entries; None: the claims are embedded.
        space: what ``vectors`` are.
        map: None: PCA for few users, else t-SNE.
        seed: of clusters and map.
        progress: told what is being done.

    Raises:
        InputError: there are no entries, or not as many vectors.
        MissingExtraError: torch or scikit-learn is not installed.
    """
    if not entries:
        raise InputError("an atlas needs at least one persona, and there is none")
    progress("embedding", 0, 1)
    raw = claim_vectors(entries, embedder) if vectors is None else vectors
    if len(raw) != len(entries):
        raise InputError(f"{len(raw)} vectors do not fit {len(entries)} personas")
    rows = centred(raw)
    known = np.asarray(np.linalg.norm(rows, axis=1) > 0)
    last = _latest(entries)
    fitting = known & last
    progress("clustering", 0, 1)
    grouping, labels = _clusters(rows, known, fitting, seed)
    dense = np.full(len(rows), NONE, dtype=np.int64)
    dense[fitting] = dense_groups(rows[fitting])
    progress("mapping", 0, 1)
    name, places, fitted = draw_map(rows[known], last[known], name=map, seed=seed)
    spots = np.full((len(rows), 2), np.nan)
    spots[known] = places
    members = [entries[one] for one in np.flatnonzero(fitting).tolist()]
    clusters = name_clusters(
        members,
        rows[fitting],
        labels[fitting],
        len(grouping.centres),
        embedder if space == "claims" and vectors is None else None,
    )
    value = silhouette(rows[fitting], labels[fitting], seed=seed)
    return Atlas(
        space=space,
        map=name,
        points=_points(entries, last, spots, labels, dense, _neighbours(rows, fitting)),
        clusters=clusters,
        dense_groups=len(set(dense.tolist()) - {NONE}),
        stability=grouping.stability,
        stable=grouping.agreement >= STABLE,
        silhouette=None if value is None else round(value, 4),
        embedder=embedder.name,
        seed=seed,
        fitted=fitted,
    )


def describe(persona: Persona) -> dict[str, Scalar]:
    """Return what every persona can be coloured by."""
    counted = max(persona.statistics, key=lambda one: one.total, default=None)
    usual = counted.counts[0][0] if counted is not None and counted.counts else "none"
    policy = persona.policy
    shown = "claims" if policy.show_claims else "no claims"
    return {
        "claims": len(persona.claims),
        "outcomes seen": sum(one.total for one in persona.statistics),
        "most frequent outcome": usual,
        "what is shown": shown if policy.recalled or policy.show_claims else "nothing (generic)",
    }


def _latest(entries: Sequence[Entry]) -> Flags:
    last = {entry.persona.user_id: row for row, entry in enumerate(entries)}
    flags = np.zeros(len(entries), dtype=np.bool_)
    flags[list(last.values())] = True
    return flags


def _clusters(
    rows: Vectors, known: Flags, fitting: Flags, seed: int
) -> tuple[Grouping, npt.NDArray[np.int64]]:
    """Cluster in the first principal components, where that is much faster, for many rows."""
    space = reduced(rows[known], 50) if fitting.sum() > 1_000 else rows[known]
    grouping = group(space[fitting[known]], seed=seed)
    labels = np.full(len(rows), NONE, dtype=np.int64)
    if len(grouping.centres):
        labels[known] = assign(space, grouping.centres)
        labels[fitting] = grouping.labels
    return grouping, labels


def _neighbours(rows: Vectors, fitting: Flags) -> list[tuple[int, ...]]:
    """Return for each latest, known persona the nearest others; nothing for the rest."""
    among = np.flatnonzero(fitting)
    own = np.arange(len(among))
    indices, cosines = nearest(rows[among], rows[among], NEIGHBOURS, forbidden=own)
    found: list[tuple[int, ...]] = [() for _ in range(len(rows))]
    for row, near, how in zip(among.tolist(), indices, cosines, strict=True):
        found[row] = tuple(int(among[one]) for one in near[how > -1.5])
    return found


def _points(
    entries: Sequence[Entry],
    last: Flags,
    spots: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    dense: npt.NDArray[np.int64],
    neighbours: Sequence[tuple[int, ...]],
) -> tuple[Point, ...]:
    steps: Counter[str] = Counter()
    points = []
    for row, entry in enumerate(entries):
        persona = entry.persona
        claims = by_support(persona)
        x, y = (None if np.isnan(value) else round(float(value), 4) for value in spots[row])
        points.append(
            Point(
                user_id=persona.user_id,
                name=entry.label,
                version=persona.version,
                step=steps[persona.user_id],
                latest=bool(last[row]),
                x=x,
                y=y,
                cluster=int(labels[row]),
                dense=int(dense[row]),
                claims=tuple(claim.statement for claim in claims[:SHOWN_CLAIMS]),
                more_claims=max(0, len(claims) - SHOWN_CLAIMS),
                evidence=len({one for claim in claims for one in claim.evidence}),
                neighbours=neighbours[row],
                metadata={**describe(persona), **entry.metadata},
            )
        )
        steps[persona.user_id] += 1
    return tuple(points)
