"""One data directory a test, and a driver of the app without a browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import persona_agent.ui
from persona_agent.agent import PersonaAgent
from persona_agent.evals.demo import split_demo_users

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

APP = Path(persona_agent.ui.__path__[0]) / "app.py"
FIRST = "page_try.py"
PAGES = (
    FIRST,
    "page_chat.py",
    "page_persona.py",
    "page_memory.py",
    "page_optimize.py",
    "page_atlas.py",
    "page_evidence.py",
)
PERSON = "maya-okafor"
SECONDS = 90


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PERSONA_AGENT_EMBEDDER", "hash")
    monkeypatch.setenv("PERSONA_AGENT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    import streamlit

    yield tmp_path / "data"
    streamlit.cache_resource.clear()  # closes every agent


@pytest.fixture
def maya(data_dir: Path) -> str:
    """Give a built-in person a history and a persona."""
    (split,) = [one for one in split_demo_users() if one.person.user_id == PERSON]
    with PersonaAgent.open(data_dir, embedder="hash") as agent:
        agent.record_episodes_sync(split.history)
        agent.optimize_sync(PERSON)
    return PERSON


def opened() -> AppTest:
    """Return the app before its first run; Streamlit takes a second to load."""
    from streamlit.testing.v1 import AppTest

    return AppTest.from_file(str(APP), default_timeout=SECONDS)


def start(page: str = FIRST, user: str | None = None) -> AppTest:
    app = opened()
    if user is not None:
        app.session_state["user"] = user
    app.run()
    if page != FIRST:
        app.switch_page(page).run()
    return whole(app)


def whole(app: AppTest) -> AppTest:
    """Return the app unless it ended in a traceback."""
    assert not app.exception, [one.value for one in app.exception]
    return app


def click(app: AppTest, label: str) -> AppTest:
    """Click the first button whose label begins so."""
    button = next(one for one in app.button if one.label.startswith(label))
    return whole(button.click().run())


def settled(app: AppTest) -> AppTest:
    """Run the app until no work is under way, as its timer does in a browser."""
    end = time.monotonic() + SECONDS
    while any(one.label == "Stop" for one in app.button):
        assert time.monotonic() < end, "the work does not end"
        time.sleep(0.05)
        whole(app.run())
    return app


def texts(app: AppTest) -> str:
    return "\n".join(str(one.value) for one in app.text)


def markdown(app: AppTest) -> str:
    """Return everything that the browser reads as Markdown, labels among it."""
    kinds = (app.markdown, app.caption, app.info, app.error, app.success, app.warning)
    shown = [str(one.value) for kind in kinds for one in kind]
    shown += [str(one.value) for one in (*app.subheader, *app.title)]
    labelled = (app.expander, app.button, app.tabs, app.selectbox, app.text_input, app.metric)
    return "\n".join([*shown, *(str(one.label) for kind in labelled for one in kind)])
