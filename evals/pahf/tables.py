"""A PAHF result as tables for people, within 100 columns."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from persona_agent.evals.pahf.results import DomainResult, PahfResult
from persona_agent.evals.scores.scoring import CANDIDATE
from persona_agent.evals.tables import (
    arms_table,
    comparison_table,
    plain_text,
    shown_interval,
    shown_metric,
    table_frame,
)
from persona_agent.persona.plural import counted

TITLES = {
    "phase-1": "1 (learning)",
    "phase-2": "2 (test)",
    "phase-3": "3 (changed)",
    "phase-4": "4 (test)",
}


def print_pahf(result: PahfResult, console: Console) -> None:
    """Print a result: with lines and color on a terminal, plain and 100 columns wide elsewhere."""
    if console.is_terminal:
        console.print(pahf_view(result))
    else:
        console.file.write(plain_text(pahf_view(result, plain=True)))


def pahf_view(result: PahfResult, *, plain: bool = False) -> RenderableType:
    """Return the tables of every domain, for rich to print."""
    parts: list[RenderableType] = []
    for name, domain in result.domains.items():
        parts += _domain(name, domain, plain)
    parts.append(Text("\n".join(_notes()), style="" if plain else "dim"))
    return Group(*parts)


def _domain(name: str, domain: DomainResult, plain: bool) -> Iterator[RenderableType]:
    tests = domain.tests
    yield Text(
        f"PAHF {name}, {counted(tests.users, 'user')}, "
        f"{counted(tests.queries, 'test query', 'test queries')}, "
        f"{len(domain.learning)} while learning, model {tests.model}, "
        f"embedder {tests.embedder}, seed {tests.seed}"
    )
    gap = [Text("")] if plain else []
    yield from gap
    yield _phases(domain, plain)
    yield from gap
    yield _recovery(domain, plain)
    yield from gap
    yield Text("Both tests together; calls, tokens and seconds of the whole run")
    yield arms_table(tests, plain=plain)
    yield from gap
    if any(one.arm == CANDIDATE for one in tests.comparisons):
        yield comparison_table(tests, plain=plain)
        yield from gap
    if tests.errors:
        failed = counted(len(tests.errors), "failed call")
        yield Text(f"{failed}, the first: {tests.errors[0].error[:120]}")


def _phases(domain: DomainResult, plain: bool) -> Table:
    table = table_frame(plain)
    table.add_column("accuracy in phase", no_wrap=True)
    for phase in domain.phases:
        table.add_column(TITLES.get(phase, phase), no_wrap=True)
    for arm in domain.tests.arms:
        cells = (shown_metric(phase.arms[arm]) for phase in domain.phases.values())
        table.add_row(_arm(arm, plain), *cells)
    return table


def _recovery(domain: DomainResult, plain: bool) -> Table:
    table = table_frame(plain)
    steps = list(next(iter(domain.recovery.values())).held_out)
    table.add_column("phase 4 after", no_wrap=True)
    for step in steps:
        table.add_column(str(step), justify="right", no_wrap=True)
    table.add_column("4 minus 2", no_wrap=True)
    for title in ("recovered", "while learning"):
        table.add_column(title, justify="right", no_wrap=True)
    for arm, one in domain.recovery.items():
        table.add_row(
            _arm(arm, plain),
            *(f"{value:.3f}" for value in one.held_out.values()),
            f"{one.difference:+.3f}{shown_interval(one.ci95, '+.2f')}",
            *("never" if n is None else str(n) for n in (one.interactions, one.while_learning)),
        )
    return table


def _arm(name: str, plain: bool) -> Text:
    return Text(name, style="bold" if name == CANDIDATE and not plain else "")


def _notes() -> Iterator[str]:
    yield "[lo,hi]: 95 % bootstrap over users; harm: users who fare worse than under generic;"
    yield "phases 1 and 3: answers that were given before their outcome was remembered;"
    yield "phase 4 after n: accuracy on the questions of phase 4 after n interactions of phase 3;"
    yield "recovered: the first such n within 3 points of phase 2; while learning: the same for the"
    yield "latest 10 answers of each user in phase 3"
