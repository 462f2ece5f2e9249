"""Means with bootstrap intervals, for figures of the lab: missing values are left out, never 0."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean

import numpy as np

from persona_agent.evals.scores.statistics import Interval, draw_users, interval, sum_by_user


def mean_interval(
    values: Sequence[float | None], clusters: Sequence[str] | None = None, *, seed: int = 0
) -> tuple[float | None, Interval | None, int]:
    """Return mean, 95 % bootstrap interval and count of the values that there are.

    Values of one cluster (a persona, a conversation) are drawn together. The interval is None with
    fewer than 2 clusters; the mean is None with no value.
    """
    names = list(clusters) if clusters is not None else [str(i) for i in range(len(values))]
    known = [
        (name, float(value))
        for name, value in zip(names, values, strict=True)
        if value is not None and not math.isnan(value)
    ]
    if not known:
        return None, None, 0
    sums = sum_by_user([name for name, _ in known], np.array([[value, 1.0] for _, value in known]))
    mean = float(sums[:, 0].sum() / sums[:, 1].sum())
    if len(sums) < 2:
        return mean, None, len(known)
    drawn = draw_users(len(sums), seed=seed) @ sums
    return mean, interval(drawn[:, 0] / drawn[:, 1]), len(known)


def known_mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that there are; None with none."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def paired_interval(
    first: Sequence[float | None],
    second: Sequence[float | None],
    clusters: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> tuple[float | None, Interval | None, int]:
    """Return the mean difference, first minus second, over the items where both are known."""
    differences = [
        None if a is None or b is None else a - b for a, b in zip(first, second, strict=True)
    ]
    return mean_interval(differences, clusters, seed=seed)
