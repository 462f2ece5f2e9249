"""Order of candidate replies once it is known which of them contradict the persona."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def without_contradictions(
    scores: Floats, contradiction: Floats, *, strength: float = 1.0, depth: int = 10
) -> Floats:
    """Return ``s_i - strength * (s_(1) - s_(depth)) * c_i`` (Welleck et al. 2019).

    Args:
        scores: higher is better; shape (candidates,).
        contradiction: probability of a contradiction where one was found, else 0; same shape.
        strength: how many times the spread of the best ``depth`` scores a contradiction costs.
        depth: rank that measures the spread; the last one where there are fewer candidates.
    """
    if not len(scores):
        return scores
    ordered = np.sort(scores)[::-1]
    spread = ordered[0] - ordered[min(depth, len(ordered)) - 1]
    return np.asarray(scores - strength * spread * contradiction)
