"""Components of variance: how much of what is said comes from persona, item and run.

Crossed random effects with replication, ``y_pqr = mu + P_p + Q_q + (PQ)_pq + e_pqr`` (Searle,
Casella and McCulloch 1992, ch. 4). The run noise is subtracted from what lies between personas:
means of noisy runs differ even where the personas do not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from persona_agent.evals.scores.statistics import Interval, interval

Floats = npt.NDArray[np.float64]
PERMUTATIONS = 999
RESAMPLES = 1000
SAME_TEXT = 1e-6


@dataclass(frozen=True)
class Components:
    """Unbiased estimates; those of effects may fall below 0 by chance and are not cut off."""

    persona: float
    item: float
    interaction: float
    run: float


@dataclass(frozen=True)
class Stability:
    """Between-persona and run variance, summed over items after the noise correction.

    ``icc`` is ``between / (between + run)`` with a negative ``between`` taken as 0, NaN when
    nothing varies; ``run_dominated`` counts the items whose runs vary at least as much as the
    personas do.
    """

    between: float
    run: float
    icc: float
    run_dominated: int
    items: int


def components(values: Floats) -> Components:
    """Return the components of numbers of shape (personas, items, runs), each at least 2.

    ``run = MS_e``; ``interaction = (MS_PQ - MS_e) / n``; ``persona = (MS_P - MS_PQ) / (n |Q|)``;
    ``item = (MS_Q - MS_PQ) / (n |P|)``.
    """
    p, q, n = values.shape
    cells, grand = values.mean(axis=2), values.mean()
    rows, columns = cells.mean(axis=1), cells.mean(axis=0)
    ms_p = n * q * float(((rows - grand) ** 2).sum()) / (p - 1)
    ms_q = n * p * float(((columns - grand) ** 2).sum()) / (q - 1)
    residual = cells - rows[:, None] - columns[None, :] + grand
    ms_pq = n * float((residual**2).sum()) / ((p - 1) * (q - 1))
    ms_e = float(((values - cells[:, :, None]) ** 2).sum()) / (p * q * (n - 1))
    return Components(
        persona=(ms_p - ms_pq) / (n * q),
        item=(ms_q - ms_pq) / (n * p),
        interaction=(ms_pq - ms_e) / n,
        run=ms_e,
    )


def number_distances(values: Floats) -> Floats:
    """Return half squared differences; (personas, items, runs) to (items, P, R, P, R)."""
    by_item = np.moveaxis(values, 1, 0)
    return np.asarray((by_item[:, :, :, None, None] - by_item[:, None, None]) ** 2 / 2)


def category_distances(labels: npt.NDArray[np.str_]) -> Floats:
    """Return 1 where answers differ, else 0; shapes as :func:`number_distances`."""
    by_item = np.moveaxis(labels, 1, 0)
    return np.asarray(by_item[:, :, :, None, None] != by_item[:, None, None], dtype=np.float64)


def text_distances(vectors: Floats) -> Floats:
    """Return ``1 - cosine`` of unit vectors of shape (personas, items, runs, dimension)."""
    by_item = np.moveaxis(vectors, 1, 0)
    apart = 1 - np.einsum("qprd,qsud->qprsu", by_item, by_item)
    # Vectors have the precision of float32, so that equal texts come out at about 1e-8.
    return np.where(apart < SAME_TEXT, 0.0, apart)


def stability(distances: Floats) -> Stability:
    """Return between and run variance from distances of shape (items, P, R, P, R).

    The mean distance of two runs of one persona is the run variance; that of runs of two personas
    is run plus between-persona variance. On half squared differences this is exactly
    ``Var_p(mean_p) - var_run / n`` for each item; on categories and texts it is its analogue.
    """
    items, personas, runs = distances.shape[:3]
    same = np.eye(personas, dtype=bool)
    # (items, P, P): summed over pairs of runs; a run's distance to itself is 0.
    summed = distances.sum(axis=(2, 4))
    within = summed[:, same].sum(axis=1) / (personas * runs * (runs - 1))
    across = summed[:, ~same].sum(axis=1) / (personas * (personas - 1) * runs * runs)
    between = across - within
    total, noise = float(between.sum()), float(within.sum())
    positive = max(total, 0.0)
    icc = positive / (positive + noise) if positive + noise > 0 else float("nan")
    dominated = int(((within >= between) & (within + np.abs(between) > 0)).sum())
    return Stability(between=total, run=noise, icc=icc, run_dominated=dominated, items=items)


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


def icc_interval(
    distances: Floats, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval | None:
    """Return the 95 % interval of the ICC over draws of personas; None when none can be had.

    A persona that is drawn twice is compared with itself as one: pairs of one persona never count
    as pairs of two.
    """
    personas, runs = distances.shape[1:3]
    summed = distances.sum(axis=(0, 2, 4))
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
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


def gate_noise(losses: Floats, statistic: Callable[[Floats], Floats] = np.mean) -> float:
    """Return the standard error of a mean loss that comes from runs alone.

    Args:
        losses: the same persona's losses; shape (episodes, runs), at least 2 runs.
        statistic: how the variances of the episodes are pooled.

    An optimizer should not believe a gain below twice this: equal personas gain as much.
    """
    pooled = float(statistic(losses.var(axis=1, ddof=1)))
    return float(np.sqrt(pooled / len(losses)))
