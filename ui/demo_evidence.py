"""The demo's evaluation, run from the app in a folder that is thrown away."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.evals.demo import ARMS, DemoResult, Interval, run_demo
from persona_agent.llm import create_model
from persona_agent.memory import open_memory
from persona_agent.persona.plural import counted
from persona_agent.settings import OFFLINE
from persona_agent.ui import plots
from persona_agent.ui.job import Job
from persona_agent.ui.state import awaited, job, start
from persona_agent.ui.texts import escaped

DEMO = "demo"


def show(agent: PersonaAgent) -> None:
    """Draw what to start, how far it is, and what it found."""
    running: Job[DemoResult] | None = job(DEMO)
    if running is None or running.failed:
        st.write(
            "Ten invented people: personas are learned from the first 60 % of what each of them "
            "did, and asked for the rest. Your memory is not touched. It takes about a minute."
        )
        if agent.settings.model != OFFLINE:
            st.caption("With the chosen model this is to be paid for.")
        if st.button("Measure it", type="primary", icon=":material/query_stats:"):
            start(DEMO, lambda running: _measure(agent, running))
            st.rerun()
    result = awaited(running)
    if result is not None:
        _result(result)


async def _measure(agent: PersonaAgent, running: Job[DemoResult]) -> DemoResult:
    with tempfile.TemporaryDirectory() as folder:
        settings = agent.settings.model_copy(update={"data_dir": Path(folder), "store": "sqlite"})
        memory = open_memory(settings)
        memory.embedder = agent.memory.embedder
        other = PersonaAgent(memory, create_model(settings, memory.embedder), settings)
        try:
            return await run_demo(other, progress=running.progress)
        finally:
            memory.episodes.close()
            memory.facts.close()
            memory.personas.close()
            await other.model.aclose()


def _result(result: DemoResult) -> None:
    st.plotly_chart(plots.arms(result.overall), config=plots.CONFIG)
    st.caption(
        "Score: share right, or 1 - error / width for ratings. Bars: 95 %, bootstrap over people. "
        "These people came with the package and were looked at while it was made: read it as a "
        "demonstration, not as a test."
    )
    best, plain = result.overall[ARMS[-1]], result.overall[ARMS[0]]
    st.markdown(
        f"**{best.value:.3f}** with the optimized persona, **{plain.value:.3f}** generic. "
        + (
            f"Worse off than generic: {escaped(', '.join(result.harmed))}."
            if result.harmed
            else "Nobody is worse off than generic."
        )
    )
    rows = [
        {
            "person": person.name,
            "learned from": person.history,
            "asked": person.queries,
            **{arm: _interval(person.scores[arm]) for arm in ARMS},
        }
        for person in result.people
    ]
    st.dataframe(rows, hide_index=True)
    calls = sum(used.calls for used in result.usage.values())
    st.caption(f"{counted(calls, 'call')} of {escaped(result.model)}.")


def _interval(found: Interval) -> str:
    if found.low is None or found.high is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
