"""The whole loop: pick somebody, watch a persona form, then ask what came later."""

from __future__ import annotations

import json
import random
from functools import partial

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.evals.demo import Split, split_demo_users
from persona_agent.persona.plural import counted
from persona_agent.schema import Episode, Persona
from persona_agent.ui import evidence, learning_view, trial
from persona_agent.ui.agents import open_agent
from persona_agent.ui.state import (
    current_user,
    errors_shown,
    follow,
    job,
    view_next,
)
from persona_agent.ui.texts import literal
from persona_agent.ui.upload import KINDS, main_user, read_upload

# Who is shown first. (Streamlit would show a docstring here on the page.)
FIRST = "maya-okafor"
PERSON = "person"
OWN = "A file of your own"
MOST_CLAIMS = 5


def show() -> None:
    """Draw the page."""
    st.title("Try it")
    st.write(
        "An assistant that becomes its user's own while it is used. See it on ten invented "
        "people, or on your own file: no key, no network."
    )
    agent = open_agent()
    splits = {split.person.user_id: split for split in split_demo_users()}
    st.subheader("1. Somebody to learn")
    picked = st.selectbox(
        "Who",
        [*splits, OWN],
        index=[*splits].index(FIRST),
        format_func=lambda one: splits[one].person.name if one in splits else one,
        key=PERSON,
    )
    if picked in splits:
        _person(agent, splits[picked])
    else:
        _own(agent)


# --- an invented person ---------------------------------------------------------------------------


def _person(agent: PersonaAgent, split: Split) -> None:
    user = split.person.user_id
    with st.container(border=True):
        literal(split.person.about)
        st.caption(
            f"{len(split.history)} interactions to learn from; the {len(split.later)} that came "
            "later are kept back, to ask for."
        )
    st.subheader("2. A persona forms")
    if _form(agent, user, split.history, "Watch the persona form"):
        st.subheader("3. Ask what came later")
        trial.show(agent, split)


def _form(agent: PersonaAgent, user: str, history: tuple[Episode, ...], label: str) -> bool:
    """Draw the optimization of a user; tell whether there is a persona and nothing under way."""
    running = job(f"optimize {user}")
    persona = agent.memory.personas.latest(user)
    if running is None or not running.running:
        kind = "secondary" if persona else "primary"
        label = "Optimize again" if persona else label
        if st.button(label, type=kind, icon=":material/auto_fix_high:"):
            learning_view.start_learning(agent, user, history)
            view_next(user)
            st.rerun()
    learning = learning_view.latest(user)
    if running is not None and learning is not None:
        if running.running:
            follow(running, partial(learning_view.show_small, agent, learning, running))
            return False
        learning_view.show_small(agent, learning, running)
    if persona is None:
        return False
    _persona(agent, persona)
    return True


def _persona(agent: PersonaAgent, persona: Persona) -> None:
    shown = persona.claims[:MOST_CLAIMS]
    ids = [name for claim in shown for name in claim.evidence]
    found = evidence.stored(agent, persona.user_id, ids)
    st.markdown(f"**The persona in use: {counted(len(persona.claims), 'claim')}**")
    if not persona.claims:
        st.caption("No claim earned its place; what is recalled and counted does the work.")
    for claim in shown:
        with st.container(border=True, gap="xsmall"):
            literal(claim.statement)
            evidence.show(claim.evidence, found)
    st.page_link("page_persona.py", label="All of it, with versions", icon=":material/person:")


# --- a file ---------------------------------------------------------------------------------------


def _own(agent: PersonaAgent) -> None:
    st.write(
        "One record an interaction, as JSON Lines, JSON, CSV or TSV. Needed is `query`; `outcome` "
        "is what you really chose or wrote, `options` what there was to choose from."
    )
    st.download_button(
        "An example to fill in",
        _example,
        file_name="interactions.jsonl",
        mime="application/x-ndjson",
        icon=":material/download:",
        on_click="ignore",
    )
    given = st.file_uploader("Your file", type=[*KINDS], key="own file", max_upload_size=20)
    name = st.text_input("Whose they are, where the file does not say", value="me")
    if given is None:
        return
    with errors_shown():
        episodes = read_upload(given.name, given.getvalue(), name.strip() or None)
        user = main_user(episodes)
        known = sum(one.outcome is not None for one in episodes)
        st.caption(f"{counted(len(episodes), 'interaction')}, {known} with a known outcome.")
        st.subheader("2. A persona forms")
        if not known:
            st.info("None has an `outcome`: there is nothing to learn from.")
            return
        _form(agent, user, tuple(episodes), "Import it and watch the persona form")
        if current_user() != user and agent.memory.personas.latest(user):
            st.caption("Pick the user in the sidebar to chat, to look into memory, or to correct.")


def _example() -> str:
    """Return a few interactions of an invented person, as a file that can be imported."""
    (split,) = [one for one in split_demo_users() if one.person.user_id == FIRST]
    some = random.Random(0).sample(split.history, 12)
    rows = [
        {
            "query": one.query.text,
            "options": list(one.query.options),
            "outcome": one.outcome,
            "task": one.query.task,
            "at": one.at.isoformat(),
        }
        for one in sorted(some, key=lambda one: one.at)
    ]
    return "".join(f"{json.dumps(row)}\n" for row in rows)


if __name__ == "__main__":
    show()
