"""A result as tables for people, within 100 columns; with fewer, the main metric alone."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from persona_agent.evals.scores.metrics import HIGHER_IS_BETTER
from persona_agent.evals.scores.results import ArmResult, EvalResult
from persona_agent.evals.scores.scoring import BASELINE, CANDIDATE, Comparison, MetricValue
from persona_agent.persona.plural import counted

WIDTH = 100
TITLES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "mae": "MAE", "rmse": "RMSE"}

Interval = tuple[float, float] | None


def result_view(result: EvalResult, *, plain: bool = False, width: int = WIDTH) -> RenderableType:
    """Return heading, one row an arm, and how persona + alignment compares; for rich to print.

    Args:
        result: what to show.
        plain: no lines and no color, for files and pipes.
        width: columns there are; 80 are enough for the main metric.
    """
    heading = Text(
        f"{result.dataset} ({result.task}), {counted(result.users, 'user')}, "
        f"{counted(result.queries, 'query', 'queries')}, "
        f"model {result.model}, embedder {result.embedder}, seed {result.seed}"
    )
    table = arms_table(result, plain=plain, brief=width < WIDTH)
    gap = [Text("")] if plain else []  # on a terminal the tables bring their own
    parts: list[RenderableType] = [heading, *gap, table, *gap]
    if any(one.arm == CANDIDATE for one in result.comparisons):
        parts += [comparison_table(result, plain=plain), *gap]
    parts.append(Text("\n".join(_notes(result)), style="" if plain else "dim"))
    return Group(*parts)


def print_result(result: EvalResult, console: Console) -> None:
    """Print a result: with lines and color on a terminal, plain and 100 columns wide elsewhere."""
    if console.is_terminal:
        console.print(result_view(result, width=console.width))
    else:
        console.file.write(result_text(result))


def result_text(result: EvalResult, *, width: int = WIDTH) -> str:
    """Return a result as plain text."""
    return plain_text(result_view(result, plain=True, width=width), width=width)


def plain_text(view: RenderableType, *, width: int = WIDTH) -> str:
    """Return what rich would print, without colors and without spaces at the ends of lines."""
    buffer = io.StringIO()
    console = Console(file=buffer, width=width, color_system=None, force_terminal=False)
    console.print(view)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def arms_table(result: EvalResult, *, plain: bool = False, brief: bool = False) -> Table:
    """Return one row an arm: metrics with intervals, difference to generic, harm and costs.

    ``brief`` leaves out all metrics but the main one.
    """
    names = list(next(iter(result.arms.values())).metrics)
    versus = {
        one.arm: one
        for one in result.comparisons
        if one.versus == BASELINE and one.metric == names[0]
    }
    names = names[:1] if brief else names
    table = table_frame(plain)
    table.add_column("arm", no_wrap=True)
    for title in (*(TITLES.get(name, name) for name in names), "vs generic"):
        table.add_column(title, no_wrap=True)
    for title in ("harm", "calls", "token", "sec", "n/a"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, arm in result.arms.items():
        table.add_row(
            Text(name, style="bold" if name == CANDIDATE and not plain else ""),
            *(shown_metric(arm.metrics[metric]) for metric in names),
            _difference(versus.get(name), plain=plain),
            *_costs(arm),
        )
    return table


def comparison_table(result: EvalResult, *, plain: bool = False) -> Table:
    """Return how much better or worse persona + alignment is than every other arm."""
    found = [one for one in result.comparisons if one.arm == CANDIDATE]
    metrics = list(dict.fromkeys(one.metric for one in found))
    table = table_frame(plain)
    table.add_column(f"{CANDIDATE} versus", no_wrap=True)
    for metric in metrics:
        table.add_column(TITLES.get(metric, metric), no_wrap=True)
    for versus in dict.fromkeys(one.versus for one in found):
        row = {one.metric: one for one in found if one.versus == versus}
        cells = (_difference(row.get(metric), plain=plain) for metric in metrics)
        table.add_row(Text(versus), *cells)
    return table


def table_frame(plain: bool) -> Table:
    """Return an empty table in the form of all tables here."""
    style = "" if plain else "bold"
    return Table(
        box=None if plain else box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0) if plain else 0,  # a box brings a space of its own
        show_edge=False,
        header_style=style,
    )


def shown_metric(metric: MetricValue) -> Text:
    """Return a metric with its interval: ``0.444 [.20,.43]``."""
    return Text(f"{metric.value:.3f}{shown_interval(metric.ci95, '.2f')}")


def _difference(comparison: Comparison | None, *, plain: bool) -> Text:
    """Return a difference; better or worse in color only where the interval leaves out zero."""
    if comparison is None:
        return Text("-")
    text = f"{comparison.difference:+.3f}{shown_interval(comparison.ci95, '+.2f')}"
    style = ""
    if comparison.ci95 is not None and not plain:
        low, high = comparison.ci95
        up = HIGHER_IS_BETTER.get(comparison.metric, True)
        better, worse = (low > 0, high < 0) if up else (high < 0, low > 0)
        style = "green" if better else "red" if worse else ""
    return Text(text, style=style)


def shown_interval(interval: Interval, form: str) -> str:
    """Return an interval behind a space, or "" for none."""
    if interval is None:
        return ""
    low, high = (re.sub(r"^([+-]?)0\.", r"\1.", f"{bound:{form}}") for bound in interval)
    return f" [{low},{high}]"


def _costs(arm: ArmResult) -> Iterator[str]:
    share = arm.harmed_users_share
    yield "-" if share is None else f"{share:.0%}"
    yield _compact(arm.usage.calls)
    yield _compact(arm.usage.prompt_tokens + arm.usage.completion_tokens)
    yield f"{arm.usage.seconds:.1f}" if arm.usage.seconds < 100 else f"{arm.usage.seconds:.0f}"
    yield str(arm.unparsed)


def _compact(number: int) -> str:
    """Return a count in at most 5 characters: 9999, 12.3k, 1.29M."""
    if number < 10_000:
        return str(number)
    size, unit = (1_000, "k") if number < 999_500 else (1_000_000, "M")
    if number >= 999_500_000:
        size, unit = 1_000_000_000, "G"
    scaled = number / size
    return f"{scaled:.{2 if scaled < 9.995 else 1 if scaled < 99.95 else 0}f}{unit}"


def _notes(result: EvalResult) -> Iterator[str]:
    main = TITLES.get(next(iter(next(iter(result.arms.values())).metrics)), "")
    yield (
        f"[lo,hi]: 95 % bootstrap over users{'' if result.users > 1 else ' (needs 2 users)'}; "
        f"vs generic: paired difference in {main};"
    )
    yield "harm: users who fare worse than under generic; n/a: no usable answer, scored as wrong"
    if result.errors:
        first = result.errors[0]
        failed = counted(len(result.errors), "failed call")
        yield f"{failed}, the first ({first.arm}): {first.error[:120]}"
