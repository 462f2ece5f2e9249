"""The interactions that a claim or an edit rests on."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.agent.show import one_line
from persona_agent.persona.plural import counted
from persona_agent.schema import Episode
from persona_agent.ui.texts import literal

MOST = 20
ASKED, DONE = 200, 120
"""How much of what was asked and of what the user did is shown."""


def show(ids: tuple[str, ...], episodes: dict[str, Episode], *, said: str = "Rests on") -> None:
    """Draw them behind one click, latest first; nothing where there are none."""
    if not ids:
        return
    known = sorted((episodes[name] for name in ids if name in episodes), key=lambda one: one.at)
    with st.expander(f"{said} {counted(len(ids), 'interaction')}", type="compact"):
        for episode in reversed(known[-MOST:]):
            literal(in_words(episode))
        more, gone = len(known[:-MOST]), len(ids) - len(known)
        if more:
            st.caption(f"and {more} earlier ones")
        if gone:
            st.caption(f"{gone} no longer stored")


def stored(agent: PersonaAgent, user: str, ids: Sequence[str]) -> dict[str, Episode]:
    """Return the interactions that are still stored, by id."""
    return {episode.id: episode for episode in agent.memory.episodes.get(user, list(ids))}


def in_words(episode: Episode) -> str:
    """Return an interaction in a line or two: when, what was asked, what the user did."""
    outcome = "(not known)" if episode.outcome is None else one_line(episode.outcome, DONE)
    asked = one_line(episode.query.text, ASKED)
    return f"{episode.at.date().isoformat()} · {asked} → {outcome}"
