"""Intervals and tests that respect that queries of one user belong together.

Users, not queries, are drawn: answers to one user are alike, and an interval over queries would
be too narrow. All arms of a comparison see the same draws, so that their differences are paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Interval = tuple[float, float]

RESAMPLES = 2000
LEVEL = 0.95
ALPHA = 0.05
GRID = 100
"""Differences are told apart to 1/100 by the sign-flip test: whole steps of a score always are."""

SLACK = 1e-9
DECIMALS = 6


def rounded(value: float) -> float:
    """Return a number as results hold it: 6 decimals, and no minus before a zero."""
    return round(value, DECIMALS) + 0.0


def rounded_interval(ends: Interval | None) -> Interval | None:
    """Return an interval as results hold it."""
    return None if ends is None else (rounded(ends[0]), rounded(ends[1]))


def sum_by_user(user_ids: Sequence[str], columns: Floats) -> Floats:
    """Add up rows by user; shape (queries, columns) to (users, columns), users sorted by id.

    The sorting makes every draw below independent of the order of users and queries.
    """
    users, index = np.unique(np.asarray(user_ids, dtype=np.str_), return_inverse=True)
    sums = np.zeros((len(users), columns.shape[1]))
    np.add.at(sums, index, columns)
    return sums


def draw_users(users: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Counts:
    """Draw users with replacement; shape (resamples, users), how often each was drawn.

    Each row adds up to ``users``. Equal arguments give equal draws.
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(users, np.full(users, 1 / users), size=resamples)


def interval(values: Floats) -> Interval:
    """Return the percentile interval of bootstrap values (Efron & Tibshirani 1993, ch. 13)."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def bootstrap(
    sums: Floats, statistic: Callable[[Floats], Mapping[str, Floats]], draws: Counts
) -> dict[str, Interval | None]:
    """Return the interval of each metric, clustered by user.

    Args:
        sums: of :func:`sum_by_user`, shape (users, columns).
        statistic: metrics of summed columns, (..., columns) to (...).
        draws: of :func:`draw_users`, shape (resamples, users).

    Returns:
        None for every metric with fewer than 2 users: one cluster tells nothing of the spread.
    """
    names = statistic(sums.sum(axis=0))
    if len(sums) < 2:
        return dict.fromkeys(names)
    return {name: interval(values) for name, values in statistic(draws @ sums).items()}


def paired_bootstrap(
    first: Floats,
    second: Floats,
    statistic: Callable[[Floats], Mapping[str, Floats]],
    draws: Counts,
) -> dict[str, tuple[float, Interval | None]]:
    """Return each metric's difference, first minus second, and its interval.

    Both arms answered the same queries; rows of ``first`` and ``second`` are the same users. In
    every resample both are scored on the same draw. With fewer than 2 users the interval is None.
    """
    ours, theirs = statistic(first.sum(axis=0)), statistic(second.sum(axis=0))
    differences = {name: float(ours[name] - theirs[name]) for name in ours}
    if len(first) < 2:
        return {name: (value, None) for name, value in differences.items()}
    drawn, other = statistic(draws @ first), statistic(draws @ second)
    return {
        name: (value, interval(drawn[name] - other[name])) for name, value in differences.items()
    }


def sign_flip_p_value(differences: Sequence[float] | Floats) -> float:
    """Return the one-sided p-value that a mean difference is below zero, by flipping signs.

    Under the null hypothesis each difference is as likely to have the other sign, so
    ``p = #{signs : sum(sign_i * |d_i|) <= sum(d_i)} / 2**n`` (Fisher's randomization test). The
    count over all ``2**n`` signs is exact: the distribution of the sum is built up by adding one
    difference after the other, on a grid of :data:`GRID` parts of a unit.

    Args:
        differences: score of the arm minus score of the baseline, one a query, higher is better.

    Returns:
        p in (0, 1]; 1 where no difference is left.
    """
    steps = np.rint(np.asarray(differences, dtype=np.float64) * GRID).astype(np.int64)
    steps = steps[steps != 0]
    if not len(steps):
        return 1.0
    steps //= math.gcd(*(int(abs(step)) for step in steps))
    # weights[k] is the chance that the flipped-down differences add up to k.
    weights = np.ones(1)
    for size in np.abs(steps):
        grown = np.zeros(len(weights) + int(size))
        grown[: len(weights)] += weights / 2
        grown[int(size) :] += weights / 2
        weights = grown
    down = int(-steps[steps < 0].sum())
    return float(min(1.0, weights[down:].sum()))


def harmed_users_share(user_ids: Sequence[str], scores: Floats, baseline: Floats) -> float:
    """Return the share of users whose mean score is strictly lower than with the baseline.

    ``#{u : mean_u(score) < mean_u(baseline)} / #users``, a point estimate: one query can decide
    about a user. Arrays have shape (queries,), higher is better; the result is 0 to 1.
    """
    differences = sum_by_user(user_ids, (scores - baseline)[:, None])
    return float((differences < -SLACK).mean())


def significantly_harmed_users_share(
    user_ids: Sequence[str], scores: Floats, baseline: Floats
) -> float:
    """Return the share of users for whom the harm is no accident of few queries.

    ``#{u : sign-flip p of u's paired differences <= 5 %} / #users``. A user needs at least 5
    queries that differ for this to be possible; about 5 % of the users are counted by chance at
    most. Arrays as in :func:`harmed_users_share`.
    """
    by_user: dict[str, list[float]] = {}
    for user, difference in zip(user_ids, scores - baseline, strict=True):
        by_user.setdefault(user, []).append(float(difference))
    harmed = [sign_flip_p_value(found) <= ALPHA for found in by_user.values()]
    return sum(harmed) / len(harmed)
