"""What the pages share: one agent a data directory, the user in view, messages, empty states."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.errors import PersonaAgentError
from persona_agent.settings import Settings
from persona_agent.ui.texts import escaped

USER = "user"
TRY_PAGE = "page_try.py"
_NEXT_USER = "next user"
_NOTICE = "notice"


# --- the agent ------------------------------------------------------------------------------------


def _open(key: str, _settings: Settings) -> PersonaAgent:
    return PersonaAgent.of(_settings)


def _close(agent: PersonaAgent) -> None:
    agent.close()


# One for all sessions of this process. Nothing of a user is cached: each call names its user.
_opened: Callable[[str, Settings], PersonaAgent] = st.cache_resource(
    show_spinner="Opening the memory …", on_release=_close
)(_open)


def open_agent() -> PersonaAgent:
    """Return the agent of the settings in the environment. Raises SettingsError, StoreError."""
    settings = Settings.load()
    return _opened(settings.model_dump_json(), settings)


def close_agents() -> None:
    """Close every agent; for the end of a test."""
    st.cache_resource.clear()


# --- the user in view -----------------------------------------------------------------------------


def known_users(agent: PersonaAgent) -> list[str]:
    """Return the ids of all users with an episode or a persona, sorted."""
    return sorted({*agent.memory.episodes.users(), *agent.memory.personas.users()})


def current_user() -> str:
    """Return the user that was picked, or ""."""
    return str(st.session_state.get(USER) or "")


def view_next(user: str) -> None:
    """Pick another user at the next run; a widget's value cannot be set once it is drawn."""
    st.session_state[_NEXT_USER] = user


def apply_next_user() -> None:
    """Do what :func:`view_next` asked for. To be called before the picker is drawn."""
    if _NEXT_USER in st.session_state:
        st.session_state[USER] = st.session_state.pop(_NEXT_USER)


# --- messages -------------------------------------------------------------------------------------


@contextlib.contextmanager
def errors_shown() -> Iterator[None]:
    """Show an error of the library as a message and go on behind the block."""
    try:
        yield
    except PersonaAgentError as error:
        st.error(escaped(str(error)), icon=":material/error:")


def notice(text: str) -> None:
    """Say something (Markdown) at the top of the next run."""
    st.session_state[_NOTICE] = text


def show_notice() -> None:
    """Show what :func:`notice` left, once."""
    if text := st.session_state.pop(_NOTICE, ""):
        st.success(text, icon=":material/check:")


def nobody_picked() -> bool:
    """Show what to do where no user is picked, and tell whether that is so."""
    if current_user():
        return False
    st.info(
        "Nobody is picked. Type a name into **User** in the sidebar to start with an empty "
        "memory, or see how it works on invented people."
    )
    st.page_link(TRY_PAGE, label="Try it on the built-in people", icon=":material/play_arrow:")
    st.caption("Your own records come in from a terminal, into the data directory shown left:")
    st.code("persona-agent import FILE --data-dir DIRECTORY", language=None)
    return True
