"""A report on evaluations: what it says, as tables and figures, apart from how it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from persona_agent.errors import InputError
from persona_agent.evals.arms.ablations import ABLATIONS
from persona_agent.evals.pahf.results import PahfResult
from persona_agent.evals.report import figures, tables
from persona_agent.evals.report import gains as report_gains
from persona_agent.evals.report.commands import commands
from persona_agent.evals.report.inputs import Input, evaluations
from persona_agent.evals.report.sparse import SPARSE_TEXT, sparse_table
from persona_agent.evals.report.tables import Table, labels_of
from persona_agent.evals.scores.results import EvalResult
from persona_agent.evals.scores.scoring import CANDIDATE
from persona_agent.evals.sweeps import SWEEPS, SweepResult

POOLED = (
    "A gain is the difference in loss, in points: 100 times a difference of accuracies or, for "
    "ratings, of MAE in widths of the scale; positive is better. Over several sets the mean of the "
    "sets' gains is taken, each set alike. Intervals (95 %) and tests draw or flip whole users "
    "within each set, paired over the same queries."
)


@dataclass(frozen=True)
class Figure:
    """A plot: made only when it is wanted, for it needs plotly."""

    title: str
    draw: Callable[[], Any]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it."""

    title: str
    text: str = ""
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Report:
    """A whole report. ``commands`` are the lines that make it again."""

    title: str
    sections: tuple[Section, ...]
    commands: tuple[str, ...] = ()


def build_report(inputs: Mapping[str, Input], *, title: str = "Evaluation") -> Report:
    """Say what results of evaluations and of sweeps show.

    Args:
        inputs: by the names of their files, in the order in which sets are shown.
        title: heading of the report.

    Raises:
        InputError: there is nothing to report, or the results come from several models.
    """
    results = [one for one in inputs.values() if isinstance(one, EvalResult)]
    sweeps = [one for one in inputs.values() if isinstance(one, SweepResult)]
    if not inputs:
        raise InputError("there is nothing to report: no results were given")
    if len({part.model for one in inputs.values() for part in evaluations(one)}) > 1:
        raise InputError("these results come from several models: make one report for each")
    sections: list[Section] = []
    groups: dict[str, list[EvalResult]] = {}
    for result in results:
        groups.setdefault("PrefEval: " if result.dataset == "prefeval" else "", []).append(result)
    for mark, group in groups.items():
        found = _result_sections(group)
        sections += [replace(one, title=f"{mark}{one.title}") for one in found]
    sections += [_pahf_section(one) for one in inputs.values() if isinstance(one, PahfResult)]
    sections += [_sweep_section(sweep) for sweep in sweeps]
    return Report(title, tuple(sections), commands(inputs, title))


def _result_sections(results: Sequence[EvalResult]) -> list[Section]:
    named = labels_of(results)
    sections = [
        Section("Data", tables=(tables.sets(results),)),
        _scores(results, named),
    ]
    if any(CANDIDATE in result.arms and len(result.arms) > 1 for result in results):
        gains = report_gains.gains(results)
        sections.append(
            Section(
                f"What {CANDIDATE} gains over the others",
                POOLED,
                tables=(gains.table,),
                figures=(Figure("Gain in points, all sets", lambda: figures.gains(gains.pooled)),),
            )
        )
        sections.append(_users(results, named))
    lean = sparse_table(results, results)
    if lean.rows:
        sections.append(Section("The sparse setting", SPARSE_TEXT, tables=(lean,)))
    if any(name in result.arms for result in results for name in ABLATIONS):
        lost = report_gains.ablations(results)
        sections.append(
            Section(
                "Ablations",
                f"What {CANDIDATE} gains from each of its parts: its gain over itself without.",
                tables=(lost.table,),
                figures=(Figure("Points gained by each part", lambda: figures.bars(lost.pooled)),),
            )
        )
    sections += [
        Section("Cost", tables=tables.costs(results)),
        _calibration(results, named),
        *(
            Section(f"All metrics: {label}", tables=(tables.details(result),))
            for label, result in zip(named, results, strict=True)
        ),
    ]
    return sections


def _scores(results: Sequence[EvalResult], named: Sequence[str]) -> Section:
    return Section(
        "Scores",
        "The main metric of every arm: accuracy, or MAE (lower is better) for ratings.",
        tables=(tables.scores(results),),
        figures=tuple(
            Figure(
                f"Cost and quality: {label}",
                partial(figures.cost_and_quality, result),
                "Quality is 1 - mean loss. Prompt tokens are those of an answer, without what it "
                "took to fit the arm.",
            )
            for label, result in zip(named, results, strict=True)
        ),
    )


def _calibration(results: Sequence[EvalResult], named: Sequence[str]) -> Section:
    return Section(
        "Calibration",
        "Whether stated confidence can be believed: expected calibration error in 10 bins, and "
        "Brier score; 0 is best. A rating counts as right where it is just the user's grade.",
        tables=(tables.calibrations(results),),
        figures=tuple(
            Figure(f"Reliability: {label}", partial(figures.reliability, result))
            for label, result in zip(named, results, strict=True)
            if any(arm.calibration for arm in result.arms.values())
        ),
    )


def _users(results: Sequence[EvalResult], named: Sequence[str]) -> Section:
    return Section(
        "Users",
        "Who fares worse than under generic: the share of users, and of those for whom a one-sided "
        "sign-flip test at 5 % says that it is no accident.",
        tables=(tables.harm(results),),
        figures=tuple(
            Figure(
                f"Gain of each user: {label}",
                partial(figures.users, result),
                f"Mean gain of {CANDIDATE} over the same user's queries, sorted.",
            )
            for label, result in zip(named, results, strict=True)
            if CANDIDATE in result.arms
        ),
    )


def _pahf_section(result: PahfResult) -> Section:
    tests = [one.tests for one in result.domains.values()]
    answered = [one.answered for one in result.domains.values()]
    gains = report_gains.gains(tests)
    lost = report_gains.ablations(tests)
    compared = [one for one in (gains.table, lost.table, sparse_table(answered, tests)) if one.rows]
    shown = (*tables.phases(result), *compared, tables.harm(tests), *tables.costs(answered))
    return Section(
        "PAHF: learning through a change of preferences",
        "Phases 1 and 3 are scored while they are learned from, 2 and 4 test; preferences change "
        "between 2 and 3. Gains and harm are over phases 2 and 4, costs over all that was asked.",
        tables=shown,
        figures=(Figure("Gain in points, phases 2 and 4", lambda: figures.gains(gains.pooled)),)
        if gains.pooled
        else (),
    )


def _sweep_section(sweep: SweepResult) -> Section:
    known = SWEEPS.get(sweep.sweep)
    what = known.what if known else sweep.sweep
    dataset = sweep.points[0].result.dataset
    gains = report_gains.sweep_gains(sweep)
    return Section(
        f"Sweep of {sweep.sweep}: {dataset}",
        f"What varies: {what}. Over several seeds, their mean.",
        tables=(report_gains.sweep_scores(sweep), *([gains] if gains.rows else [])),
        figures=(
            Figure(f"Quality by {what}: {dataset}", lambda: figures.learning_curve(sweep, what)),
        ),
    )
