"""One comparison over several data sets, whatever their metric.

Every answer has a loss between 0 and 1, as the optimizer has it: 0 or 1 for a choice,
|answer - gold| over the width of the scale for a rating; no usable answer counts as in the
metrics. A gain is the mean loss of the other arm minus that of the arm, over the same queries: it
is a difference of accuracies, or of MAE in widths of the scale, and positive is better. Over
several sets the mean of the sets' gains is taken, each set alike, so that a set with many
queries or a hard scale does not decide alone. Intervals draw users within each set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from persona_agent.errors import InputError
from persona_agent.evals.scores.metrics import scorer_for
from persona_agent.evals.scores.results import EvalResult
from persona_agent.evals.scores.significance import holm, sign_flip_test
from persona_agent.evals.scores.statistics import (
    Floats,
    draw_users,
    interval,
    rounded,
    rounded_interval,
    sum_by_user,
)
from persona_agent.schema.base import Record


class Gain(Record):
    """How much lower the loss of ``arm`` is than that of ``versus``; positive is better.

    ``ci95`` is null with fewer than 2 users. ``p_value`` is two-sided, ``p_holm`` corrected for
    all comparisons that were made with it.
    """

    arm: str
    versus: str
    sets: tuple[str, ...] = Field(min_length=1)
    users: int = Field(ge=1)
    queries: int = Field(ge=1)
    gain: float
    ci95: tuple[float, float] | None
    p_value: float
    p_holm: float


@dataclass(frozen=True)
class _Stratum:
    """The differences of one set: summed by user, and the number of queries of each user."""

    name: str
    differences: Floats
    counts: Floats

    @property
    def gain(self) -> float:
        return float(self.differences.sum() / self.counts.sum())


def losses(result: EvalResult, arm: str) -> Floats:
    """Return the loss of each answer of an arm, 0 to 1; shape (records,)."""
    scorer = scorer_for(result.kind, result.labels)
    golds = [record.gold for record in result.records]
    scores = scorer.scores(golds, [record.answers[arm] for record in result.records])
    if result.kind != "rating":
        return 1.0 - scores
    scale = [float(label) for label in result.labels]
    return -scores / (max(scale) - min(scale))


def user_gains(result: EvalResult, arm: str, versus: str) -> dict[str, float]:
    """Return each user's mean gain of ``arm`` over ``versus``."""
    differences = losses(result, versus) - losses(result, arm)
    by_user: dict[str, list[float]] = {}
    for record, difference in zip(result.records, differences, strict=True):
        by_user.setdefault(record.user_id, []).append(float(difference))
    return {user: sum(found) / len(found) for user, found in by_user.items()}


def compare_pooled(results: Sequence[EvalResult], pairs: Sequence[tuple[str, str]]) -> list[Gain]:
    """Compare pairs of arms (arm, versus) over results; those that no result has are left out.

    Results of one data set (other seeds) count as one set, with the same users. A pair is compared
    on the sets that have both arms. The p-values are corrected for all pairs that were compared.

    Raises:
        InputError: the results come from different models.
    """
    models = sorted({result.model for result in results})
    if len(models) > 1:
        raise InputError(f"only results of one model can be pooled, not of {', '.join(models)}")
    found = [_gain(_strata(results, *pair), *pair) for pair in pairs]
    gains = [gain for gain in found if gain is not None]
    adjusted = holm([gain.p_value for gain in gains])
    return [
        gain.model_copy(update={"p_holm": rounded(p)})
        for gain, p in zip(gains, adjusted, strict=True)
    ]


def _strata(results: Sequence[EvalResult], arm: str, versus: str) -> list[_Stratum]:
    users: dict[str, list[str]] = {}
    rows: dict[str, list[Floats]] = {}
    for result in results:
        if arm not in result.arms or versus not in result.arms:
            continue
        users.setdefault(result.dataset, []).extend(one.user_id for one in result.records)
        differences = losses(result, versus) - losses(result, arm)
        rows.setdefault(result.dataset, []).append(differences)
    strata = []
    for name, parts in rows.items():
        differences = np.concatenate(parts)
        sums = sum_by_user(users[name], np.column_stack([differences, np.ones(len(differences))]))
        strata.append(_Stratum(name, sums[:, 0], sums[:, 1]))
    return strata


def _gain(strata: Sequence[_Stratum], arm: str, versus: str) -> Gain | None:
    if not strata:
        return None
    drawn = []
    for place, one in enumerate(strata):
        draws = draw_users(len(one.counts), seed=place)
        drawn.append((draws @ one.differences) / (draws @ one.counts))
    enough = min(len(one.counts) for one in strata) >= 2
    weighted = np.concatenate([one.differences / one.counts.sum() for one in strata])
    p_value = sign_flip_test(weighted)
    return Gain(
        arm=arm,
        versus=versus,
        sets=tuple(one.name for one in strata),
        users=sum(len(one.counts) for one in strata),
        queries=int(sum(one.counts.sum() for one in strata)),
        gain=rounded(float(np.mean([one.gain for one in strata]))),
        ci95=rounded_interval(interval(np.mean(drawn, axis=0)) if enough else None),
        p_value=rounded(p_value),
        p_holm=rounded(p_value),
    )
