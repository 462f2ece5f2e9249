"""Decisions on candidates: paired comparisons on the same episodes, lower is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from persona_agent.schema import GateResult, Trial


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
    margin_errors: float = 0.0,
    strict: bool = True,
    generic: Sequence[Trial] | None = None,
) -> GateResult:
    """Compare two candidates on the same episodes.

    The candidate passes when its mean difference is below ``-margin_errors`` standard errors
    (``strict``), or not above (otherwise), and when it is not worse than ``generic``.
    """
    weight = confidence_weight
    differences = [
        score(first, weight) - score(second, weight)
        for first, second in zip(candidate, incumbent, strict=True)
    ]
    mean = fmean(differences) if differences else 0.0
    error = stdev(differences) / math.sqrt(len(differences)) if len(differences) > 1 else None
    bar = -margin_errors * (error or 0.0)
    better = mean < bar if strict else mean <= bar
    generic_score = mean_score(generic, weight) if generic is not None else None
    own = mean_score(candidate, weight)
    harmless = generic_score is None or own <= generic_score
    reason = "" if better else "no gain"
    if better and not harmless:
        reason = "worse than generic"
    return GateResult(
        gate=gate,
        episodes=len(differences),
        candidate_loss=own,
        incumbent_loss=mean_score(incumbent, weight),
        generic_loss=generic_score,
        difference=mean,
        standard_error=error,
        passed=better and harmless,
        reason=reason,
    )
