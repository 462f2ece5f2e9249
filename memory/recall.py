"""Exact recall over one user's episodes: score, order, fold near-duplicates. Pure NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from persona_agent.memory.codec import UNKNOWN_OUTCOME
from persona_agent.memory.coded import Indices
from persona_agent.memory.rows import Rows
from persona_agent.protocols import Vectors
from persona_agent.schema import RecallBlend

NEAR_DUPLICATE = 0.98
"""Cosine between two queries from which on they count as the same question."""

_DAY = 86_400_000_000  # microseconds
_CHUNK = 256
_GROWTH = 4
_SPARE = 8  # rows that are scored beyond the limit, in case that some of the best are folded
_SORTED_WHOLE = 400  # up to about here a sort is faster than finding the head; measured
_DEFAULT_BLEND = RecallBlend()

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Hit(NamedTuple):
    """A row that was found: its place in the rows, blended score, and cosine similarity."""

    row: int
    score: float
    similarity: float


def rank(
    rows: Rows,
    vector: npt.NDArray[np.float32],
    *,
    limit: int,
    blend: RecallBlend | None = None,
    now: int | None = None,
    mask: Flags | None = None,
) -> list[Hit]:
    """Return the best rows, best first; ties keep the order of the rows (newest first, then id).

    Args:
        rows: the user's episodes.
        vector: unit vector of the query, shape (dimension,).
        limit: how many to return at most.
        blend: weights of the score, see :class:`RecallBlend`.
        now: moment that ages are counted from, in microseconds since 1970; default: the newest
            row. What lies after it has age 0.
        mask: which rows take part, shape (n,); default: all.
    """
    places = None if mask is None else np.flatnonzero(mask)
    if limit == 0 or len(rows) == 0 or (places is not None and not places.size):
        return []
    similarity = cosines(rows.vectors, vector)
    scores = _scores(rows, similarity, blend or _DEFAULT_BLEND, now)
    hits: list[Hit] = []
    parts = _best_first(scores if places is None else scores[places], head=limit + _SPARE)
    for block in _blocks(parts, first=limit):
        best = block if places is None else places[block]
        most = limit - len(hits)
        best = _unfolded(rows, best, [hit.row for hit in hits], most)[:most]
        columns = (best.tolist(), scores[best].tolist(), similarity[best].tolist())
        hits += map(Hit._make, zip(*columns, strict=True))
        if len(hits) == limit:
            break
    return hits


def cosines(vectors: Vectors, vector: npt.NDArray[np.float32]) -> Floats:
    """Return the cosine of each unit row with a unit vector, in [-1, 1]; shape (n,).

    Each row is a dot product of its own, so that equal rows get equal values wherever they stand.
    """
    dots: Floats = _dots(vectors, vector).astype(np.float64)
    np.maximum(dots, -1.0, out=dots)
    np.minimum(dots, 1.0, out=dots)
    return dots


def _dots(vectors: Vectors, vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the dot product of each row with a vector; shape (n,).

    ``vectors @ vector`` does not promise equal values for equal rows: BLAS sums the rows of a block
    and the rows of the remainder in different orders. Nor does this wake the threads of BLAS, which
    are slower than one where others use the processor too.
    """
    dots: npt.NDArray[np.float32] = np.matmul(vectors[:, None, :], vector)[:, 0]
    return dots


def _scores(rows: Rows, similarity: Floats, blend: RecallBlend, now: int | None) -> Floats:
    """similarity * cosine + recency * 0.5 ** (age / half_life) + value * has_outcome."""
    score = blend.similarity * similarity
    if blend.recency:
        moment = int(rows.at[0]) if now is None else now
        half_lives = np.maximum(moment - rows.at, 0) / (blend.half_life_days * _DAY)
        score += blend.recency * np.exp2(-half_lives)
    if blend.value:
        score += blend.value * (rows.outcomes != UNKNOWN_OUTCOME)
    return score


def _best_first(scores: Floats, *, head: int) -> Iterator[Indices]:
    """Yield at least ``head`` of the best places in order, all of a tie, and then the rest."""
    count = len(scores)
    if count <= max(head, _SORTED_WHOLE):
        yield _ordered(scores)
        return
    bar = np.partition(scores, count - head)[count - head]
    for part in (scores >= bar, scores < bar):
        (places,) = part.nonzero()
        yield places[_ordered(scores[places])]


def _ordered(scores: Floats) -> Indices:
    order: Indices = (-scores).argsort(kind="stable")
    return order


def _blocks(parts: Iterator[Indices], first: int) -> Iterator[Indices]:
    """Yield the ranking in small blocks that grow: mostly, the first one is enough."""
    size = first
    for ranked in parts:
        start = 0
        while start < len(ranked):
            yield ranked[start : start + size]
            start, size = start + size, min(_GROWTH * size, max(first, _CHUNK))


def _unfolded(rows: Rows, block: Indices, kept: Sequence[int], most: int) -> Indices:
    """Return the rows of a block that are no near-duplicate of a better one that is kept itself.

    ``kept`` are the rows that were kept of better blocks; at most ``most`` are returned.
    """
    vectors = rows.vectors.take(block, axis=0)
    if not kept:
        near = vectors.dot(vectors.T) >= NEAR_DUPLICATE
        if np.count_nonzero(near) == len(block):  # each is near itself alone
            return block
    outcomes = rows.outcomes[block]
    alive = np.ones(len(block), dtype=np.bool_)
    for row in kept:
        alive &= _others(rows.vectors[row], int(rows.outcomes[row]), vectors, outcomes)
    unfolded: list[int] = []
    while len(unfolded) < most and alive[best := int(alive.argmax())]:
        unfolded.append(best)
        alive &= _others(vectors[best], int(outcomes[best]), vectors, outcomes)
        alive[best] = False
    return block[unfolded]


def _others(
    vector: npt.NDArray[np.float32], outcome: int, vectors: Vectors, outcomes: Indices
) -> Flags:
    """Tell which rows ask or answer something else than one row does; shape (n,)."""
    different: Flags = _dots(vectors, vector) < NEAR_DUPLICATE
    different |= outcomes != outcome
    return different
