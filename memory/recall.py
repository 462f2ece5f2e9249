"""Exact recall over one user's episodes: score, order, fold near-duplicates. Pure NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from persona_agent.memory.codec import UNKNOWN_OUTCOME
from persona_agent.memory.rows import Rows
from persona_agent.protocols import Vectors
from persona_agent.schema import RecallBlend

NEAR_DUPLICATE = 0.98
"""Cosine between two queries from which on they count as the same question."""

_DAY = 86_400_000_000  # microseconds
_CHUNK = 256
_DEFAULT_BLEND = RecallBlend()

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that was found: its index, blended score, and cosine similarity."""

    index: int
    score: float
    similarity: float


def rank(
    rows: Rows,
    vector: npt.NDArray[np.float32],
    *,
    limit: int,
    blend: RecallBlend | None = None,
    now: int | None = None,
    mask: npt.NDArray[np.bool_] | None = None,
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
    candidates = np.arange(len(rows)) if mask is None else np.flatnonzero(mask)
    if limit == 0 or candidates.size == 0:
        return []
    similarity = cosines(rows.vectors, vector)
    score = _blended(rows, similarity, blend or _DEFAULT_BLEND, now)
    order = _best_first(score[candidates], head=2 * limit + 16)
    kept = _folded((candidates[block] for block in order), rows, limit)
    return [Hit(index, float(score[index]), float(similarity[index])) for index in kept]


def cosines(vectors: Vectors, vector: npt.NDArray[np.float32]) -> Floats:
    """Return the cosine of each unit row with a unit vector, in [-1, 1]; shape (n,).

    Equal rows get equal values wherever they stand, which ``vectors @ vector`` does not promise:
    BLAS sums the rows of a block and the rows of the remainder in different orders.
    """
    products: Floats = np.einsum("ij,j->i", vectors, vector).astype(np.float64)
    return np.clip(products, -1.0, 1.0)


def _blended(rows: Rows, similarity: Floats, blend: RecallBlend, now: int | None) -> Floats:
    """similarity * cosine + recency * 0.5 ** (age / half_life) + value * has_outcome."""
    score = blend.similarity * similarity
    if blend.recency:
        moment = int(rows.at[0]) if now is None else now
        half_lives = np.maximum(moment - rows.at, 0) / (blend.half_life_days * _DAY)
        score = score + blend.recency * np.exp2(-half_lives)
    if blend.value:
        score = score + blend.value * (rows.outcomes != UNKNOWN_OUTCOME)
    return score


def _best_first(score: Floats, *, head: int) -> Iterator[Indices]:
    """Yield indices in blocks, best first, ties in their order: the head, the rest if asked for."""
    rest = np.arange(len(score))
    if head < len(score):
        bar = np.partition(score, len(score) - head)[len(score) - head]
        above = score >= bar  # with all ties of the last one, or their order would be arbitrary
        yield from _ordered(score, np.flatnonzero(above))
        rest = np.flatnonzero(~above)
    yield from _ordered(score, rest)


def _ordered(score: Floats, indices: Indices) -> Iterator[Indices]:
    order = indices[np.argsort(-score[indices], kind="stable")]
    for start in range(0, len(order), _CHUNK):
        yield order[start : start + _CHUNK]


def _folded(blocks: Iterator[Indices], rows: Rows, limit: int) -> list[int]:
    """Return the first ``limit`` rows that are no near-duplicate of a better one that is kept."""
    kept: list[int] = []
    for block in blocks:
        if kept:
            block = block[~_near(rows, block, np.asarray(kept)).any(axis=1)]
        near = _near(rows, block, block)
        alive = np.ones(len(block), dtype=np.bool_)
        for position, index in enumerate(block.tolist()):
            if alive[position]:
                kept.append(index)
                if len(kept) == limit:
                    return kept
                alive &= ~near[position]
    return kept


def _near(rows: Rows, some: Indices, others: Indices) -> npt.NDArray[np.bool_]:
    """Tell which pairs ask the same with the same outcome; shape (len(some), len(others))."""
    alike = rows.vectors[some] @ rows.vectors[others].T >= NEAR_DUPLICATE
    same: npt.NDArray[np.bool_] = rows.outcomes[some][:, None] == rows.outcomes[others][None, :]
    return np.logical_and(alike, same)
