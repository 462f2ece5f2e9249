"""The demo in a browser: ``persona-agent ui`` or ``streamlit run ui/app.py``."""

from __future__ import annotations

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.settings import OFFLINE
from persona_agent.ui.state import (
    TRY_PAGE,
    USER,
    apply_next_user,
    errors_shown,
    known_users,
    open_agent,
    show_notice,
)
from persona_agent.ui.texts import literal


def main() -> None:
    """Draw the sidebar and the page that was picked."""
    st.set_page_config(page_title="persona_agent", page_icon=":material/person:")
    page = st.navigation(
        [
            st.Page("page_persona.py", title="Persona", icon=":material/person:", default=True),
            st.Page("page_memory.py", title="Memory", icon=":material/history:"),
            st.Page(TRY_PAGE, title="Try it", icon=":material/play_arrow:"),
            st.Page("page_chat.py", title="Chat", icon=":material/chat:"),
        ]
    )
    with errors_shown():
        agent = open_agent()
        with st.sidebar:
            _sidebar(agent)
        show_notice()
        page.run()


def _sidebar(agent: PersonaAgent) -> None:
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
    st.caption("Data directory")
    literal(str(agent.settings.data_dir.resolve()))
    st.caption("Answered by")
    literal(agent.model.name)
    if agent.settings.model == OFFLINE:
        st.caption(
            "It works without network or key. It picks options, guesses ratings and lists what "
            "is remembered. It does not converse, write freely or know the world. For that, "
            "start with `--model`, for example `openai/gpt-4o-mini`."
        )
    else:
        st.caption("Persona and recalled episodes are sent to this model's provider.")


if __name__ == "__main__":
    main()
