"""Which agent answers a session: the owner's, a visitor's own, or one with a model of its own.

With ``--visitors`` behind the script, every browser tab gets a memory of its own, which is reached
again by the address of the tab and by nothing else. Without it, all tabs share the data directory.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import streamlit as st
from pydantic import SecretStr

from persona_agent.agent import PersonaAgent
from persona_agent.errors import SettingsError
from persona_agent.llm import create_model
from persona_agent.memory import Memory, create_embedder, open_memory
from persona_agent.protocols import Embedder, Vectors
from persona_agent.schema import new_id
from persona_agent.settings import OFFLINE, Settings

VISITORS_FLAG = "--visitors"
_SPACE = "space"
_CHOICE = "chosen model"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,64}")


@dataclass(frozen=True)
class Choice:
    """A model that was chosen in the sidebar. It lives in the session, and is never stored."""

    id: str
    model: str
    api_base: str | None
    key: SecretStr | None


def open_agent() -> PersonaAgent:
    """Return the agent of this session. Raises SettingsError, StoreError."""
    base = _visitor() if for_visitors() else _owner()
    choice: Choice | None = st.session_state.get(_CHOICE)
    return _with_choice(choice.id, base, choice) if choice else base


def for_visitors() -> bool:
    """Tell whether every tab has a memory of its own."""
    return VISITORS_FLAG in sys.argv


def choose_model(model: str, *, api_base: str = "", key: str = "") -> None:
    """Let another model answer this session, and no other one.

    Raises:
        SettingsError: the name is blank, or a visitor gave no key of their own.
    """
    name, base, secret = model.strip(), api_base.strip() or None, key.strip()
    if not name:
        raise SettingsError("name a model, for example openai/gpt-4.1-mini")
    if for_visitors() and name != OFFLINE and (not secret or base):
        raise SettingsError("give a key of your own; this app lends out neither keys nor networks")
    found = Choice(new_id(), name, base, SecretStr(secret) if secret else None)
    _settings(found)
    st.session_state[_CHOICE] = found


def forget_model() -> None:
    """Go back to the model that the app was started with."""
    st.session_state.pop(_CHOICE, None)


def model_was_chosen() -> bool:
    """Tell whether the session has a model of its own."""
    return _CHOICE in st.session_state


# --- the owner's ----------------------------------------------------------------------------------


def _owner() -> PersonaAgent:
    settings = Settings.load()
    return _opened(settings.model_dump_json(), settings)


def _open(key: str, _settings: Settings) -> PersonaAgent:
    return PersonaAgent.of(_settings)


def _close(agent: PersonaAgent) -> None:
    agent.close()


# One for all sessions of this process. Nothing of a user is cached: each call names its user.
_opened: Callable[[str, Settings], PersonaAgent] = st.cache_resource(
    show_spinner="Opening the memory …", on_release=_close
)(_open)


# --- a visitor's ----------------------------------------------------------------------------------


def _visitor() -> PersonaAgent:
    settings = Settings.load()
    token = _token(settings)
    st.query_params[_SPACE] = token  # changing the page takes it away
    return _visited(token, settings)


def _token(settings: Settings) -> str:
    """Return what the address of this tab ends in; only one that is known is taken from there."""
    if _SPACE not in st.session_state:
        asked = str(st.query_params.get(_SPACE, ""))
        known = bool(_TOKEN.fullmatch(asked)) and _folder(settings, asked).data_dir.is_dir()
        st.session_state[_SPACE] = asked if known else secrets.token_urlsafe(32)
    return str(st.session_state[_SPACE])


def _folder(settings: Settings, token: str) -> Settings:
    """Return settings with the visitor's folder; its name does not tell the address."""
    name = hashlib.sha256(token.encode()).hexdigest()[:32]
    return settings.model_copy(update={"data_dir": settings.data_dir / "visitors" / name})


def _open_visitor(token: str, _settings: Settings) -> PersonaAgent:
    settings = _folder(_settings, token)
    memory = open_memory(settings)
    memory.embedder = _Lent(_embedder(settings.embedder, settings))
    return PersonaAgent(memory, create_model(settings, memory.embedder), settings)


def _make_embedder(name: str, _settings: Settings) -> Embedder:
    return create_embedder(_settings)


class _Lent:
    """An embedder that many agents share, and none closes: its weights are loaded once."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self.name = inner.name

    @property
    def dimension(self) -> int:
        return self._inner.dimension

    def embed(self, texts: Any) -> Vectors:
        return self._inner.embed(texts)


_embedder: Callable[[str, Settings], Embedder] = st.cache_resource(show_spinner=False)(
    _make_embedder
)
_visited: Callable[[str, Settings], PersonaAgent] = st.cache_resource(
    scope="session", show_spinner="Opening the memory …", on_release=_close
)(_open_visitor)


# --- with a model of the session's own ------------------------------------------------------------


class _LentMemory(Memory):
    """A memory that an agent uses beside the one that it belongs to, which closes it."""

    def close(self) -> None:
        """Leave it open."""


def _settings(choice: Choice) -> Settings:
    return Settings.load(model=choice.model, api_base=choice.api_base, api_key=choice.key)


def _choose(key: str, _base: PersonaAgent, _choice: Choice) -> PersonaAgent:
    chosen = {"data_dir": _base.settings.data_dir}
    settings = _settings(_choice).model_copy(update=chosen)
    lent = {one.name: getattr(_base.memory, one.name) for one in fields(Memory) if one.init}
    memory = _LentMemory(**lent)
    return PersonaAgent(memory, create_model(settings, memory.embedder), settings)


_with_choice: Callable[[str, PersonaAgent, Choice], PersonaAgent] = st.cache_resource(
    scope="session", show_spinner="Opening the model …", on_release=_close
)(_choose)
