"""The interactions that a claim or an edit rests on."""

from __future__ import annotations

import streamlit as st

from persona_agent.agent.show import episode_line
from persona_agent.schema import Episode
from persona_agent.ui.texts import counted, literal

MOST = 20


def show(ids: tuple[str, ...], episodes: dict[str, Episode]) -> None:
    """Draw them behind one click, latest first; nothing where there are none."""
    if not ids:
        return
    known = sorted((episodes[name] for name in ids if name in episodes), key=lambda one: one.at)
    with st.expander(f"Rests on {counted(len(ids), 'interaction')}"):
        for episode in reversed(known[-MOST:]):
            literal(episode_line(episode))
        more, gone = len(known[:-MOST]), len(ids) - len(known)
        if more:
            st.caption(f"and {more} earlier ones")
        if gone:
            st.caption(f"{gone} no longer stored")
