"""The tables of a report. They hold plain text; whoever writes them escapes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from persona_agent.evals.arms.ablations import ABLATIONS
from persona_agent.evals.pahf.results import PahfResult
from persona_agent.evals.scores.metrics import HIGHER_IS_BETTER
from persona_agent.evals.scores.results import ArmResult, EvalResult
from persona_agent.evals.scores.scoring import Comparison, MetricValue
from persona_agent.evals.tables import TITLES

ABSENT = "-"
Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table: every row has as many cells as there are columns."""

    title: str
    columns: Row
    rows: tuple[Row, ...]
    note: str = ""


def labels_of(results: Sequence[EvalResult]) -> list[str]:
    """Return a name for each result that tells it from the others."""
    names = [result.dataset for result in results]
    if len(set(names)) == len(names):
        return names
    named = [f"{result.dataset}, seed {result.seed}" for result in results]
    if len(set(named)) == len(named):
        return named
    return [f"{name} ({number})" for number, name in enumerate(named, 1)]


def main_metric(result: EvalResult) -> str:
    """Return the name of the metric that stands for a result."""
    return next(iter(next(iter(result.arms.values())).metrics))


def arms_of(results: Sequence[EvalResult]) -> list[str]:
    """Return all arms, in the order in which they first come, ablations left out."""
    names = dict.fromkeys(name for result in results for name in result.arms)
    return [name for name in names if name not in ABLATIONS]


def sets(results: Sequence[EvalResult]) -> Table:
    """Return what was evaluated on."""
    rows = tuple(
        (
            label,
            result.task,
            str(result.users),
            str(result.queries),
            result.model,
            result.embedder,
            str(result.seed),
            result.version,
        )
        for label, result in zip(labels_of(results), results, strict=True)
    )
    return Table(
        "Data sets",
        ("data set", "task", "users", "queries", "model", "embedder", "seed", "version"),
        rows,
    )


def scores(results: Sequence[EvalResult]) -> Table:
    """Return the main metric of every arm on every set."""
    titles = [
        f"{label}, {TITLES.get(main_metric(result), main_metric(result))}"
        for label, result in zip(labels_of(results), results, strict=True)
    ]
    rows = tuple((arm, *(_metric(result, arm) for result in results)) for arm in arms_of(results))
    return Table("Main metric", ("arm", *titles), rows, "In brackets: 95 %, bootstrap over users.")


def _metric(result: EvalResult, arm: str) -> str:
    found = result.arms.get(arm)
    return ABSENT if found is None else value_text(found.metrics[main_metric(result)])


def value_text(metric: MetricValue) -> str:
    """Return a metric with its interval."""
    ends = "" if metric.ci95 is None else f" [{metric.ci95[0]:.3f}, {metric.ci95[1]:.3f}]"
    return f"{metric.value:.3f}{ends}"


def _difference(value: float, ci95: tuple[float, float] | None) -> str:
    return f"{value:+.3f}" + ("" if ci95 is None else f" [{ci95[0]:+.3f}, {ci95[1]:+.3f}]")


# --- harm, cost, calibration --------------------------------------------------------------------


def harm(results: Sequence[EvalResult]) -> Table:
    """Return the share of users who fare worse than under generic, and significantly so."""
    rows = tuple(
        (arm, *(_harm(result.arms.get(arm)) for result in results))
        for arm in arms_of(results)
        if arm != "generic"
    )
    note = "Worse off, and in brackets significantly worse off."
    return Table("Users worse off", ("arm", *labels_of(results)), rows, note)


def _harm(arm: ArmResult | None) -> str:
    if arm is None or arm.harmed_users_share is None:
        return ABSENT
    significant = arm.significantly_harmed_users_share
    more = "" if significant is None else f" ({significant:.0%})"
    return f"{arm.harmed_users_share:.0%}{more}"


def online_tokens(result: EvalResult, arm: str) -> float:
    """Return the prompt tokens of one answer: without those that it took to fit the arm."""
    found = result.arms[arm]
    fitting = found.fitting.prompt_tokens if found.fitting else 0
    return (found.usage.prompt_tokens - fitting) / result.queries


def costs(results: Sequence[EvalResult]) -> tuple[Table, Table]:
    """Return the prompt tokens of an answer, and what it took to fit an arm to a user."""
    columns = ("arm", *labels_of(results))
    arms = arms_of(results)
    online = tuple((arm, *(_online(result, arm) for result in results)) for arm in arms)
    fitted = tuple((arm, *(_fitted(result, arm) for result in results)) for arm in arms)
    return (
        Table("Prompt tokens of an answer", columns, online),
        Table("Calls, and tokens, to fit an arm to a user", columns, fitted),
    )


def _online(result: EvalResult, arm: str) -> str:
    return f"{online_tokens(result, arm):.0f}" if arm in result.arms else ABSENT


def _fitted(result: EvalResult, arm: str) -> str:
    spent = result.arms[arm].fitting if arm in result.arms else None
    if spent is None:
        return ABSENT
    tokens = spent.prompt_tokens + spent.completion_tokens
    return f"{spent.calls / result.users:.1f}, {tokens / result.users:,.0f}"


def calibrations(results: Sequence[EvalResult]) -> Table:
    """Return the calibration of every arm that states its confidence."""
    rows = []
    for arm in arms_of(results):
        found = [result.arms[arm].calibration if arm in result.arms else None for result in results]
        if any(found):
            cells = (ABSENT if one is None else f"{one.ece:.3f}, {one.brier:.3f}" for one in found)
            rows.append((arm, *cells))
    return Table("ECE, Brier score", ("arm", *labels_of(results)), tuple(rows))


def phases(result: PahfResult) -> tuple[Table, ...]:
    """Return the accuracy of every arm by phase, and how it comes back after the change."""
    found = []
    for name, domain in result.domains.items():
        by_phase = tuple(
            (arm, *(value_text(one.arms[arm]) for one in domain.phases.values()))
            for arm in domain.tests.arms
        )
        found.append(Table(f"{name}: accuracy by phase", ("arm", *domain.phases), by_phase))
        back = tuple(
            (
                arm,
                f"{one.before:.3f}",
                f"{one.after:.3f}",
                _difference(one.difference, one.ci95),
                ABSENT if one.interactions is None else str(one.interactions),
            )
            for arm, one in domain.recovery.items()
        )
        columns = ("arm", "before", "after", "after - before", "interactions until recovered")
        note = (
            "Recovered: within 3 points of the accuracy before. -: not within the learning phase."
        )
        found.append(Table(f"{name}: after the change", columns, back, note))
    return tuple(found)


# --- one set ------------------------------------------------------------------------------------


def details(result: EvalResult) -> Table:
    """Return all metrics of one result, with differences to generic."""
    names = list(next(iter(result.arms.values())).metrics)
    versus = {(c.arm, c.metric): c for c in result.comparisons if c.versus == "generic"}
    columns = ["arm"]
    for name in names:
        columns += [TITLES.get(name, name), f"{TITLES.get(name, name)} vs generic"]
    rows = tuple(
        (arm, *_detail(found, arm, names, versus), str(found.unparsed))
        for arm, found in result.arms.items()
    )
    better = "higher" if HIGHER_IS_BETTER.get(names[0], True) else "lower"
    return Table(
        f"{result.dataset}: {better} is better",
        (*columns, "no answer"),
        rows,
        "Queries without a usable answer count as wrong.",
    )


def _detail(
    found: ArmResult,
    arm: str,
    names: Sequence[str],
    versus: dict[tuple[str, str], Comparison],
) -> Iterator[str]:
    for name in names:
        yield value_text(found.metrics[name])
        one = versus.get((arm, name))
        yield ABSENT if one is None else _difference(one.difference, one.ci95)
