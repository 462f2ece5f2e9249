"""The tables of a report that compare persona + alignment with others, and those of sweeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from persona_agent.evals.arms.ablations import ABLATIONS
from persona_agent.evals.report.tables import (
    ABSENT,
    Table,
    arms_of,
    labels_of,
    main_metric,
    value_text,
)
from persona_agent.evals.scores.pooling import Gain, compare_pooled
from persona_agent.evals.scores.results import EvalResult
from persona_agent.evals.scores.scoring import CANDIDATE
from persona_agent.evals.scores.significance import holm
from persona_agent.evals.sweeps import SweepResult
from persona_agent.evals.tables import TITLES

ALPHA = 0.05
STARRED = (
    f"* p <= {ALPHA:g} after Holm's correction, for all comparisons in the sets' columns together, "
    "and for all in the pooled column. Pooled are the sets that have both arms."
)


@dataclass(frozen=True)
class GainTable:
    """A table of gains with the pooled ones in it."""

    table: Table
    pooled: tuple[Gain, ...]


def gains(results: Sequence[EvalResult]) -> GainTable:
    """Return what persona + alignment gains over every other arm."""
    others = [arm for arm in arms_of(results) if arm != CANDIDATE]
    return _gain_table(results, others)


def ablations(results: Sequence[EvalResult]) -> GainTable:
    """Return what persona + alignment gains from each part that was taken away."""
    cut = [arm for arm in ABLATIONS if any(arm in result.arms for result in results)]
    others = [arm for arm in ("persona", "rag") if any(arm in one.arms for one in results)]
    return _gain_table(results, [*cut, *others])


def _gain_table(results: Sequence[EvalResult], others: Sequence[str]) -> GainTable:
    pooled = compare_pooled(results, [(CANDIDATE, other) for other in others])
    cells = _starred([[result] for result in results], others)
    shown = {one.versus: one for one in pooled}
    rows = tuple(
        (
            other,
            *cells[other],
            points(shown[other], starred=shown[other].p_holm <= ALPHA),
            _p(shown[other].p_value),
            _p(shown[other].p_holm),
        )
        for other in others
        if other in shown
    )
    columns = ("over", *labels_of(results), "pooled", "p", "p (Holm)")
    title = f"Gain of {CANDIDATE}, in points"
    return GainTable(Table(title, columns, rows, STARRED), tuple(pooled))


def _starred(groups: Iterable[Sequence[EvalResult]], others: Sequence[str]) -> dict[str, list[str]]:
    """Return the gains over each other arm, a cell a group of results; one correction for all."""
    pairs = [(CANDIDATE, other) for other in others]
    found = [compare_pooled(group, pairs) for group in groups]
    adjusted = iter(holm([gain.p_value for gains in found for gain in gains]))
    columns = [
        {gain.versus: points(gain, starred=next(adjusted) <= ALPHA) for gain in gains}
        for gains in found
    ]
    return {other: [column.get(other, ABSENT) for column in columns] for other in others}


def points(gain: Gain, *, starred: bool = False) -> str:
    """Return a gain in points with its interval."""
    ends = ""
    if gain.ci95 is not None:
        ends = f" [{100 * gain.ci95[0]:+.1f}, {100 * gain.ci95[1]:+.1f}]"
    return f"{100 * gain.gain + 0.0:+.1f}{ends}{'*' if starred else ''}"


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


# --- sweeps -------------------------------------------------------------------------------------


def by_value(sweep: SweepResult) -> dict[float, list[EvalResult]]:
    """Return the results of a sweep by the value that was varied, in rising order."""
    found: dict[float, list[EvalResult]] = {}
    for point in sorted(sweep.points, key=lambda point: point.value):
        found.setdefault(point.value, []).append(point.result)
    return found


def sweep_scores(sweep: SweepResult) -> Table:
    """Return the main metric of every arm at every value: mean over seeds, and their range."""
    grouped = by_value(sweep)
    everything = [result for found in grouped.values() for result in found]
    metric = main_metric(everything[0])
    rows = tuple(
        (arm, *(_over_seeds(found, arm, metric) for found in grouped.values()))
        for arm in dict.fromkeys(name for result in everything for name in result.arms)
    )
    title = f"{TITLES.get(metric, metric)} by {sweep.sweep}"
    note = "One seed: 95 % interval. Several: their lowest and highest."
    return Table(title, ("arm", *(f"{value:g}" for value in grouped)), rows, note)


def _over_seeds(results: Sequence[EvalResult], arm: str, metric: str) -> str:
    found = [result.arms[arm].metrics[metric] for result in results if arm in result.arms]
    if len(found) < 2:
        return value_text(found[0]) if found else ABSENT
    values = [one.value for one in found]
    return f"{fmean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def sweep_gains(sweep: SweepResult) -> Table:
    """Return what persona + alignment gains over the other arms at every value."""
    grouped = by_value(sweep)
    arms = dict.fromkeys(name for found in grouped.values() for one in found for name in one.arms)
    others = [arm for arm in arms if arm != CANDIDATE] if CANDIDATE in arms else []
    cells = _starred(grouped.values(), others)
    rows = tuple((other, *cells[other]) for other in others)
    return Table(
        f"Gain of {CANDIDATE} in points, by {sweep.sweep}",
        ("over", *(f"{value:g}" for value in grouped)),
        rows,
        f"* p <= {ALPHA:g} after Holm's correction, for all comparisons of this table.",
    )
