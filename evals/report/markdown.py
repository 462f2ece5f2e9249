"""A report as Markdown: text, tables and commands, without the figures."""

from __future__ import annotations

import re

from persona_agent.evals.report.build import Report
from persona_agent.evals.report.tables import Row, Table

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")


def markdown(report: Report) -> str:
    """Return the report; whatever a name holds, it is shown as text and stays in its cell."""
    parts = [f"# {escaped(report.title)}"]
    for section in report.sections:
        parts.append(f"## {escaped(section.title)}")
        if section.text:
            parts.append(escaped(section.text))
        for table in section.tables:
            parts.append(f"**{escaped(table.title)}**")
            parts.append(_table(table))
            if table.note:
                parts.append(escaped(table.note))
    if report.commands:
        lines = "\n".join(" ".join(line.split()) for line in report.commands)
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", lines)), default=0))
        parts.append(f"## Commands\n\n{fence}bash\n{lines}\n{fence}")
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Return text on one line with everything escaped that Markdown or HTML would act upon."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("&", "&amp;")


def _table(table: Table) -> str:
    rule = tuple("---" for _ in table.columns)
    rows = [_row(tuple(map(escaped, table.columns))), _row(rule)]
    rows += [_row(tuple(map(escaped, row))) for row in table.rows]
    return "\n".join(rows)


def _row(cells: Row) -> str:
    return "| " + " | ".join(cells) + " |"
