"""Results of evaluations as tables and plots: uploaded, picked, or made on the invented people."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from persona_agent.errors import InputError
from persona_agent.evals.data.source import text_of
from persona_agent.evals.report.build import Report, Section, build_report
from persona_agent.evals.report.inputs import parse_input
from persona_agent.evals.report.tables import Table
from persona_agent.ui import demo_evidence, plots
from persona_agent.ui.agents import for_visitors, open_agent
from persona_agent.ui.job import Job
from persona_agent.ui.state import awaited, job, start
from persona_agent.ui.texts import escaped
from persona_agent.ui.upload import MOST_BYTES

REPORT = "report"
COMMAND = "persona-agent eval lamp --data movie_tagging.json --json result.json"
FIRST_BYTES = 200
KEYS = ('"dataset"', '"domains"', '"sweep"')
PLACES = (".", "results")


def show() -> None:
    """Draw the page."""
    st.title("Evidence")
    st.write(
        "Whether it helps: measure it here on the invented people, or look at what evaluations on "
        "your own data found, with intervals and costs."
    )
    here, files = st.tabs(["On the invented people", "Result files"])
    with here:
        demo_evidence.show(open_agent())
    with files:
        _files()


def _files() -> None:
    found = [] if for_visitors() else result_files()
    picked: Sequence[Path] = ()
    if found:
        picked = st.multiselect("Result files of the folder that the app runs in", found)
    given = st.file_uploader(
        "Or upload results" if found else "Upload results",
        type=["json"],
        accept_multiple_files=True,
        max_upload_size=20,
    )
    if not picked and not given:
        st.info(
            "A result is a JSON file that an evaluation writes. Make one in a terminal, then "
            "upload it, or start the app in its folder and pick it:"
        )
        st.code(COMMAND, language=None, wrap_lines=True)
        return
    if st.button("Show", type="primary", icon=":material/query_stats:"):
        texts = {path.name: path.read_bytes() for path in picked}
        texts |= {one.name: one.getvalue() for one in given}
        start(REPORT, lambda running: _report(texts, running))
        st.rerun()
    report: Report | None = awaited(job(REPORT))
    if report is not None:
        _show(report)


def result_files() -> list[Path]:
    """Return what looks like results in the folder that the app runs in."""
    paths = [path for place in PLACES for path in sorted(Path(place).glob("*.json"))]
    return [path for path in paths if _looks_like_one(path)]


def _looks_like_one(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            begin = file.read(FIRST_BYTES).decode("utf-8", errors="ignore")
    except OSError:
        return False
    return any(key in begin for key in KEYS)


async def _report(texts: dict[str, bytes], running: Job[Report]) -> Report:
    running.note = f"Reading {', '.join(texts)}"

    def build() -> Report:
        inputs = {}
        for name, data in texts.items():
            if len(data) > MOST_BYTES:
                raise InputError(f"{name} has more than {MOST_BYTES:,} bytes")
            inputs[name] = parse_input(text_of(data, name), name)
        running.note = "Comparing"
        return build_report(inputs, title="Evidence")

    return await asyncio.to_thread(build)


# --- the report -----------------------------------------------------------------------------------


def _show(report: Report) -> None:
    number = st.selectbox(
        "Show", range(len(report.sections)), format_func=lambda place: report.sections[place].title
    )
    _section(report.sections[number])


def _section(section: Section) -> None:
    st.subheader(escaped(section.title))
    if section.text:
        st.write(escaped(section.text))
    for drawn in section.figures:
        st.markdown(f"**{escaped(drawn.title)}**")
        st.plotly_chart(drawn.draw(), config=plots.CONFIG)
        if drawn.note:
            st.caption(escaped(drawn.note))
    for table in section.tables:
        show_table(table)


def show_table(table: Table) -> None:
    """Draw a table of a report."""
    st.markdown(f"**{escaped(table.title)}**")
    columns = {
        f"{name} " * (1 + table.columns[:place].count(name)): [row[place] for row in table.rows]
        for place, name in enumerate(table.columns)
    }
    st.dataframe(columns, hide_index=True)
    if table.note:
        st.caption(escaped(table.note))


if __name__ == "__main__":
    show()
