"""The conditional logit, ridged: what makes one option of a choice be chosen over the others.

P(o) is proportional to exp(weights . features of o), over the options of one choice (McFadden
1974). What all options share cancels out, and a feature is judged against those it competed with.
With features whose products are a kernel, the same is a kernel logit, or the mode of a Gaussian
process of utilities (Chu and Ghahramani 2005).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
    designs = [options - options[best] for options, best in zip(choices, chosen, strict=True)]
    weights = np.zeros(designs[0].shape[1])
    value, gradient, curvature = _likelihood(designs, worth, weights, ridge)
    for _ in range(STEPS):
        step = np.linalg.solve(curvature, gradient)
        tried = _likelihood(designs, worth, weights + step, ridge)
        while tried[0] < value and np.abs(step).max() > CONVERGED:
            step /= 2
            tried = _likelihood(designs, worth, weights + step, ridge)
        if np.abs(step).max() <= CONVERGED:
            break
        weights, (value, gradient, curvature) = weights + step, tried
    return weights


def features(kernel: Array) -> Array:
    """Return features whose products are a kernel, (n, n); one row a point."""
    scale = float(np.diag(kernel).max())
    steady = kernel + JITTER * scale * np.eye(len(kernel))
    return np.asarray(np.linalg.cholesky(steady), dtype=np.float64)


def _likelihood(
    designs: Sequence[Array], worth: Array, weights: Array, ridge: float
) -> tuple[float, Array, Array]:
    """Return the ridged log-likelihood, its gradient, and minus its second derivative.

    Args:
        designs: of each choice (options, features), less the features of what was chosen.
        worth: (choices,) how much each counts.
        weights: (features,).
        ridge: of the weights.
    """
    value = -ridge / 2 * float(weights @ weights)
    gradient = -ridge * weights
    curvature = ridge * np.eye(len(weights))
    for design, counts in zip(designs, worth, strict=True):
        scores = design @ weights
        shares = np.exp(scores - scores.max())
        value -= counts * float(scores.max() + np.log(shares.sum()))
        shares /= shares.sum()
        mean = shares @ design
        gradient = gradient - counts * mean
        spread = design - mean
        curvature += counts * (spread.T * shares) @ spread
    return value, gradient, curvature
