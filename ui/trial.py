"""A built-in person's later queries, asked of the plain model and of the persona."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from persona_agent.agent import Decision, PersonaAgent
from persona_agent.evals.demo import Split
from persona_agent.schema import Episode, new_id
from persona_agent.ui import plots
from persona_agent.ui.job import Job
from persona_agent.ui.state import follow, job, show_progress, start
from persona_agent.ui.texts import literal


@dataclass(frozen=True)
class Answered:
    """One later query: what each answered, and what the person really did."""

    episode: Episode
    generic: Decision
    own: Decision


def show(agent: PersonaAgent, split: Split) -> None:
    """Draw one query to ask, and all of them at once."""
    user = split.person.user_id
    queries = [episode for episode in split.later if len(episode.query.options) > 1]
    number = st.selectbox(
        "A later query",
        range(len(queries)),
        format_func=lambda place: f"{place + 1}. {queries[place].query.text}",
        key=f"query of {user}",
    )
    asked = queries[number]
    if asked.query.kind == "choice":
        options = "\n".join(f"- {option}" for option in asked.query.options)
    else:
        options = " · ".join(asked.query.options)
    literal(f"{asked.query.task_name}:\n{options}")
    name = f"ask {user}"
    with st.container(horizontal=True):
        if st.button("Decide", type="primary"):
            _start(agent, name, user, [asked])
            st.rerun()
        if st.button(f"Decide all {len(queries)} of them"):
            _start(agent, name, user, queries)
            st.rerun()
    running = job(name)
    if running is not None:
        follow(running, lambda: _so_far(running))


def _start(agent: PersonaAgent, name: str, user: str, queries: list[Episode]) -> None:
    async def work(running: Job[list[Answered]]) -> list[Answered]:
        found = []
        for done, asked in enumerate(queries):
            running.progress("Decided", done, len(queries))
            nobody = f"nobody {new_id()}"  # the generic answer is that of somebody nobody knows
            found.append(
                Answered(
                    asked, await _decide(agent, nobody, asked), await _decide(agent, user, asked)
                )
            )
        return found

    start(name, work)


async def _decide(agent: PersonaAgent, user: str, asked: Episode) -> Decision:
    query = asked.query
    return await agent.decide(user, query.text, query.options, task=query.task, remember=False)


def _so_far(running: Job[list[Answered]]) -> None:
    show_progress(running)
    found = running.result
    if not found:
        return
    if len(found) == 1:
        _one(found[0])
    else:
        _every(found)


def _one(one: Answered) -> None:
    columns = st.columns(3)
    arms = (("Generic", one.generic), ("With the persona", one.own))
    for column, (title, given) in zip(columns, arms, strict=False):
        with column.container(border=True):
            st.markdown(f"**{title}**")
            literal(given.answer)
            right = given.answer == one.episode.outcome
            st.badge("as they did" if right else "differs", color="green" if right else "red")
            if given.confidence is not None:
                st.caption(f"confidence {given.confidence:.0%}")
    with columns[2].container(border=True):
        st.markdown("**What they really did**")
        literal(one.episode.outcome or "")
    if one.own.reason:
        literal(one.own.reason)
    with st.expander(f"Past interactions recalled for it: {len(one.own.recalled)}"):
        for found in one.own.recalled:
            literal(f"{found.episode.query.text} → {found.episode.outcome}")


def _every(found: list[Answered]) -> None:
    generic = sum(one.generic.answer == one.episode.outcome for one in found)
    own = sum(one.own.answer == one.episode.outcome for one in found)
    left, right = st.columns(2)
    left.metric("As they did, generic", f"{generic} of {len(found)}", border=True)
    right.metric("As they did, with the persona", f"{own} of {len(found)}", border=True)
    shares = {"with the persona": (own, len(found)), "generic": (generic, len(found))}
    st.plotly_chart(plots.hits(shares), config=plots.CONFIG)
    st.caption(
        "Exactly the same answer counts; a rating that is off by one does not. Bars: 95 % "
        "(Wilson). One person's few queries prove little: **Evidence** has whole evaluations."
    )
    rows = [
        {
            "asked": one.episode.query.text,
            "generic": _marked(one.generic.answer, one.episode),
            "with the persona": _marked(one.own.answer, one.episode),
            "really": one.episode.outcome,
        }
        for one in found
    ]
    medium = st.column_config.TextColumn(width=200)
    st.dataframe(rows, hide_index=True, column_config=dict.fromkeys(rows[0], medium))


def _marked(answer: str, episode: Episode) -> str:
    return f"{'✓' if answer == episode.outcome else '✗'} {answer}"
