"""The imaginary listener: Rational Speech Acts in log space (Kim, Kim and Kim 2020).

A world is a persona; world ``target`` is the speaker's own, the others are distractors. All
probabilities are logarithms, so that a sharp listener (large ``alpha``) does not underflow.
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


def pragmatic_speaker(
    log_s0: Floats, log_prior: Floats, *, target: int, alpha: float, beta: float
) -> Floats:
    """Return ``log S1(u|target)``, with ``S1 ∝ L0(target|u)^alpha S0(u|target)``; (utterances,).

    ``alpha=0`` gives the literal speaker back.
    """
    heard = literal_listener(log_s0, log_prior, beta=beta)[target]
    return log_normalized(alpha * heard + log_s0[target])


def updated_prior(
    log_s0: Floats, log_prior: Floats, said: int, *, beta: float, leak: float = 0.0
) -> Floats:
    """Return the prior for what follows: ``(1 - leak) L0(.|said) + leak / worlds``.

    Without a leak the listener's pressure fades once the speaker is identified; a small leak
    sustains it.
    """
    heard = np.exp(literal_listener(log_s0, log_prior, beta=beta)[:, said])
    return np.asarray(np.log((1 - leak) * heard + leak / len(heard)))


def utterance_listener(
    log_likelihoods: Floats,
    length: int,
    *,
    log_prior: Floats | None = None,
    beta: float = 1.0,
    normalization: float = 1.0,
) -> Floats:
    """Return ``log L0(i|u)`` of a whole utterance from its log likelihood under each world.

    ``L0 = softmax_i(beta * l_i / length^normalization + log p(i))``: without the normalization by
    length (in tokens) the listener is certain after a few words.
    """
    prior = uniform_prior(len(log_likelihoods)) if log_prior is None else log_prior
    return log_normalized(beta * log_likelihoods / max(length, 1) ** normalization + prior)


def listener_from_votes(votes: Sequence[int], *, smoothing: float = 0.5) -> Floats:
    """Return ``L0 = (votes_i + smoothing) / (V + smoothing * worlds)``; shape (worlds,)."""
    counts = np.asarray(votes, dtype=np.float64) + smoothing
    return np.asarray(counts / counts.sum())


def importance_weights(log_heard: Floats, *, alpha: float) -> Floats:
    """Return self-normalized weights ``w_k ∝ L0(target|u_k)^alpha`` of candidates, shape (K,).

    Candidates drawn from the speaker are samples of S0 already, so only the listener remains;
    duplicates are kept, each with a weight of its own.
    """
    return np.exp(log_normalized(alpha * log_heard))
