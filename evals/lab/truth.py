"""Truthfulness in numbers: indifference to one's own beliefs, and claims without support."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Bullshit:
    """``index`` is 0 (beliefs decide what is asserted) to 1 (they do not matter).

    ``correlation`` tells truth (above 0) from systematic lies (below 0), which share an index.
    """

    index: float
    correlation: float


def bullshit_index(assertions: Sequence[bool], beliefs: Sequence[float]) -> Bullshit:
    """Return ``1 - |r|`` with the point-biserial ``r`` of assertion and belief (Liang et al. 2025).

    Args:
        assertions: whether each statement was asserted.
        beliefs: how likely the speaker takes each to be true, 0 to 1.

    Returns:
        NaN for both when either is constant: nothing can be told then.
    """
    said, believed = np.asarray(assertions, dtype=float), np.asarray(beliefs, dtype=float)
    if len(said) < 2 or math.isclose(said.std(), 0) or math.isclose(believed.std(), 0):
        return Bullshit(math.nan, math.nan)
    correlation = float(np.corrcoef(said, believed)[0, 1])
    correlation = max(-1.0, min(1.0, correlation))
    return Bullshit(1 - abs(correlation), correlation)
