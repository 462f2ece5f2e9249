"""The app in a browser: ``persona-agent ui`` or ``streamlit run ui/app.py``."""

from __future__ import annotations

import threading

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.ui import frame, sidebar
from persona_agent.ui.agents import open_agent
from persona_agent.ui.state import TRY_PAGE, errors_shown, show_notice

WIDE = ("Optimize", "Atlas", "Evidence")


def main() -> None:
    """Draw the sidebar and the page that was picked."""
    st.set_page_config(page_title="persona_agent", page_icon=frame.ICON)
    page = st.navigation(
        {
            "Start": [
                st.Page(TRY_PAGE, title="Try it", icon=":material/play_arrow:", default=True)
            ],
            "One user": [
                st.Page("page_chat.py", url_path="chat", title="Chat", icon=":material/chat:"),
                st.Page(
                    "page_persona.py", url_path="persona", title="Persona", icon=":material/person:"
                ),
                st.Page(
                    "page_memory.py", url_path="memory", title="Memory", icon=":material/history:"
                ),
                st.Page(
                    "page_optimize.py",
                    url_path="optimize",
                    title="Optimize",
                    icon=":material/tune:",
                ),
            ],
            "All users": [
                st.Page(
                    "page_atlas.py", url_path="atlas", title="Atlas", icon=":material/scatter_plot:"
                ),
                st.Page(
                    "page_evidence.py",
                    url_path="evidence",
                    title="Evidence",
                    icon=":material/query_stats:",
                ),
            ],
        },
        expanded=True,
    )
    st.set_page_config(
        page_title=f"{page.title} · persona_agent",
        page_icon=frame.ICON,
        layout="wide" if page.title in WIDE else "centered",
    )
    frame.show()
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
