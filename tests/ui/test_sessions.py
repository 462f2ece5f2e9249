"""Several people at once: nobody sees another's choice, key, work or, as a visitor, memory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from persona_agent.errors import SettingsError
from persona_agent.llm import create_model
from persona_agent.protocols import Embedder, LanguageModel
from persona_agent.settings import Settings
from persona_agent.ui import agents
from tests.ui.conftest import click, markdown, opened, settled, start, texts, whole

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

pytestmark = pytest.mark.slow

KEY = "sk-canary-0123456789"


def use_model(app: AppTest, name: str, key: str) -> AppTest:
    fields = {one.label: one for one in app.sidebar.text_input}
    fields["Model"].set_value(name)
    fields["Key"].set_value(key)
    return click(app, "Use it")


def test_a_model_and_its_key_stay_in_one_session_and_off_the_disk(data_dir: Path) -> None:
    one, other = start("page_memory.py", "ann"), start("page_memory.py", "ann")
    one = use_model(one, "openai/gpt-none", KEY)
    assert "openai/gpt-none" in texts(one)
    other = whole(other.run())
    assert "openai/gpt-none" not in texts(other)
    assert "The offline model" in markdown(other)
    assert KEY not in texts(one) + markdown(one)
    assert KEY not in repr(one.session_state)
    assert not [file for file in data_dir.rglob("*") if file.is_file() and holds(file, KEY)]
    one = click(one, "Back to the model")
    assert "The offline model" in markdown(one)


def holds(file: Path, text: str) -> bool:
    return text.encode() in file.read_bytes()


def test_two_keys_never_meet() -> None:
    seen: list[str] = []

    def spy(settings: Settings, embedder: Embedder) -> LanguageModel:
        if settings.api_key is not None:
            seen.append(settings.api_key.get_secret_value())
        return create_model(settings, embedder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("persona_agent.ui.agents.create_model", spy)
        for key in ("first-key", "second-key"):
            use_model(start("page_memory.py", "ann"), "openai/same", key)
    assert seen == ["first-key", "second-key"]


def test_sessions_choose_their_users_alone(maya: str) -> None:
    one = start("page_chat.py", maya)
    one = whole(one.chat_input[0].set_value("hello there").run())
    other = start("page_chat.py", "ben")
    assert "hello there" not in texts(other)
    assert other.selectbox(key="user").value == "ben"


def test_work_belongs_to_its_session(maya: str) -> None:
    one = click(start("page_optimize.py", maya), "Optimize")
    other = start("page_optimize.py", maya)
    assert not any(button.label == "Stop" for button in other.button)
    settled(one)


# --- visitors -------------------------------------------------------------------------------------


@pytest.fixture
def visitors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["app.py", "--visitors"])


@pytest.mark.usefixtures("visitors")
def test_visitors_have_memories_of_their_own(data_dir: Path) -> None:
    one = settled(click(start(), "Watch the persona form"))
    other = start()
    assert "maya-okafor" in list(one.selectbox(key="user").options)
    assert list(other.selectbox(key="user").options) == []
    assert str(data_dir) not in texts(one)


@pytest.mark.usefixtures("visitors")
def test_an_address_leads_back_and_a_made_up_one_nowhere() -> None:
    one = settled(click(start(), "Watch the persona form"))
    token = one.query_params["space"]
    token = token[0] if isinstance(token, list) else token
    again = start_at(token)
    assert "maya-okafor" in list(again.selectbox(key="user").options)
    made_up = start_at("x" * 43)
    assert list(made_up.selectbox(key="user").options) == []
    assert made_up.query_params["space"] not in ("x" * 43, ["x" * 43])


def start_at(token: str) -> AppTest:
    app = opened()
    app.query_params["space"] = token
    return whole(app.run())


@pytest.mark.usefixtures("visitors")
def test_a_visitor_needs_a_key_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the owner's")
    with pytest.raises(SettingsError, match="key of your own"):
        agents.choose_model("openai/gpt-none")
    with pytest.raises(SettingsError, match="key of your own"):
        agents.choose_model("openai/gpt-none", key="mine", api_base="http://10.0.0.1")
