"""Components of variance: how much of what is said comes from persona, item and run.

Crossed random effects with replication, ``y_pqr = mu + P_p + Q_q + (PQ)_pq + e_pqr`` (Searle,
Casella and McCulloch 1992, ch. 4). The run noise is subtracted from what lies between personas:
means of noisy runs differ even where the personas do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


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


def gate_noise(run: float, episodes: int) -> float:
    """Return the standard error of a difference of two mean scores that comes from runs alone.

    ``sqrt(2 run / episodes)``, with the run variance of one score. An optimizer should not believe
    a gain below twice this: equal personas gain as much.
    """
    return math.sqrt(2 * max(run, 0.0) / episodes)
