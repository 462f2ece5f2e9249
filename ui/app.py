"""The app in a browser: ``persona-agent ui`` or ``streamlit run ui/app.py``."""

from __future__ import annotations

import threading

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.ui import frame, sidebar
from persona_agent.ui.agents import open_agent
from persona_agent.ui.state import TRY_PAGE, errors_shown, show_notice

# By heading: name (of the file and in the address), title, icon. (A docstring would be shown.)
PAGES = {
    "Start": (("try", "Try it", "play_arrow"),),
    "One user": (
        ("chat", "Chat", "chat"),
        ("persona", "Persona", "person"),
        ("memory", "Memory", "history"),
        ("optimize", "Optimize", "tune"),
    ),
    "All users": (("atlas", "Atlas", "scatter_plot"), ("evidence", "Evidence", "query_stats")),
}
WIDE = ("Optimize", "Atlas", "Evidence")


def main() -> None:
    """Draw the sidebar and the page that was picked."""
    st.set_page_config(page_title="persona_agent", page_icon=frame.ICON)
    pages = {group: [_page(*one) for one in found] for group, found in PAGES.items()}
    page = st.navigation(pages, expanded=True)
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


def _page(name: str, title: str, icon: str) -> st.Page:
    file = f"page_{name}.py"
    path = None if file == TRY_PAGE else name
    return st.Page(
        file, url_path=path, title=title, icon=f":material/{icon}:", default=file == TRY_PAGE
    )


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
