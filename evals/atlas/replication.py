"""Do clusters come back? Found on first halves, looked for on second halves of the same users."""

from __future__ import annotations

import numpy as np

from persona_agent.evals.atlas.grouping import (
    LEAST_MEMBERS,
    Labels,
    adjusted_rand,
    assign,
    group,
    silhouette,
)
from persona_agent.evals.atlas.records import Vectors
from persona_agent.evals.scores.statistics import rounded
from persona_agent.schema.base import Record

PERMUTATIONS = 499


class Replication(Record):
    """Whether clusters of users hold, averaged over draws; None where there was nothing to cluster.

    ``bootstrap`` is the mean adjusted Rand index between bootstrap samples, which is high as soon
    as the same data fall apart the same way. ``across_halves`` is that between the clusters of
    the users' first personas and those of their second ones, learned from other episodes; ``p`` is
    from exchanging users. ``clusters`` is the mean number chosen.
    """

    clusters: float
    silhouette: float | None
    bootstrap: float | None
    across_halves: float | None
    p: float


def replication(
    first: Vectors, second: Vectors, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> Replication:
    """Return how well clusters hold; arguments as in ``separation``.

    The number of clusters and their centres come from one half alone, and the other half is given
    to the nearest of them; then the halves change places. Users of whom one half knows nothing
    are left out of that draw.
    """
    scores: list[tuple[int, float | None, float]] = []
    pairs: list[tuple[Labels, Labels, Labels]] = []
    for one, other in zip(first, second, strict=True):
        known = np.flatnonzero((one**2).sum(axis=1) * (other**2).sum(axis=1) > 0)
        if len(known) < 2 * LEAST_MEMBERS:
            continue
        for here, there in ((one[known], other[known]), (other[known], one[known])):
            found = group(here, seed=seed)
            if len(found.centres) < 2:
                continue
            value = silhouette(here, found.labels, seed=seed)
            scores.append((len(found.centres), value, found.agreement))
            pairs.append((known, found.labels, assign(there, found.centres)))
    if not pairs:
        return Replication(clusters=1.0, silhouette=None, bootstrap=None, across_halves=None, p=1.0)
    observed = float(np.mean([adjusted_rand(here, there) for _, here, there in pairs]))
    return Replication(
        clusters=rounded(float(np.mean([count for count, _, _ in scores]))),
        silhouette=_mean([value for _, value, _ in scores]),
        bootstrap=_mean([agreement for _, _, agreement in scores]),
        across_halves=rounded(observed),
        p=rounded(_p_value(pairs, observed, first.shape[1], permutations, seed)),
    )


def _mean(values: list[float | None] | list[float]) -> float | None:
    there = [value for value in values if value is not None]
    return rounded(float(np.mean(there))) if there else None


def _p_value(
    pairs: list[tuple[Labels, Labels, Labels]],
    observed: float,
    users: int,
    permutations: int,
    seed: int,
) -> float:
    """Exchange users' second halves, the same way in all draws: draws of one user are alike."""
    generator = np.random.default_rng([seed, 2])
    reached = 0
    for _ in range(permutations):
        rank = generator.permutation(users)
        values = [
            adjusted_rand(here, there[np.argsort(np.argsort(rank[known]))])
            for known, here, there in pairs
        ]
        reached += float(np.mean(values)) >= observed - 1e-9
    return (1 + reached) / (1 + permutations)
