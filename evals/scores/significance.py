"""Tests of differences that are clustered by user, and the correction for making many of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_agent.evals.scores.statistics import SLACK, Floats

FLIPS = 10_000


def sign_flip_test(by_user: Floats, *, flips: int = FLIPS) -> float:
    """Return the two-sided p-value that users' differences add up to nothing but chance.

    Under the null hypothesis the difference of each user (all queries together) is as likely to
    have the other sign: p = (1 + #{flips : |sum(sign_u d_u)| >= |sum(d_u)|}) / (1 + flips), a
    randomization test with users as clusters (Phipson & Smyth 2010 for the added 1).

    Args:
        by_user: shape (users,), the summed (and weighted) differences of each user.
        flips: random assignments of signs; the smallest p is 1 / (1 + flips).

    Returns:
        p in (0, 1]; 1 where no user has a difference.
    """
    values = by_user[np.abs(by_user) > SLACK]
    if not len(values):
        return 1.0
    signs = np.random.default_rng(0).integers(0, 2, size=(flips, len(values))) * 2 - 1
    reached = np.abs(signs @ values) >= abs(values.sum()) - SLACK
    return float((1 + reached.sum()) / (1 + flips))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for their number, in the same order (Holm 1979).

    adjusted p of the k-th smallest of m = max over j <= k of min(1, (m - j + 1) p_j): rejecting
    where it is at most alpha makes a single false rejection among all of them no likelier than
    alpha, whatever they have to do with each other.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted
