"""The sidebar: whose agent it is, and which model answers."""

from __future__ import annotations

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.settings import OFFLINE
from persona_agent.ui.agents import choose_model, for_visitors, forget_model, model_was_chosen
from persona_agent.ui.state import USER, apply_next_user, errors_shown, known_users
from persona_agent.ui.texts import escaped, literal

CANNOT = (
    "It works without network or key. It picks options, guesses ratings and lists what is "
    "remembered. It does not converse, write freely or know the world. For that, use a real model."
)


def show(agent: PersonaAgent) -> None:
    """Draw the sidebar."""
    with st.sidebar:
        _users(agent)
        st.divider()
        _model(agent)
        st.divider()
        _place(agent)


def _users(agent: PersonaAgent) -> None:
    apply_next_user()
    users = known_users(agent)
    picked = st.session_state.get(USER)
    if picked and picked not in users:  # a new name, nothing recorded yet
        users = sorted([*users, picked])
    if USER not in st.session_state and users:
        st.session_state[USER] = users[0]
    st.selectbox(
        "User",
        users,
        index=None,
        key=USER,
        accept_new_options=True,
        placeholder="Pick, or type a new name",
        help="Whose agent. Typing a new name starts a new user.",
    )


def _model(agent: PersonaAgent) -> None:
    offline = agent.settings.model == OFFLINE
    if offline:
        st.markdown("Answered by **The offline model**")
        st.caption(CANNOT)
    else:
        st.markdown("Answered by")
        literal(agent.model.name)
        st.caption("Messages, persona and recalled interactions are sent to its provider.")
    if model_was_chosen() and st.button("Back to the model before", icon=":material/undo:"):
        forget_model()
        st.rerun()
    with st.expander("Use a real model" if offline else "Use another model"):
        _choose()


def _choose() -> None:
    with st.form("model", border=False, clear_on_submit=True):
        name = st.text_input("Model", placeholder="openai/gpt-4.1-mini")
        base = ""
        if not for_visitors():
            base = st.text_input("Base URL", placeholder="for gateways and local servers")
        key = st.text_input("Key", type="password", autocomplete="off")
        st.caption(
            "The key stays in this tab's session, is written nowhere, and is gone with the tab. "
            "Without one, the provider's own variable is read."
            if not for_visitors()
            else "The key stays in this tab's session, is written nowhere, and is gone with it."
        )
        if st.form_submit_button("Use it"):
            with errors_shown():
                choose_model(name, api_base=base, key=key)
                st.rerun()


def _place(agent: PersonaAgent) -> None:
    if for_visitors():
        st.caption(
            "This tab has a memory of its own. Its address leads back to it: keep it, and share "
            "it with nobody."
        )
        return
    st.caption("Data directory", help=escaped(str(agent.settings.data_dir.resolve())))
    literal(str(agent.settings.data_dir))
