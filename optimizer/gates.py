"""Decisions on candidates: paired comparisons on the same episodes, lower is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, pvariance

from persona_agent.persona.variance import gate_noise
from persona_agent.schema import GateResult, Trial

PRIOR_CASES = 3
PRIOR_VARIANCE = 0.05
NOISE_ERRORS = 2.0


def score(trial: Trial, confidence_weight: float) -> float:
    """Return the score of one trial, 0 (best) to 1.

    A weighted mean of the loss and of the squared error of the stated confidence (Brier score,
    taking a loss of 0 as correct). On few episodes the losses of two candidates are mostly equal;
    the confidence tells which one is about to be right more often. Trials without an answer or
    a confidence score their loss alone.
    """
    if trial.confidence is None or trial.answer is None:
        return trial.loss
    brier = ((1.0 if trial.loss == 0 else 0.0) - trial.confidence) ** 2
    return (1 - confidence_weight) * trial.loss + confidence_weight * brier


def mean_score(trials: Sequence[Trial], confidence_weight: float) -> float:
    """Return the mean score of trials; 0 for none."""
    return fmean(score(trial, confidence_weight) for trial in trials) if trials else 0.0


def compare(
    gate: str,
    candidate: Sequence[Trial],
    incumbent: Sequence[Trial],
    *,
    confidence_weight: float,
    margin_errors: float,
    noise: float = 0.0,
) -> GateResult:
    """Compare two candidates on the same episodes.

    With d the paired differences of scores, joined by three of no difference, and n their number
    with these, the candidate passes when

        mean(d) < -margin_errors * sqrt((var(d) + 0.05) / n)

    The three added observations and the added variance are what keeps a lucky handful of episodes
    from looking like a certain gain. With a negative margin the candidate
    passes unless it is worse by that many standard errors. ``reason`` names the mean of the
    episodes alone, like ``difference``, beside what that would have had to be below.

    ``noise`` is the variance of one score between runs of the same candidate. A candidate that
    has to gain must gain more than twice the standard error that this alone gives a difference
    of two means, see :func:`persona_agent.persona.variance.gate_noise`.
    """
    differences = [
        score(first, confidence_weight) - score(second, confidence_weight)
        for first, second in zip(candidate, incumbent, strict=True)
    ]
    padded = [*differences, *[0.0] * PRIOR_CASES]
    error = math.sqrt((pvariance(padded) + PRIOR_VARIANCE) / len(padded))
    bar = -margin_errors * error
    if margin_errors >= 0:
        bar = min(bar, -NOISE_ERRORS * gate_noise(noise, len(padded)))
    passed = fmean(padded) < bar
    difference = fmean(differences) if differences else 0.0
    needed = bar * len(padded) / max(1, len(differences))
    return GateResult(
        gate=gate,
        episodes=len(differences),
        candidate_loss=mean_score(candidate, confidence_weight),
        incumbent_loss=mean_score(incumbent, confidence_weight),
        difference=difference,
        standard_error=error,
        passed=passed,
        reason="" if passed else f"difference {difference:+.3f} is not below {needed:+.3f}",
    )
