"""The result of an evaluation as a JSON file: scores, costs, and every answer they rest on.

Equal results are equal byte for byte, apart from ``seconds``: numbers are rounded to 6 decimals,
records are sorted, arms keep the order in which they were given. The records are enough to score
again (:mod:`persona_agent.evals.scores.rescore`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

import persona_agent
from persona_agent.errors import InputError
from persona_agent.evals.data.eval_data import EvalDataset, QueryKey
from persona_agent.evals.scores.calibration import Calibration
from persona_agent.evals.scores.scoring import (
    AnswerRecord,
    ArmScores,
    Comparison,
    MetricValue,
    Scoring,
    sorted_records,
)
from persona_agent.evals.scores.statistics import rounded
from persona_agent.schema import TaskKind, Usage
from persona_agent.schema.base import Record

Setting = str | int | float | bool | None


class FittingUsage(Record):
    """What it cost to fit an arm to all users, before any query was answered: money in USD."""

    calls: int = Field(ge=0)
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    cost_usd: float = Field(default=0.0, ge=0)

    @classmethod
    def of(cls, usage: Usage) -> Self:
        """Return usage as results hold it."""
        known = usage.model_dump(include=set(cls.model_fields))
        return cls.model_validate({name: rounded(value) for name, value in known.items()})


class ArmUsage(FittingUsage):
    """What an arm cost in all, with its wall time in seconds."""

    seconds: float = Field(ge=0)

    @classmethod
    def of(cls, usage: Usage) -> Self:
        """Return usage as results hold it."""
        return super().of(usage.model_copy(update={"seconds": round(usage.seconds, 3)}))


class ArmResult(Record):
    """Scores and costs of one arm.

    ``unparsed`` counts the queries without a usable answer; they are scored as wrong.
    ``harmed_users_share`` is the share of users with a lower mean score than under ``generic``,
    ``significantly_harmed_users_share`` of those for whom a one-sided sign-flip test at 5 % says
    so; both are null where ``generic`` was not run. ``fitting`` is the part of ``usage`` before the
    first query; ``calibration`` is null where no confidence was stated.
    """

    metrics: dict[str, MetricValue]
    usage: ArmUsage
    unparsed: int = Field(ge=0)
    harmed_users_share: float | None
    significantly_harmed_users_share: float | None = None
    fitting: FittingUsage | None = None
    calibration: Calibration | None = None

    @classmethod
    def of(
        cls, scores: ArmScores, usage: ArmUsage, fitting: FittingUsage | None = None
    ) -> ArmResult:
        """Join scores and costs."""
        return cls(
            metrics=scores.metrics,
            usage=usage,
            unparsed=scores.unparsed,
            harmed_users_share=scores.harmed,
            significantly_harmed_users_share=scores.significantly_harmed,
            fitting=fitting,
            calibration=scores.calibration,
        )


class AnswerError(Record):
    """Why an arm has no answer to a query."""

    arm: str
    user_id: str
    query_id: str
    error: str


class EvalResult(Record):
    """One evaluation: every arm on the same queries."""

    dataset: str
    task: str
    model: str
    embedder: str
    seed: int
    users: int = Field(ge=1)
    queries: int = Field(ge=1)
    arms: dict[str, ArmResult] = Field(min_length=1)
    comparisons: tuple[Comparison, ...] = ()
    records: tuple[AnswerRecord, ...] = Field(min_length=1)
    kind: TaskKind = "choice"
    labels: tuple[str, ...] = ()
    errors: tuple[AnswerError, ...] = ()
    settings: dict[str, Setting] = Field(default_factory=dict)
    version: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for record in self.records:
            if set(record.answers) != set(self.arms):
                raise ValueError(
                    f"the record of user {record.user_id!r}, query {record.query_id!r} must have "
                    "an answer (or null) of every arm, and of no other"
                )
        return self


def build_results(
    dataset: EvalDataset,
    answers: Mapping[str, Mapping[QueryKey, str | None]],
    usage: Mapping[str, Usage],
    *,
    model: str,
    embedder: str,
    seed: int = 0,
    confidences: Mapping[str, Mapping[QueryKey, float]] | None = None,
    fitting: Mapping[str, Usage] | None = None,
    errors: Sequence[AnswerError] = (),
    settings: Mapping[str, Setting] | None = None,
) -> EvalResult:
    """Score the answers of all arms.

    Args:
        dataset: what was asked.
        answers: of each arm, by (user id, query id), in the data set's notation; None where no
            usable answer came. Every arm has every query.
        usage: of each arm; an arm that is not named used no model.
        model: name of the language model.
        embedder: name of the embedder.
        seed: of the run; it also draws the bootstrap.
        confidences: stated with the answers, of each arm, where there were any.
        fitting: the part of the usage before the first query; not told where it is not given.
        errors: why answers are missing.
        settings: what else determines the result.

    Raises:
        InputError: no arm, or an arm lacks a query or answers one that was not asked.
    """
    golds = {(one.user_id, one.query_id): one.gold for one in dataset.queries}
    _check_complete(golds, answers)
    records = sorted_records(golds, answers, confidences or {})
    scoring = Scoring(
        records, arms=tuple(answers), kind=dataset.kind, labels=dataset.labels, seed=seed
    )
    costs = {arm: ArmUsage.of(usage.get(arm, Usage())) for arm in answers}
    before = {arm: FittingUsage.of(used) for arm, used in (fitting or {}).items()}
    return EvalResult(
        dataset=dataset.name,
        task=dataset.task,
        model=model,
        embedder=embedder,
        seed=seed,
        users=len(dataset.users),
        queries=len(records),
        arms={arm: ArmResult.of(scoring.arm(arm), costs[arm], before.get(arm)) for arm in answers},
        comparisons=scoring.comparisons(),
        records=records,
        kind=dataset.kind,
        labels=dataset.labels,
        errors=tuple(sorted(errors, key=lambda one: (one.arm, one.user_id, one.query_id))),
        settings=dict(sorted((settings or {}).items())),
        version=persona_agent.__version__,
    )


def _check_complete(
    golds: Mapping[QueryKey, str], answers: Mapping[str, Mapping[QueryKey, str | None]]
) -> None:
    if not answers:
        raise InputError("there are no arms to score")
    for arm, given in answers.items():
        odd = next(iter(sorted(golds.keys() ^ given.keys())), None)
        if odd is not None:
            problem = "has no answer (or None)" if odd in golds else "answers what was not asked"
            raise InputError(f"arm {arm!r} {problem}: user {odd[0]!r}, query {odd[1]!r}")


def to_json(result: Record) -> str:
    """Return a result as indented JSON with a line break at its end."""
    return json.dumps(result.model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n"


def save_result(result: Record, path: Path | str) -> None:
    """Write a result; folders on the way are made. Raises InputError where that cannot be done."""
    write_text(Path(path), to_json(result))


def write_text(path: Path, text: str) -> None:
    """Write a file; folders on the way are made. Raises InputError where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
