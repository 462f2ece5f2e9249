"""The tables of a report that compare persona + alignment with others, and those of sweeps."""

from __future__ import annotations

from collections.abc import Sequence
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
    return _gain_table(f"Gain of {CANDIDATE}, in points", "over", results, others)


def ablations(results: Sequence[EvalResult]) -> GainTable:
    """Return what persona + alignment gains from each part that was taken away."""
    cut = [arm for arm in ABLATIONS if any(arm in result.arms for result in results)]
    others = [arm for arm in ("persona", "rag") if any(arm in one.arms for one in results)]
    return _gain_table(f"Gain of {CANDIDATE}, in points", "over", results, [*cut, *others])


def _gain_table(
    title: str, corner: str, results: Sequence[EvalResult], others: Sequence[str]
) -> GainTable:
    pairs = [(CANDIDATE, other) for other in others]
    pooled = compare_pooled(results, pairs)
    by_set = [{one.versus: one for one in compare_pooled([result], pairs)} for result in results]
    cells = [(place, other) for place, found in enumerate(by_set) for other in found]
    adjusted = holm([by_set[place][other].p_value for place, other in cells])
    stars = {cell: p <= ALPHA for cell, p in zip(cells, adjusted, strict=True)}
    shown = {one.versus: one for one in pooled}
    rows = tuple(
        (
            other,
            *(
                _points(found.get(other), starred=stars.get((place, other), False))
                for place, found in enumerate(by_set)
            ),
            _points(shown[other], starred=shown[other].p_holm <= ALPHA),
            _p(shown[other].p_value),
            _p(shown[other].p_holm),
        )
        for other in others
        if other in shown
    )
    columns = (corner, *labels_of(results), "pooled", "p", "p (Holm)")
    return GainTable(Table(title, columns, rows, STARRED), tuple(pooled))


def _points(gain: Gain | None, *, starred: bool) -> str:
    if gain is None:
        return ABSENT
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
    cells = {
        (value, gain.versus): gain
        for value, found in grouped.items()
        for gain in compare_pooled(found, [(CANDIDATE, other) for other in others])
    }
    adjusted = holm([gain.p_value for gain in cells.values()])
    stars = {cell: p <= ALPHA for cell, p in zip(cells, adjusted, strict=True)}
    rows = tuple(
        (
            other,
            *(
                _points(cells.get((value, other)), starred=stars.get((value, other), False))
                for value in grouped
            ),
        )
        for other in others
    )
    return Table(
        f"Gain of {CANDIDATE} in points, by {sweep.sweep}",
        ("over", *(f"{value:g}" for value in grouped)),
        rows,
        f"* p <= {ALPHA:g} after Holm's correction, for all comparisons of this table.",
    )
