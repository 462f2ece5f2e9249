"""A report as one HTML page that needs nothing else: no script, style or image from elsewhere."""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterator

from persona_agent.evals.document import document
from persona_agent.evals.extras import plotly
from persona_agent.evals.report.build import Figure, Report, Section
from persona_agent.evals.report.tables import Table

# Nothing may be loaded, so that a page is the same on every machine and tells nobody.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b6570; --ground: #ffffff;
  --line: #d9dee3; --band: #f4f6f8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #9aa5b1;
  --ground: #15181c; --line: #343b43; --band: #1d2227; } }
body { margin: 0 auto; padding: 1.5rem; max-width: 78rem; color: var(--ink);
  background: var(--ground); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
h3 { font-size: 1rem; margin: 0 0 .3rem; }
p, figcaption { color: var(--soft); max-width: 60rem; margin: .4rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .4rem 0; }
th, td { padding: .3rem .7rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0;
  background: var(--ground); }
thead th { border-bottom: 2px solid var(--line); }
tbody tr:hover td, tbody tr:hover th { background: var(--band); }
.figures { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(30rem,
  100%), 1fr)); margin-top: 1rem; }
figure { margin: 0; min-width: 0; }
pre { background: var(--band); padding: .8rem; overflow-x: auto; font-size: .85rem; }
"""

SCRIPT = """
const ink = () => getComputedStyle(document.documentElement).getPropertyValue('--ink').trim();
for (const source of document.querySelectorAll('script[type="application/json"]')) {
  const plot = JSON.parse(source.textContent);
  plot.layout.font.color = ink();
  Plotly.newPlot(source.previousElementSibling, plot.data, plot.layout,
    {responsive: true, displayModeBar: false});
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const plot of document.querySelectorAll('.js-plotly-plot'))
    Plotly.relayout(plot, {'font.color': ink()});
});
"""


def page(report: Report) -> str:
    """Return the page. Raises MissingExtraError without plotly."""
    get_plotlyjs = plotly("offline").get_plotlyjs
    numbers = itertools.count(1)
    body = "\n".join(_section(section, numbers) for section in report.sections)
    commands = html.escape("\n".join(report.commands))
    made = f"<h2>Commands</h2>\n<pre>{commands}</pre>" if commands else ""
    scripts = f"<script>{get_plotlyjs()}</script>\n<script>{SCRIPT}</script>"
    whole = f"<h1>{html.escape(report.title)}</h1>\n{body}\n{made}\n{scripts}"
    return document(report.title, policy=POLICY, style=STYLE, body=whole)


def _section(section: Section, numbers: Iterator[int]) -> str:
    parts = [f"<section>\n<h2>{html.escape(section.title)}</h2>"]
    if section.text:
        parts.append(f"<p>{html.escape(section.text)}</p>")
    parts += [_table(table) for table in section.tables]
    if section.figures:
        drawn = "\n".join(_figure(figure, next(numbers)) for figure in section.figures)
        parts.append(f'<div class="figures">\n{drawn}\n</div>')
    return "\n".join([*parts, "</section>"])


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in table.columns)
    rows = "\n".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in table.rows
    )
    note = f"\n<p>{html.escape(table.note)}</p>" if table.note else ""
    return (
        f'<div class="scroll"><table>\n<caption>{html.escape(table.title)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>{note}"
    )


def _figure(figure: Figure, number: int) -> str:
    # Inside a script element nothing is unescaped, and only "<" could end it.
    data = str(figure.draw().to_json()).replace("<", "\\u003c")
    note = f"<figcaption>{html.escape(figure.note)}</figcaption>" if figure.note else ""
    return (
        f"<figure>\n<h3>{html.escape(figure.title)}</h3>\n"
        f'<div id="figure-{number}"></div><script type="application/json">{data}</script>\n'
        f"{note}</figure>"
    )
