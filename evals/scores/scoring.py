"""From answers to scores: every arm's metrics, its harm, and the differences between arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from persona_agent.evals.data.eval_data import QueryKey
from persona_agent.evals.scores.calibration import Calibration, calibration
from persona_agent.evals.scores.metrics import Floats, Scorer, scorer_for
from persona_agent.evals.scores.statistics import (
    Counts,
    bootstrap,
    draw_users,
    harmed_users_share,
    paired_bootstrap,
    rounded,
    rounded_interval,
    significantly_harmed_users_share,
    sum_by_user,
)
from persona_agent.schema import TaskKind
from persona_agent.schema.base import Record

BASELINE = "generic"
CANDIDATE = "persona+alignment"


class MetricValue(Record):
    """A metric and its 95 % interval; no interval (null) with fewer than 2 users."""

    value: float
    ci95: tuple[float, float] | None


class Comparison(Record):
    """The difference of a metric, ``arm`` minus ``versus``, paired, and its 95 % interval."""

    arm: str
    versus: str
    metric: str
    difference: float
    ci95: tuple[float, float] | None


class AnswerRecord(Record):
    """What every arm answered to one query, in the data set's notation; null: no usable answer.

    ``confidences`` holds what was stated with the answers, 0 to 1, for the arms that state one; a
    record without any has no such field in JSON.
    """

    user_id: str
    query_id: str
    gold: str
    answers: dict[str, str | None]
    confidences: dict[str, float] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _lean(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        written: dict[str, object] = serialize(self)
        if not self.confidences:
            del written["confidences"]
        return written


@dataclass(frozen=True)
class ArmScores:
    """The scores of one arm; harm is None where there is no generic arm to compare with."""

    metrics: dict[str, MetricValue]
    unparsed: int
    harmed: float | None
    significantly_harmed: float | None
    calibration: Calibration | None


class Scoring:
    """The scores of all arms on one set of records, all on the same bootstrap draws.

    Args:
        records: at least one; every record has an answer (or null) of every arm.
        kind: of the task.
        labels: full set of golds, see :class:`persona_agent.evals.data.eval_data.EvalDataset`.
        seed: of the bootstrap.
    """

    def __init__(
        self,
        records: Sequence[AnswerRecord],
        *,
        arms: Sequence[str],
        kind: TaskKind,
        labels: Sequence[str],
        seed: int,
    ) -> None:
        self._records = records
        self._arms = tuple(arms)
        self._scorer: Scorer = scorer_for(kind, labels)
        self._users = [record.user_id for record in records]
        self._golds = [record.gold for record in records]
        self._sums = {arm: self._arm_sums(arm) for arm in arms}
        self._draws: Counts = draw_users(len(set(self._users)), seed=seed)

    def arm(self, arm: str) -> ArmScores:
        """Return the scores of one arm."""
        answers = self._answers(arm)
        values = self._scorer.metrics(self._sums[arm].sum(axis=0))
        intervals = bootstrap(self._sums[arm], self._scorer.metrics, self._draws)
        harmed = significant = None
        if BASELINE in self._arms:
            ours = self._scorer.scores(self._golds, answers)
            base = self._scorer.scores(self._golds, self._answers(BASELINE))
            harmed = rounded(harmed_users_share(self._users, ours, base))
            significant = rounded(significantly_harmed_users_share(self._users, ours, base))
        return ArmScores(
            metrics={
                name: MetricValue(
                    value=rounded(float(value)), ci95=rounded_interval(intervals[name])
                )
                for name, value in values.items()
            },
            unparsed=sum(not self._scorer.parsed(answer) for answer in answers),
            harmed=harmed,
            significantly_harmed=significant,
            calibration=self._calibration(arm),
        )

    def comparisons(self) -> tuple[Comparison, ...]:
        """Compare every arm with generic, then persona + alignment with every other arm."""
        pairs = [(arm, BASELINE) for arm in self._arms]
        pairs += [(CANDIDATE, arm) for arm in self._arms]
        wanted = (
            (arm, versus)
            for arm, versus in dict.fromkeys(pairs)
            if arm != versus and arm in self._sums and versus in self._sums
        )
        return tuple(one for arm, versus in wanted for one in self._compare(arm, versus))

    def _compare(self, arm: str, versus: str) -> list[Comparison]:
        found = paired_bootstrap(
            self._sums[arm], self._sums[versus], self._scorer.metrics, self._draws
        )
        return [
            Comparison(
                arm=arm,
                versus=versus,
                metric=metric,
                difference=rounded(difference),
                ci95=rounded_interval(interval),
            )
            for metric, (difference, interval) in found.items()
        ]

    def _calibration(self, arm: str) -> Calibration | None:
        stated = [one for one in self._records if arm in one.confidences]
        return calibration(
            [one.confidences[arm] for one in stated],
            [one.answers[arm] == one.gold for one in stated],
        )

    def _answers(self, arm: str) -> list[str | None]:
        return [record.answers[arm] for record in self._records]

    def _arm_sums(self, arm: str) -> Floats:
        return sum_by_user(self._users, self._scorer.columns(self._golds, self._answers(arm)))


def sorted_records(
    golds: Mapping[QueryKey, str],
    answers: Mapping[str, Mapping[QueryKey, str | None]],
    confidences: Mapping[str, Mapping[QueryKey, float]],
) -> tuple[AnswerRecord, ...]:
    """Return one record a query, by user and query id, with the arms in the order given."""
    return tuple(
        AnswerRecord(
            user_id=key[0],
            query_id=key[1],
            gold=golds[key],
            answers={arm: given[key] for arm, given in answers.items()},
            confidences={
                arm: rounded(confidences[arm][key])
                for arm in answers
                if key in confidences.get(arm, {})
            },
        )
        for key in sorted(golds)
    )
