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
_CHUNK, _GROWTH = 256, 4
_FEW = 24  # rows that BLAS multiplies without waking its threads, which take longer than that
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
    kept: list[int] = []
    parts = _best_first(scores if places is None else scores[places], head=limit + _SPARE)
    for block in _blocks(parts, first=limit):
        _unfold(rows, block if places is None else places[block], kept, limit)
        if len(kept) == limit:
            break
    columns = (kept, scores[kept].tolist(), similarity[kept].tolist())
    return list(map(Hit._make, zip(*columns, strict=True)))


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


def _unfold(rows: Rows, block: Indices, kept: list[int], limit: int) -> None:
    """Add to ``kept`` the rows of a block that are no near-duplicate of a better one that is kept.

    ``kept`` are the rows of better blocks; it grows to ``limit`` at most.
    """
    if kept:
        block = block[~_alike(rows, block, kept).any(axis=1)]
    size, before = max(_FEW, limit), len(kept)
    for start in range(0, len(block), size):
        some = block[start : start + size]
        if start:
            some = some[~_alike(rows, some, kept[before:]).any(axis=1)]
        alike = _alike(rows, some, some)
        if np.count_nonzero(alike) > len(some):  # each is like itself
            some = some[_first_of_each(alike)]
        kept += some[: limit - len(kept)].tolist()
        if len(kept) == limit:
            return


def _alike(rows: Rows, some: Indices, others: Indices | Sequence[int]) -> Flags:
    """Tell which rows are near-duplicates of which, with the same outcome; (some, others)."""
    vectors = rows.vectors.take(some, axis=0)
    compared = vectors if others is some else rows.vectors.take(others, axis=0)
    alike: Flags = vectors.dot(compared.T) >= NEAR_DUPLICATE
    alike &= rows.outcomes.take(some)[:, None] == rows.outcomes.take(others)
    return alike


def _first_of_each(alike: Flags) -> list[int]:
    """Return the places that are like none before them that is returned; shape (n, n)."""
    # Sets of places as the bits of integers: many small steps of NumPy would take ten times as
    # long.
    packed = np.packbits(alike, axis=1, bitorder="little")
    width, bits = packed.shape[1], packed.tobytes()
    found, places = 0, []
    for place in range(len(alike)):
        if not found & int.from_bytes(bits[place * width : (place + 1) * width], "little"):
            found |= 1 << place
            places.append(place)
    return places
