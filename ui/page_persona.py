"""What the agent takes its user to be, why, and how it came to that."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.agent.show import evidence_ids
from persona_agent.persona.plural import counted
from persona_agent.schema import Claim, Episode, Persona, Section, TaskStatistics
from persona_agent.ui import evidence, versions
from persona_agent.ui.agents import open_agent
from persona_agent.ui.state import current_user, errors_shown, nobody_picked, notice
from persona_agent.ui.texts import literal
from persona_agent.ui.versions import policy_words

MOST_COUNTS = 6
OPTIMIZE_PAGE = "page_optimize.py"


def show() -> None:
    """Draw the page."""
    st.title("Persona")
    if nobody_picked():
        return
    agent, user = open_agent(), current_user()
    history = agent.history_sync(user)
    if not history:
        _no_persona(agent, user)
        _state(agent, user)
        return
    now, how = st.tabs(["In use now", f"Versions ({len(history)})"])
    with now:
        _now(agent, agent.persona_sync(user))
    with how:
        versions.show(agent, history)


def _no_persona(agent: PersonaAgent, user: str) -> None:
    known = len(agent.memory.episodes.timeline(user, with_outcome=True))
    if not known:
        st.info(
            "Nothing is known of this user yet. Import what they really chose under **Memory**, "
            "chat and correct the answers, or state something below."
        )
        return
    st.info(
        f"There is no persona yet, but {counted(known, 'interaction')} with a known outcome. "
        "Optimize to draft one."
    )
    st.page_link(OPTIMIZE_PAGE, label="Optimize", icon=":material/tune:")


def _now(agent: PersonaAgent, persona: Persona) -> None:
    episodes = evidence.stored(agent, persona.user_id, evidence_ids(persona))
    if not persona.claims:
        st.info("This version makes no claims. What it knows is in the outcome counts below.")
    elif not persona.policy.show_claims:
        st.caption("These claims are kept, but not shown to the model: answers were better so.")
    for section in Section:
        claims = [claim for claim in persona.claims if claim.section is section]
        if claims:
            st.subheader(section.value.capitalize())
        for claim in claims:
            _claim(agent, persona.user_id, claim, episodes)
    _state(agent, persona.user_id)
    st.subheader("Outcome counts")
    _statistics(persona.statistics)
    st.subheader("What answers get to see")
    words = policy_words(persona.policy)
    st.text("\n".join(f"{name}: {value}" for name, value in words.items()))
    with st.expander("The persona as the model sees it"):
        literal(agent.persona_text_sync(persona.user_id) or "(empty)")


def _claim(agent: PersonaAgent, user: str, claim: Claim, episodes: dict[str, Episode]) -> None:
    key = f"of {user} {claim.id}"
    with st.container(border=True, gap="xsmall"):
        literal(claim.statement)
        if claim.helpful or claim.harmful:
            times = counted(claim.harmful, "time")
            st.caption(f"In simulations it helped {claim.helpful}, misled {times}.")
        with st.container(horizontal=True, vertical_alignment="center"):
            if claim.protected:
                st.badge("pinned" if claim.pinned else "your own words", color="blue")
            pin = "Release" if claim.pinned else "Pin"
            if st.button(pin, key=f"pin {key}", type="tertiary", icon=":material/keep:"):
                _change(
                    lambda: agent.pin_claim_sync(user, claim.id, not claim.pinned), f"{pin}: done."
                )
            with st.popover("Correct", type="tertiary", icon=":material/edit:"):
                _correct(agent, user, claim)
            if st.button("Delete", key=f"delete {key}", type="tertiary", icon=":material/delete:"):
                _change(
                    lambda: agent.delete_claim_sync(user, claim.id),
                    "Deleted, and it will not come back by itself. **Versions** can undo it.",
                )
        evidence.show(claim.evidence, episodes)
        evidence.show(claim.contrary, episodes, said="Otherwise in")


def _correct(agent: PersonaAgent, user: str, claim: Claim) -> None:
    with st.form(f"correct of {user} {claim.id}", border=False):
        text = st.text_area("What is true", value=claim.text)
        scope = st.text_input("When (empty: always)", value=claim.scope)
        if st.form_submit_button("Save"):
            _change(
                lambda: agent.correct_claim_sync(user, claim.id, text, scope=scope),
                "Corrected: these are your words now, and no optimization changes them.",
            )


def _state(agent: PersonaAgent, user: str) -> None:
    with (
        st.expander("State something yourself", icon=":material/add:"),
        st.form(f"state of {user}", border=False, clear_on_submit=True),
    ):
        text = st.text_input("What is true of you", placeholder="never wants sport in the morning")
        left, right = st.columns(2)
        section = left.selectbox("Section", [*Section], format_func=lambda one: one.value)
        scope = right.text_input("When (empty: always)")
        if st.form_submit_button("State it"):
            _change(
                lambda: agent.state_claim_sync(user, text, section=section.value, scope=scope),
                "Stated. No optimization changes it.",
            )


def _change(act: Callable[[], Persona], said: str) -> None:
    """Do what changes the persona, and show the page anew; an error is shown instead."""
    with errors_shown():
        act()
        notice(said)
        st.rerun()


def _statistics(statistics: tuple[TaskStatistics, ...]) -> None:
    if not statistics:
        st.caption("No task with short, countable outcomes yet.")
        return
    rows = [
        {
            "task": one.task,
            "known": one.total,
            "most frequent": ", ".join(f"{name} ({n})" for name, n in one.counts[:MOST_COUNTS]),
            "mean": "" if one.mean is None else f"{one.mean:g}",
        }
        for one in statistics
    ]
    st.caption("As they stood when this version was made.")
    st.dataframe(rows, hide_index=True)


if __name__ == "__main__":
    show()
