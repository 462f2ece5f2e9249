"""Nearest neighbours by blocks of a matrix product, so that all distances never exist at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from persona_agent.evals.atlas.records import Vectors

BLOCK = 1024


def nearest(
    rows: Vectors, among: Vectors, count: int, *, forbidden: npt.NDArray[np.int64] | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the ``count`` nearest of ``among`` for each row, and their cosines, nearest first.

    The search is exact; memory grows with the block, not with the square of the rows.

    Args:
        rows: unit rows, shape (n, dimension).
        among: unit rows, shape (m, dimension).
        count: at most m.
        forbidden: for each row one index of ``among`` that is left out (itself), -1 for none.

    Returns:
        Indices and cosines, shape (n, k) with k = min(count, m); a forbidden one has cosine -2
        where there were too few others.
    """
    k = min(count, len(among))
    indices = np.zeros((len(rows), k), dtype=np.int64)
    cosines = np.zeros((len(rows), k), dtype=np.float32)
    if k == 0:
        return indices, cosines
    for start in range(0, len(rows), BLOCK):
        block = slice(start, start + BLOCK)
        near = rows[block] @ among.T
        if forbidden is not None:
            own = forbidden[block]
            there = np.flatnonzero(own >= 0)
            near[there, own[there]] = -2.0
        best = np.sort(np.argpartition(near, -k, axis=1)[:, -k:], axis=1)
        found = np.take_along_axis(near, best, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        indices[block] = np.take_along_axis(best, order, axis=1)
        cosines[block] = np.take_along_axis(found, order, axis=1)
    return indices, cosines
