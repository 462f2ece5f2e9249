"""Names of clusters: what sets their claims apart from the others'."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from persona_agent.evals.atlas.claim_space import by_support
from persona_agent.evals.atlas.grouping import Labels
from persona_agent.evals.atlas.look import short
from persona_agent.evals.atlas.records import Cluster, Entry, Vectors
from persona_agent.llm.offline.terms import distinctive, words
from persona_agent.protocols import Embedder

TERMS = 4
CANDIDATES = 400
_QUOTED = re.compile(r'"([^"]{2,40})"')


def name_clusters(
    entries: Sequence[Entry],
    rows: Vectors,
    labels: Labels,
    count: int,
    embedder: Embedder | None,
) -> tuple[Cluster, ...]:
    """Name clusters by terms that more of their personas have than of the others'.

    A term is a quoted phrase or a word of a claim; a persona counts once, however often it says
    it. The typical claim is the one nearest to the contrast of the cluster's centre with the
    centre of all (without an embedder: the one with most of the terms).

    Args:
        entries: the personas, as many as rows.
        rows: their vectors.
        labels: their cluster, 0 to ``count`` - 1.
        count: number of clusters.
        embedder: of claims, where the rows are embeddings of them.
    """
    bags = [_terms(entry) for entry in entries]
    found = []
    for number in range(count):
        inside = np.flatnonzero(labels == number).tolist()
        others = [bag for bag, label in zip(bags, labels, strict=True) if label != number]
        mine = [bags[one] for one in inside]
        ranked = _telling(mine, others, 2) or _telling(mine, others, 1)
        terms = _without_parts(ranked)[:TERMS]
        members = [entries[one] for one in inside]
        contrast = rows[inside].mean(axis=0) - rows.mean(axis=0) if len(inside) else rows[:0].sum(0)
        typical = _typical(members, terms, contrast, embedder)
        found.append(
            Cluster(
                name=" · ".join(terms[:3]) or short(typical, 40) or f"group {number + 1}",
                terms=tuple(terms),
                typical=typical,
                size=len(inside),
            )
        )
    return tuple(found)


def _telling(mine: Sequence[set[str]], others: Sequence[set[str]], at_least: int) -> list[str]:
    return [term for term, _ in distinctive(mine, others, most=3 * TERMS, at_least=at_least)]


def _terms(entry: Entry) -> set[str]:
    found: set[str] = set()
    for claim in entry.persona.claims:
        quoted = {phrase.casefold() for phrase in _QUOTED.findall(claim.statement)}
        found |= quoted | words(_QUOTED.sub(" ", claim.statement))
    return found


def _without_parts(terms: Sequence[str]) -> list[str]:
    """Drop the words that are part of a phrase."""
    parts = {word for term in terms if " " in term for word in term.split()}
    return [term for term in terms if term not in parts]


def _typical(
    members: Sequence[Entry],
    terms: Sequence[str],
    contrast: Vectors,
    embedder: Embedder | None,
) -> str:
    statements = [c.statement for entry in members for c in by_support(entry.persona)[:3]]
    unique = list(dict.fromkeys(statements))[:CANDIDATES]
    if not unique:
        return ""
    if embedder is None:
        return max(unique, key=lambda text: sum(term in text.casefold() for term in terms))
    return unique[int((embedder.embed(unique) @ contrast).argmax())]
