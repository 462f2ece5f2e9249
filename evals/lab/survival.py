"""Survival curves: after how many turns, or under how much pressure, a persona is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """The share that survives at ``time``."""

    time: int
    survival: float


def survival_curve(times: Sequence[int], lost: Sequence[bool]) -> list[Step]:
    """Return the product-limit estimate ``S(t) = prod(1 - d_i / n_i)`` (Kaplan and Meier 1958).

    Args:
        times: when each was lost, or when it was last seen holding.
        lost: False where it held to the end of the observation (censored). Those count as at
            risk at their own time.
    """
    steps, share = [], 1.0
    for time in sorted(set(times)):
        at_risk = sum(one >= time for one in times)
        ended = sum(one == time and gone for one, gone in zip(times, lost, strict=True))
        share *= 1 - ended / at_risk
        steps.append(Step(time=time, survival=share))
    return steps


def half_life(steps: Sequence[Step]) -> int | None:
    """Return the first time at which at most half survive; None when more do to the end."""
    return next((step.time for step in steps if step.survival <= 0.5), None)


def first_loss(held: Sequence[bool | None]) -> tuple[int, bool]:
    """Return (time, lost) of one run: the first time (from 1) that it did not hold.

    A verdict that is missing (None) neither holds nor loses; with no loss the run is censored at
    its last known time, 0 when nothing is known.
    """
    last = 0
    for time, holds in enumerate(held, 1):
        if holds is False:
            return time, True
        if holds:
            last = time
    return last, False


def recovery(held: Sequence[bool | None], *, after: int) -> int | None:
    """Return how many turns after ``after`` (1-based, the last under pressure) it held again."""
    return next((n for n, holds in enumerate(held[after:], 1) if holds), None)
