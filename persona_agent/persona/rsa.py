"""The imaginary listener: Rational Speech Acts in log space (Kim, Kim and Kim 2020).

A world is a persona: the speaker's own, or a distractor. Probabilities are logarithms, so that none
underflows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def log_normalized(logs: Floats, *, axis: int = -1) -> Floats:
    """Return logs shifted so that the exponentials add up to 1 along an axis."""
    highest = logs.max(axis=axis, keepdims=True)
    highest = np.where(np.isfinite(highest), highest, 0.0)
    total = np.log(np.exp(logs - highest).sum(axis=axis, keepdims=True)) + highest
    return np.asarray(logs - total)


def uniform_prior(worlds: int) -> Floats:
    """Return the log prior under which all worlds are equal; shape (worlds,)."""
    return np.full(worlds, -np.log(worlds))


def literal_listener(log_s0: Floats, log_prior: Floats, *, beta: float) -> Floats:
    """Return ``log L0(i|u)``, with ``L0(i|u) ∝ S0(u|i)^beta p(i)``, normalized over worlds.

    Args:
        log_s0: what each world's speaker would say; shape (worlds, utterances).
        log_prior: shape (worlds,).
        beta: 0 or more; how far the listener trusts the speaker's likelihoods.
    """
    return log_normalized(beta * log_s0 + log_prior[:, None], axis=0)


def updated_prior(
    log_s0: Floats, log_prior: Floats, said: int, *, beta: float, leak: float = 0.0
) -> Floats:
    """Return the prior for what follows: ``(1 - leak) L0(.|said) + leak / worlds``.

    Without a leak the listener's pressure fades once the speaker is identified; a small leak
    sustains it.
    """
    heard = np.exp(literal_listener(log_s0, log_prior, beta=beta)[:, said])
    return np.asarray(np.log((1 - leak) * heard + leak / len(heard)))


def listener_from_votes(votes: Sequence[int], *, smoothing: float = 0.5) -> Floats:
    """Return ``L0 = (votes_i + smoothing) / (V + smoothing * worlds)``; shape (worlds,)."""
    counts = np.asarray(votes, dtype=np.float64) + smoothing
    return np.asarray(counts / counts.sum())
