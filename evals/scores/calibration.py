"""Whether stated confidence can be believed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from persona_agent.evals.scores.statistics import rounded
from persona_agent.schema.base import Record

BINS = 10


class Bin(Record):
    """The answers whose confidence lies from ``low`` up to ``high``, 1 included in the last bin."""

    low: float
    high: float
    queries: int = Field(ge=1)
    confidence: float
    accuracy: float


class Calibration(Record):
    """How confidence and success agree; both errors are 0 at best.

    ``ece`` is the expected calibration error, sum over bins of n_b / n |accuracy_b - confidence_b|
    with 10 bins of equal width (Guo et al. 2017, arXiv 1706.04599). ``brier`` is the mean of
    (confidence - correct)^2. Bins without an answer are left out.
    """

    queries: int = Field(ge=1)
    confidence: float
    accuracy: float
    ece: float
    brier: float
    bins: tuple[Bin, ...]


def calibration(confidences: Sequence[float], correct: Sequence[bool]) -> Calibration | None:
    """Compare stated confidence, 0 to 1, with what was right; None for no answers.

    A rating is correct where it is just the user's grade.
    """
    if not confidences:
        return None
    stated = np.asarray(confidences, dtype=np.float64)
    right = np.asarray(correct, dtype=np.float64)
    place = np.minimum((stated * BINS).astype(np.int64), BINS - 1)
    bins = []
    error = 0.0
    for number in range(BINS):
        inside = place == number
        if not inside.any():
            continue
        said, was = float(stated[inside].mean()), float(right[inside].mean())
        error += float(inside.mean()) * abs(said - was)
        bins.append(
            Bin(
                low=number / BINS,
                high=(number + 1) / BINS,
                queries=int(inside.sum()),
                confidence=rounded(said),
                accuracy=rounded(was),
            )
        )
    return Calibration(
        queries=len(stated),
        confidence=rounded(float(stated.mean())),
        accuracy=rounded(float(right.mean())),
        ece=rounded(error),
        brier=rounded(float(((stated - right) ** 2).mean())),
        bins=tuple(bins),
    )
