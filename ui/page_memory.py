"""What is remembered of a user, and what the agent would recall for a query."""

from __future__ import annotations

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.schema import ContextPolicy, Recalled
from persona_agent.ui.state import current_user, nobody_picked, open_agent
from persona_agent.ui.texts import literal, moment

RECENT = 50
ALL = ""
FALLBACK = 8


def show() -> None:
    """Draw the page."""
    st.title("Memory")
    if nobody_picked():
        return
    agent, user = open_agent(), current_user()
    count = agent.memory.episodes.count(user)
    if not count:
        st.info(
            "Nothing is remembered of this user yet. Chat with the agent, record interactions "
            "from Python, or use `persona-agent import FILE`."
        )
        return
    _search(agent, user)
    _recent(agent, user, count)


def _search(agent: PersonaAgent, user: str) -> None:
    st.subheader("Search as the agent recalls")
    timeline = agent.memory.episodes.timeline(user, with_outcome=True)
    tasks = sorted({episode.query.task_name for episode in timeline})
    left, right = st.columns([3, 1])
    text = left.text_input("Query", placeholder="What would be asked")
    task = right.selectbox("Task", [ALL, *tasks], format_func=lambda name: name or "all tasks")
    if not text.strip():
        st.caption("Type a query to see which past interactions its answer would rest on.")
        return
    persona = agent.memory.personas.latest(user)
    policy = persona.policy if persona else ContextPolicy()
    if not policy.recalled:
        st.caption(f"This persona recalls nothing for its answers; the nearest {FALLBACK} follow.")
    found = agent.memory.episodes.recall(
        user,
        agent.memory.embedder.embed([text])[0],
        limit=policy.recalled or FALLBACK,
        blend=policy.blend,
        task=task or None,
        with_outcome=True,
    )
    if not found:
        st.info("No interaction with a known outcome to recall.")
    for one in found:
        _hit(one)


def _hit(one: Recalled) -> None:
    with st.container(border=True):
        literal(one.episode.query.text)
        literal(f"→ {one.episode.outcome}")
        st.caption(
            f"{moment(one.episode.at)} · similarity {one.similarity:.2f} · score {one.score:.2f}"
        )


def _recent(agent: PersonaAgent, user: str, count: int) -> None:
    st.subheader("Recent interactions")
    shown = agent.memory.episodes.timeline(user, limit=RECENT)
    st.caption(f"The latest {len(shown)} of {count}.")
    rows = [
        {
            "when (UTC)": moment(episode.at),
            "task": episode.query.task_name,
            "asked": episode.query.text,
            "really": "(not known)" if episode.outcome is None else episode.outcome,
            "answered": episode.response or "",
        }
        for episode in reversed(shown)
    ]
    if not any(row["answered"] for row in rows):
        for row in rows:
            del row["answered"]
    medium = st.column_config.TextColumn(width=270)
    st.dataframe(
        rows, hide_index=True, column_config={"asked": medium, "really": medium, "answered": medium}
    )


if __name__ == "__main__":
    show()
