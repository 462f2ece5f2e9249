"""Whether variance between personas is more than chance: distances of answers, tests, intervals.

The components themselves are :mod:`persona_agent.persona.variance`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from persona_agent.evals.scores.statistics import Interval, interval
from persona_agent.persona.variance import Floats, stability

PERMUTATIONS = 499
RESAMPLES = 1000
SAME_TEXT = 1e-6


def category_distances(labels: npt.NDArray[np.str_]) -> Floats:
    """Return 1 where answers differ, else 0; (personas, items, runs) to (items, P, R, P, R)."""
    by_item = np.moveaxis(labels, 1, 0)
    return np.asarray(by_item[:, :, :, None, None] != by_item[:, None, None], dtype=np.float64)


def text_distances(vectors: Floats) -> Floats:
    """Return ``1 - cosine`` of unit vectors of shape (personas, items, runs, dimension)."""
    by_item = np.moveaxis(vectors, 1, 0)
    apart = 1 - np.einsum("qprd,qsud->qprsu", by_item, by_item)
    # Vectors have the precision of float32, so that equal texts come out at about 1e-8.
    return np.where(apart < SAME_TEXT, 0.0, apart)


def permutation_p(distances: Floats, *, permutations: int = PERMUTATIONS, seed: int = 0) -> float:
    """Return the chance of as much between-persona variance if personas did not matter.

    Within each item the persona labels of all runs are shuffled (PERMANOVA, Anderson 2001);
    ``p = (1 + #{shuffled >= observed}) / (1 + permutations)``.
    """
    items, personas, runs = distances.shape[:3]
    flat = distances.reshape(items, personas * runs, personas * runs)
    observed = stability(distances).between
    generator = np.random.default_rng(seed)
    reached = 0
    for _ in range(permutations):
        order = generator.permuted(np.tile(np.arange(personas * runs), (items, 1)), axis=1)
        shuffled = np.take_along_axis(flat, order[:, :, None], axis=1)
        shuffled = np.take_along_axis(shuffled, order[:, None, :], axis=2)
        reached += stability(shuffled.reshape(distances.shape)).between >= observed - 1e-12
    return (1 + reached) / (1 + permutations)


def icc_interval(distances: Floats, *, seed: int = 0) -> Interval | None:
    """Return the 95 % interval of the ICC over draws of personas; None when none can be had.

    A persona that is drawn twice is compared with itself as one: pairs of one persona never count
    as pairs of two.
    """
    personas, runs = distances.shape[1:3]
    summed = distances.sum(axis=(0, 2, 4))
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(RESAMPLES):
        weight = generator.multinomial(personas, np.full(personas, 1 / personas)).astype(float)
        pairs = np.outer(weight, weight)
        np.fill_diagonal(pairs, 0.0)
        if not pairs.sum():
            continue
        noise = float(weight @ np.diag(summed)) / (personas * runs * (runs - 1))
        between = float((pairs * summed).sum() / (pairs.sum() * runs * runs)) - noise
        between = max(between, 0.0)
        if between + noise > 0:
            found.append(between / (between + noise))
    return interval(np.asarray(found)) if len(found) > 1 else None


def robustness(values: Floats) -> float:
    """Return ``1 / mean_pq SD_r(y)``: how little equal runs differ; inf when they never do."""
    spread = float(values.std(axis=2, ddof=1).mean())
    return 1 / spread if spread else float("inf")
