"""What is remembered of a user: as it is recalled, as facts, and as a whole."""

from __future__ import annotations

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.persona.plural import counted
from persona_agent.schema import ContextPolicy, Fact, Recalled
from persona_agent.ui import evidence, memory_transfer
from persona_agent.ui.agents import open_agent
from persona_agent.ui.state import current_user, nobody_picked, notice
from persona_agent.ui.texts import literal, moment

RECENT = 50
MOST_FACTS = 100
ALL = ""
FALLBACK = 8


def show() -> None:
    """Draw the page."""
    st.title("Memory")
    if nobody_picked():
        return
    agent, user = open_agent(), current_user()
    count = agent.memory.episodes.count(user)
    search, facts, recent, files = st.tabs(["Search", "Facts", "Interactions", "Files, forgetting"])
    with search:
        if count:
            _search(agent, user)
        else:
            _nothing()
    with facts:
        _facts(agent, user)
    with recent:
        if count:
            _recent(agent, user, count)
        else:
            _nothing()
    with files:
        memory_transfer.show(agent, user, count)


def _nothing() -> None:
    st.info(
        "Nothing is remembered of this user yet. Import a file under **Files, forgetting**, chat "
        "with the agent, or record interactions from Python."
    )


def _search(agent: PersonaAgent, user: str) -> None:
    timeline = agent.memory.episodes.timeline(user, with_outcome=True)
    tasks = sorted({episode.query.task_name for episode in timeline})
    left, right = st.columns([3, 1])
    text = left.text_input("Search as the agent recalls", placeholder="What would be asked")
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
        _hit(agent, one)


def _hit(agent: PersonaAgent, one: Recalled) -> None:
    episode = one.episode
    with st.container(border=True, gap="xsmall"):
        literal(episode.query.text)
        literal(f"→ {episode.outcome}")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(
                f"{moment(episode.at)} · similarity {one.similarity:.2f} · score {one.score:.2f}"
            )
            key = f"delete {episode.user_id} {episode.id}"
            if st.button("Delete", key=key, type="tertiary", icon=":material/delete:"):
                agent.delete_episodes_sync(episode.user_id, [episode.id])
                notice("The interaction is gone, and facts that rested on it alone with it.")
                st.rerun()


def _facts(agent: PersonaAgent, user: str) -> None:
    facts = agent.facts_sync(user)
    if not facts:
        st.info("No facts yet. They are distilled from interactions by an optimization.")
        return
    st.caption(
        f"{counted(len(facts), 'fact')} that hold now, latest first, each with what it rests on."
    )
    shown = sorted(facts, key=lambda fact: fact.valid_from, reverse=True)[:MOST_FACTS]
    for fact in shown:
        _fact(agent, fact)
    if len(facts) > len(shown):
        st.caption(f"and {len(facts) - len(shown)} older ones")


def _fact(agent: PersonaAgent, fact: Fact) -> None:
    with st.container(border=True, gap="xsmall"):
        literal(fact.text)
        evidence.show(fact.sources, evidence.stored(agent, fact.user_id, fact.sources))


def _recent(agent: PersonaAgent, user: str, count: int) -> None:
    shown = agent.episodes_sync(user, limit=RECENT)
    st.caption(f"The latest {len(shown)} of {count:,}.")
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
