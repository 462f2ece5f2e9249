"""Exact recall over one user's episodes: score, order, fold near-duplicates. Pure NumPy."""

from __future__ import annotations

from collections.abc import Iterator
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
_SPARE = 8  # rows that are scored beyond the limit, in case that some of the best are folded
_DEFAULT_BLEND = RecallBlend()

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]


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
    count = len(rows) if mask is None else int(np.count_nonzero(mask))
    if limit == 0 or count == 0:
        return []
    similarity = cosines(rows.vectors, vector)
    scores = _scores(rows, similarity, blend or _DEFAULT_BLEND, now)
    ranked = _Ranked(np.arange(len(rows)), scores, similarity)
    if mask is not None:
        ranked = ranked.only(np.flatnonzero(mask))
    hits: list[Hit] = []
    for block in _blocks(_best_first(ranked, head=limit + _SPARE), first=limit):
        hits += _unfolded(rows, block, hits, limit - len(hits))
        if len(hits) == limit:
            break
    return hits


def cosines(vectors: Vectors, vector: npt.NDArray[np.float32]) -> Floats:
    """Return the cosine of each unit row with a unit vector, in [-1, 1]; shape (n,).

    Each row is a dot product of its own, so that equal rows get equal values wherever they stand,
    which ``vectors @ vector`` does not promise: BLAS sums the rows of a block and the rows of the
    remainder in different orders. Nor does it wake the threads of BLAS, which are slower than one
    where others use the processor too.
    """
    dots: Floats = np.matmul(vectors[:, None, :], vector)[:, 0].astype(np.float64)
    np.maximum(dots, -1.0, out=dots)
    np.minimum(dots, 1.0, out=dots)
    return dots


class _Ranked(NamedTuple):
    """Some rows with their scores and cosines; all of shape (k,)."""

    rows: Indices
    scores: Floats
    cosines: Floats

    def only(self, which: Indices | slice) -> _Ranked:
        return _Ranked(self.rows[which], self.scores[which], self.cosines[which])


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


def _best_first(ranked: _Ranked, *, head: int) -> Iterator[_Ranked]:
    """Yield at least ``head`` of the best rows in order, all of a tie, and then the rest.

    Sorting all of a large user's rows would take longer than scoring them.
    """
    count = len(ranked.rows)
    if count <= head:
        yield _ordered(ranked)
        return
    bar = np.partition(ranked.scores, count - head)[count - head]
    yield _ordered(ranked.only(np.flatnonzero(ranked.scores >= bar)))
    yield _ordered(ranked.only(np.flatnonzero(ranked.scores < bar)))


def _ordered(ranked: _Ranked) -> _Ranked:
    return ranked.only(np.argsort(-ranked.scores, kind="stable"))


def _blocks(parts: Iterator[_Ranked], first: int) -> Iterator[_Ranked]:
    """Yield the ranking in small blocks: mostly, the first one is enough."""
    size = first
    for ranked in parts:
        start = 0
        while start < len(ranked.rows):
            yield ranked.only(slice(start, start + size))
            start, size = start + size, _CHUNK


def _unfolded(rows: Rows, block: _Ranked, better: list[Hit], limit: int) -> list[Hit]:
    """Return the first rows that are no near-duplicate of a better one, which is kept itself."""
    hits = [Hit(*hit) for hit in zip(*(part.tolist() for part in block), strict=True)]
    vectors, outcomes = rows.vectors[block.rows], rows.outcomes[block.rows]
    near = _near(vectors, outcomes, vectors, outcomes)
    alive = np.ones(len(hits), dtype=np.bool_)
    if better:
        kept = np.asarray([hit.row for hit in better])
        near_kept = _near(vectors, outcomes, rows.vectors[kept], rows.outcomes[kept])
        alive = np.logical_not(np.any(near_kept, axis=1))
    elif np.count_nonzero(near) == len(hits):  # each is near itself alone
        return hits[:limit]
    unfolded: list[Hit] = []
    for place, hit in enumerate(hits):
        if alive[place]:
            unfolded.append(hit)
            if len(unfolded) == limit:
                break
            alive &= ~near[place]
    return unfolded


def _near(some: Vectors, outcomes: Codes, others: Vectors, of_others: Codes) -> Flags:
    """Tell which pairs ask the same with the same outcome; shape (len(some), len(others))."""
    alike: Flags = some @ others.T >= NEAR_DUPLICATE
    alike &= outcomes[:, None] == of_others
    return alike
