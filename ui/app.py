"""The app in a browser: ``persona-agent ui`` or ``streamlit run ui/app.py``."""

from __future__ import annotations

import threading

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.ui import sidebar
from persona_agent.ui.agents import open_agent
from persona_agent.ui.state import TRY_PAGE, errors_shown, show_notice

# Drawn here, since Streamlit fetches the picture of a named icon from elsewhere.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="11" r="7" '
    'fill="#D55E00"/><path d="M3 31a13 12 0 0 1 26 0z" fill="#0072B2"/></svg>'
)
WIDE = ("Optimize", "Atlas", "Evidence")


def main() -> None:
    """Draw the sidebar and the page that was picked."""
    st.set_page_config(page_title="persona_agent", page_icon=ICON)
    page = st.navigation(
        {
            "Start": [
                st.Page(TRY_PAGE, title="Try it", icon=":material/play_arrow:", default=True)
            ],
            "One user": [
                st.Page("page_chat.py", title="Chat", icon=":material/chat:"),
                st.Page("page_persona.py", title="Persona", icon=":material/person:"),
                st.Page("page_memory.py", title="Memory", icon=":material/history:"),
                st.Page("page_optimize.py", title="Optimize", icon=":material/tune:"),
            ],
            "All users": [
                st.Page("page_atlas.py", title="Atlas", icon=":material/scatter_plot:"),
                st.Page("page_evidence.py", title="Evidence", icon=":material/query_stats:"),
            ],
        },
        expanded=True,
    )
    st.set_page_config(
        page_title=f"{page.title} · persona_agent",
        page_icon=ICON,
        layout="wide" if page.title in WIDE else "centered",
    )
    with errors_shown():
        agent = open_agent()
        _warm_up(agent)
        sidebar.show(agent)
        show_notice()
        page.run()


def _warm_up(agent: PersonaAgent) -> None:
    """Load the embedder beside the first page: it takes seconds, and every answer needs it."""
    if "warm" not in st.session_state:
        st.session_state["warm"] = True
        threading.Thread(target=_load, args=(agent,), name="warm-up", daemon=True).start()


def _load(agent: PersonaAgent) -> None:
    try:
        agent.memory.embedder.embed(["warm"])
    except Exception:  # whoever needs it next is told what is wrong
        return


if __name__ == "__main__":
    main()
