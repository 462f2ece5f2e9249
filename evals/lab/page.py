"""A report of the lab as a page: tables for a terminal, or Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from persona_agent.evals.lab.results import Figure, LabReport, LabResult
from persona_agent.persona.plural import counted

if TYPE_CHECKING:
    from rich.console import RenderableType

_ARROWS = {"higher": "↑", "lower": "↓", "": ""}


def value_text(one: Figure) -> str:
    """Return a figure's value with its interval, "unknown" where there is none."""
    if one.value is None:
        return "unknown"
    bounds = "" if one.ci95 is None else f" [{_number(one.ci95[0])}, {_number(one.ci95[1])}]"
    return f"{_number(one.value)}{bounds}"


def _number(value: float) -> str:
    return f"{value:.3f}" if 0 < abs(value) < 0.05 else f"{value:.2f}"


def count_text(one: Figure) -> str:
    """Return on how many items a figure rests, and how many are missing."""
    return f"{one.n}" + (f" ({one.missing} missing)" if one.missing else "")


def cost_text(result: LabResult) -> str:
    """Return what an experiment cost, in a line."""
    used = result.usage
    money = f", ${used.cost_usd:.4f}" if used.cost_usd else ""
    tokens = used.prompt_tokens + used.completion_tokens
    calls = counted(used.calls, "call")
    return f"{calls}, {tokens:,} tokens, {used.seconds:.1f} s of answering{money}"


def head_lines(report: LabReport) -> list[str]:
    """Return what was run on what."""
    judges = ", ".join(report.judges)
    reader = f"; statements related by {report.reader}" if report.reader else ""
    own = []
    if report.critic in report.judges:
        own.append(
            f"{report.critic} is inside the repairs and judges them too, because it is the only "
            "model: what they gain is agreement with itself"
        )
    elif report.model in report.judges:
        own.append(f"{report.model} plays and judges: it may agree with itself")
    for name in sorted(set(report.in_loss) & set(report.judges)):
        own.append(f"a persona was optimized against {name}, which judges it here as well")
    return [
        f"model {report.model}; critic {report.critic}; judges {judges}{reader}; embedder "
        f"{report.embedder}",
        *own,
        f"personas: {', '.join(report.personas)}",
        f"{report.seconds:.0f} s; seed {report.seed}; 95 % intervals",
    ]


def render_report(report: LabReport) -> Iterator[RenderableType | str]:
    """Yield the parts of the page for a terminal."""
    from rich.table import Table
    from rich.text import Text

    yield from head_lines(report)
    for result in report.results:
        table = Table(title=Text(result.title), title_justify="left", expand=False)
        table.add_column("figure")
        table.add_column("value", justify="right")
        table.add_column("n", justify="right")
        table.add_column("what it means")
        for one in result.findings.figures:
            name = f"{one.name} {_ARROWS[one.better]}".strip()
            cells = (name, value_text(one), count_text(one), one.meaning)
            table.add_row(*(Text(cell) for cell in cells))
        yield ""
        if result.findings.figures:
            yield table
        else:
            yield result.title
        yield from below(result)


def below(result: LabResult) -> list[str]:
    """Return the remarks under an experiment's figures."""
    lines = list(result.findings.notes)
    if result.findings.cannot:
        lines.append(f"not measured: {result.findings.cannot}")
    return [*lines, f"cost: {cost_text(result)}"]


def markdown_report(report: LabReport) -> str:
    """Return the page as Markdown; text of models and users is escaped."""
    from persona_agent.evals.report.markdown import escaped

    parts = ["# Consistency lab", *(escaped(line) for line in head_lines(report))]
    for result in report.results:
        parts.append(f"## {escaped(result.title)}")
        if result.findings.figures:
            rows = ["| figure | value | n | what it means |", "|---|---|---|---|"]
            for one in result.findings.figures:
                name = f"{one.name} {_ARROWS[one.better]}".strip()
                cells = (name, value_text(one), count_text(one), one.meaning)
                rows.append("| " + " | ".join(escaped(cell) for cell in cells) + " |")
            parts.append("\n".join(rows))
        parts += [escaped(line) for line in below(result)]
    return "\n\n".join(parts) + "\n"
