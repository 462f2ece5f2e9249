"""The conditional logit, ridged: what makes one option of a choice be chosen over the others.

P(o) is proportional to exp(weights . features of o), over the options of one choice (McFadden
1974). What all options share cancels out, and a feature is judged against those it competed with.
With features whose products are a kernel, the same is a kernel logit, or the mode of a Gaussian
process of utilities (Chu and Ghahramani 2005).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from persona_agent.llm.offline.evidence import Array

STEPS = 50
CONVERGED = 1e-6
JITTER = 1e-6


def fit(choices: Sequence[Array], chosen: Sequence[int], worth: Array, *, ridge: float) -> Array:
    """Return one weight a feature: the maximum of the weighted, ridged likelihood, by Newton.

    The likelihood is concave. A full step may still overshoot where choices are many and agree,
    so that it is halved until it gains.

    Args:
        choices: of each choice the features of its options, (options, features).
        chosen: of each choice the place of what was chosen.
        worth: (choices,) how much each choice counts.
        ridge: of the weights: one over their variance.
    """
    data = _Choices.of(choices, chosen, worth)
    weights = np.zeros(data.design.shape[1])
    value, gradient, curvature = _likelihood(data, weights, ridge)
    for _ in range(STEPS):
        step = np.linalg.solve(curvature, gradient)
        tried = _likelihood(data, weights + step, ridge)
        while tried[0] < value and np.abs(step).max() > CONVERGED:
            step /= 2
            tried = _likelihood(data, weights + step, ridge)
        if np.abs(step).max() <= CONVERGED:
            break
        weights, (value, gradient, curvature) = weights + step, tried
    return weights


def features(kernel: Array) -> Array:
    """Return features whose products are a kernel, (n, n); one row a point."""
    scale = float(np.diag(kernel).max())
    steady = kernel + JITTER * scale * np.eye(len(kernel))
    return np.asarray(np.linalg.cholesky(steady), dtype=np.float64)


@dataclass(frozen=True)
class _Choices:
    """All choices in one, so that a step takes a few products of matrices.

    Attributes:
        design: (options of all choices, features), less the features of what was chosen.
        starts: (choices,) where the options of each begin.
        of_choice: (options of all choices,) the place of the choice that each belongs to.
        worth: (choices,) how much each counts.
    """

    design: Array
    starts: npt.NDArray[np.intp]
    of_choice: npt.NDArray[np.intp]
    worth: Array

    @classmethod
    def of(cls, choices: Sequence[Array], chosen: Sequence[int], worth: Array) -> _Choices:
        sizes = np.array([len(options) for options in choices])
        designs = [options - options[best] for options, best in zip(choices, chosen, strict=True)]
        return cls(
            design=np.concatenate(designs),
            starts=np.cumsum(sizes) - sizes,
            of_choice=np.repeat(np.arange(len(sizes)), sizes),
            worth=np.asarray(worth, dtype=np.float64),
        )


def _likelihood(data: _Choices, weights: Array, ridge: float) -> tuple[float, Array, Array]:
    """Return the ridged log-likelihood, its gradient, and minus its second derivative."""
    scores = data.design @ weights
    highest = np.maximum.reduceat(scores, data.starts)
    shares = np.exp(scores - highest[data.of_choice])
    totals = np.add.reduceat(shares, data.starts)
    value = -ridge / 2 * float(weights @ weights) - float(data.worth @ (highest + np.log(totals)))
    shares /= totals[data.of_choice]
    means = np.add.reduceat(data.design * shares[:, None], data.starts, axis=0)
    gradient = -ridge * weights - data.worth @ means
    spread = data.design - means[data.of_choice]
    counted = shares * data.worth[data.of_choice]
    curvature = ridge * np.eye(len(weights)) + (spread.T * counted) @ spread
    return value, gradient, curvature
