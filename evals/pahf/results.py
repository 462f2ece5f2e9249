"""The result of a PAHF evaluation: accuracy by phase, recovery after the switch, all records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field

from persona_agent.evals.pahf.timeline import phase_of
from persona_agent.evals.scores.rescore import rescore
from persona_agent.evals.scores.results import EvalResult
from persona_agent.evals.scores.scoring import AnswerRecord, Comparison, MetricValue, Scoring
from persona_agent.evals.scores.statistics import (
    Counts,
    Floats,
    draw_users,
    paired_bootstrap,
    rounded,
    rounded_interval,
    sum_by_user,
)
from persona_agent.schema.base import Record

WITHIN = 0.03
"""How near to the accuracy before the switch counts as recovered."""

WINDOW = 10
"""Interactions of each user over which accuracy while learning is averaged."""

BEFORE, LEARNING, AFTER = "phase-2", "phase-3", "phase-4"
ACCURACY = "accuracy"


class PhaseResult(Record):
    """Accuracy of every arm in one phase, and the paired differences of :class:`Scoring`.

    ``phase-1`` and ``phase-3`` are scored while they are learned from: each answer is given before
    its outcome is remembered.
    """

    queries: int
    arms: dict[str, MetricValue]
    comparisons: tuple[Comparison, ...]


class Recovery(Record):
    """How an arm comes back after preferences changed.

    ``before`` and ``after`` are the accuracies of phases 2 and 4, ``difference`` is after minus
    before with its 95 % interval over users. ``held_out`` is the accuracy on the questions of
    phase 4 after 0, 10, ... interactions of phase 3 (and after all of them), ``interactions``
    the first of these numbers with an accuracy of at least before - 0.03; null: never.
    ``while_learning`` is the same for the answers of phase 3 itself: the first n for which the
    accuracy of the interactions n - 9 to n, of all users, is at least before - 0.03.
    """

    before: float
    after: float
    difference: float
    ci95: tuple[float, float] | None
    interactions: int | None
    while_learning: int | None
    held_out: dict[int, float]


class DomainResult(Record):
    """One domain. ``tests`` has phases 2 and 4; its usage is of the whole run of the domain."""

    tests: EvalResult
    learning: tuple[AnswerRecord, ...]
    probes: tuple[AnswerRecord, ...]
    phases: dict[str, PhaseResult]
    recovery: dict[str, Recovery]

    @property
    def answered(self) -> EvalResult:
        """The tests with the number of all queries: what the usage has to be shared among."""
        everything = len(self.tests.records) + len(self.learning) + len(self.probes)
        return self.tests.model_copy(update={"queries": everything})


class PahfResult(Record):
    """Every domain that was run."""

    domains: dict[str, DomainResult] = Field(min_length=1)


def domain_result(whole: EvalResult) -> DomainResult:
    """Split the result over all queries of a domain by phase, and score each."""
    tests = [one for one in whole.records if phase_of(one.query_id) in (BEFORE, AFTER)]
    learning = [one for one in whole.records if phase_of(one.query_id) in ("phase-1", LEARNING)]
    probes = [one for one in whole.records if phase_of(one.query_id).startswith("after-")]
    return _scored(whole.model_copy(update={"records": tuple(tests)}), learning, probes)


def rescored(result: PahfResult) -> PahfResult:
    """Compute everything anew from the records. Raises InputError for a query that comes twice."""
    return PahfResult(
        domains={
            name: _scored(one.tests, one.learning, one.probes)
            for name, one in result.domains.items()
        }
    )


def _scored(
    tests: EvalResult, learning: Sequence[AnswerRecord], probes: Sequence[AnswerRecord]
) -> DomainResult:
    tests = rescore(tests)
    phases = dict(sorted(_by_phase([*tests.records, *learning]).items()))
    return DomainResult(
        tests=tests,
        learning=tuple(learning),
        probes=tuple(probes),
        phases={name: _phase(records, tests) for name, records in phases.items()},
        recovery={
            arm: _recovery(arm, phases, probes, draw_users(tests.users, seed=tests.seed))
            for arm in tests.arms
        },
    )


def _phase(records: Sequence[AnswerRecord], tests: EvalResult) -> PhaseResult:
    arms = tuple(tests.arms)
    scoring = Scoring(records, arms=arms, kind="choice", labels=(), seed=tests.seed)
    return PhaseResult(
        queries=len(records),
        arms={arm: scoring.arm(arm).metrics[ACCURACY] for arm in arms},
        comparisons=scoring.comparisons(),
    )


def _recovery(
    arm: str,
    phases: Mapping[str, Sequence[AnswerRecord]],
    probes: Sequence[AnswerRecord],
    draws: Counts,
) -> Recovery:
    before, after = (_accuracy(arm, phases[name]) for name in (BEFORE, AFTER))
    held_out = {
        int(name.removeprefix("after-")): _accuracy(arm, found)
        for name, found in _by_phase(probes).items()
    }
    held_out[_last(phases[LEARNING])] = after
    held_out = dict(sorted(held_out.items()))
    learned = _windows(arm, phases[LEARNING])
    enough = before - WITHIN - 1e-9
    sums = [_sums(arm, phases[name]) for name in (AFTER, BEFORE)]
    difference, ci95 = paired_bootstrap(sums[0], sums[1], _share, draws)[ACCURACY]
    return Recovery(
        before=rounded(before),
        after=rounded(after),
        difference=rounded(difference),
        ci95=rounded_interval(ci95),
        interactions=next((n for n, value in held_out.items() if value >= enough), None),
        while_learning=next((n for n, value in learned.items() if value >= enough), None),
        held_out={n: rounded(value) for n, value in held_out.items()},
    )


def _by_phase(records: Sequence[AnswerRecord]) -> dict[str, list[AnswerRecord]]:
    found: dict[str, list[AnswerRecord]] = {}
    for record in records:
        found.setdefault(phase_of(record.query_id), []).append(record)
    return found


def _right(arm: str, record: AnswerRecord) -> float:
    return float(record.answers[arm] == record.gold)


def _accuracy(arm: str, records: Sequence[AnswerRecord]) -> float:
    return sum(_right(arm, record) for record in records) / len(records)


def _sums(arm: str, records: Sequence[AnswerRecord]) -> Floats:
    columns = np.array([[1.0, _right(arm, record)] for record in records])
    return sum_by_user([record.user_id for record in records], columns)


def _share(sums: Floats) -> dict[str, Floats]:
    return {ACCURACY: sums[..., 1] / sums[..., 0]}


def _number(record: AnswerRecord) -> int:
    return int(record.query_id.partition("/")[2])


def _last(records: Sequence[AnswerRecord]) -> int:
    """Return how many interactions there are: their numbers start at 0."""
    return max(_number(record) for record in records) + 1


def _windows(arm: str, records: Sequence[AnswerRecord]) -> dict[int, float]:
    """Return, for every n from WINDOW on, the accuracy of interactions n - WINDOW + 1 to n."""
    found = {}
    for n in range(WINDOW, _last(records) + 1):
        inside = [record for record in records if n - WINDOW <= _number(record) < n]
        if inside:
            found[n] = _accuracy(arm, inside)
    return found
