"""A report of the lab as one HTML page that needs nothing else, and runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from persona_agent.evals.document import document
from persona_agent.evals.lab.page import below, count_text, head_lines, value_text
from persona_agent.evals.lab.results import Figure, LabReport, LabResult, Verdict

# Nothing may be loaded or run: the page holds text of models and of users.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
TITLE = "Consistency lab"
CHECK = "check: "
"""What the name of a figure begins with that is about the judges, not about what they judged."""
DIFFERENCES = (" minus ", "difference", "changes", "re-ranking")
"""What is in the name of a figure that is a difference, which has no place on a scale from 0."""
MOST_VERDICTS = 200
WIDTH, HEIGHT = 120, 14

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b6570; --ground: #ffffff;
  --line: #d9dee3; --band: #f4f6f8; --mark: #2563a8; --warn: #8a4b08; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #9aa5b1;
  --ground: #15181c; --line: #343b43; --band: #1d2227; --mark: #7db3ea; --warn: #e2a765; } }
body { margin: 0 auto; padding: 1.5rem; max-width: 72rem; color: var(--ink);
  background: var(--ground); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem; }
p, li { margin: .25rem 0; max-width: 60rem; } .soft, summary { color: var(--soft); }
.warn { color: var(--warn); font-weight: 600; }
nav ul { columns: 3 16rem; padding-left: 1.1rem; } a { color: var(--mark); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
caption { text-align: left; font-weight: 600; padding: .6rem 0 .2rem; }
th, td { padding: .35rem .6rem; text-align: left; vertical-align: top; font-weight: normal;
  border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); border-bottom: 2px solid var(--line); }
tbody th { width: 15rem; min-width: 9rem; } td.meaning { color: var(--soft); min-width: 18rem; }
td.value, td.count { white-space: nowrap; font-variant-numeric: tabular-nums; }
svg { display: block; margin-top: .25rem; } .axis { stroke: var(--line); }
.bounds { stroke: var(--mark); stroke-width: 3; opacity: .45; } circle { fill: var(--mark); }
tbody tr:hover th, tbody tr:hover td { background: var(--band); }
"""


def html_report(report: LabReport) -> str:
    """Return the page; text of models and users is escaped."""
    first, *rest = head_lines(report)
    lines = [f"<p>{escape(first)}</p>"]
    lines += [f'<p class="{_tone(line)}">{escape(line)}</p>' for line in rest]
    contents = "".join(
        f'<li><a href="#{escape(one.name)}">{escape(one.title)}</a>'
        + (' <span class="soft">(not measured)</span>' if one.findings.cannot else "")
        + "</li>"
        for one in report.results
    )
    body = "\n".join(_section(result) for result in report.results)
    head = f"<h1>{TITLE}</h1>\n{''.join(lines)}\n<nav><ul>{contents}</ul></nav>"
    return document(TITLE, policy=POLICY, style=STYLE, body=f"{head}\n{body}")


def _tone(line: str) -> str:
    return "warn" if "itself" in line or "as well" in line else "soft"


def _section(result: LabResult) -> str:
    figures = result.findings.figures
    checks = [one for one in figures if one.name.startswith(CHECK)]
    parts = [f'<section id="{escape(result.name)}">\n<h2>{escape(result.title)}</h2>']
    if figures:
        parts.append(_table([one for one in figures if one not in checks], ""))
    if checks:
        parts.append(_table(checks, "Can the judges be trusted?"))
    parts += [f'<p class="soft">{escape(line)}</p>' for line in below(result)]
    if result.findings.verdicts:
        parts.append(_verdicts(result.findings.verdicts))
    return "\n".join([*parts, "</section>"])


def _table(figures: Sequence[Figure], caption: str) -> str:
    rows = "\n".join(_row(one) for one in figures)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    head = "".join(f'<th scope="col">{one}</th>' for one in ("figure", "value", "n", "meaning"))
    return (
        f'<div class="scroll"><table>{title}<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n'
        "</tbody></table></div>"
    )


def _row(one: Figure) -> str:
    better = f'<br><span class="soft">{one.better} is better</span>' if one.better else ""
    return (
        f'<tr><th scope="row">{escape(one.name.removeprefix(CHECK))}{better}</th>'
        f'<td class="value">{escape(value_text(one))}{_bar(one)}</td>'
        f'<td class="count">{escape(count_text(one))}</td>'
        f'<td class="meaning">{escape(one.meaning)}</td></tr>'
    )


def _bar(one: Figure) -> str:
    """Draw the value with its interval on a scale from 0 to 1; nothing for other scales."""
    ends = one.ci95 or ()
    if (
        one.value is None
        or any(word in one.name for word in DIFFERENCES)
        or not all(0 <= value <= 1 for value in (one.value, *ends))
    ):
        return ""
    middle, radius = HEIGHT // 2, 4
    reach = WIDTH - 2 * radius

    def place(value: float) -> float:
        return round(radius + value * reach, 1)

    bounds = ""
    if one.ci95 is not None:
        low, high = (place(end) for end in one.ci95)
        bounds = f'<line class="bounds" x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>'
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="on a scale from 0 to 1">'
        f'<line class="axis" x1="{radius}" x2="{WIDTH - radius}" y1="{middle}" y2="{middle}"/>'
        f'{bounds}<circle cx="{place(one.value)}" cy="{middle}" r="{radius}"/></svg>'
    )


def _verdicts(verdicts: Sequence[Verdict]) -> str:
    shown = verdicts[:MOST_VERDICTS]
    more = f" (the first {len(shown)} of {len(verdicts)})" if len(shown) < len(verdicts) else ""
    rows = "\n".join(
        f'<tr><th scope="row">{escape(one.item)}</th><td>{escape(one.verdict or "missing")}</td>'
        f'<td class="meaning">{escape(one.evidence)}</td></tr>'
        for one in shown
    )
    return (
        f"<details><summary>The verdicts one by one{more}</summary>\n"
        '<div class="scroll"><table><thead><tr><th scope="col">item</th><th scope="col">verdict'
        f'</th><th scope="col">words that decided it</th></tr></thead>\n<tbody>\n{rows}\n'
        "</tbody></table></div></details>"
    )
