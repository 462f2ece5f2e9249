"""The app in a browserless Streamlit: first start, a built-in person, hostile texts, the chat."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import persona_agent.ui
from persona_agent.agent import PersonaAgent
from persona_agent.evals.demo import split_demo_users
from persona_agent.schema import Claim, Persona, Section
from persona_agent.ui.state import close_agents
from persona_agent.ui.texts import escaped

pytestmark = pytest.mark.slow

APP = Path(persona_agent.ui.__path__[0]) / "app.py"
PAGES = ("page_persona.py", "page_memory.py", "page_try.py", "page_chat.py")
PERSON = "maya-okafor"
HOSTILE = "<script>alert(1)</script> [click](http://evil.example) ![x](http://evil.example/x)"


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PERSONA_AGENT_EMBEDDER", "hash")
    monkeypatch.setenv("PERSONA_AGENT_DATA_DIR", str(tmp_path / "data"))
    yield tmp_path / "data"
    close_agents()


def start(page: str = PAGES[0], user: str | None = None) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60)
    if user is not None:
        app.session_state["user"] = user
    app.run()
    if page != PAGES[0]:
        app.switch_page(page).run()
    return whole(app)


def whole(app: AppTest) -> AppTest:
    """Return the app unless it ended in a traceback."""
    assert not app.exception, [one.value for one in app.exception]
    return app


def click(app: AppTest, label: str) -> AppTest:
    (button,) = [one for one in app.button if one.label.startswith(label)]
    return whole(button.click().run())


def texts(app: AppTest) -> str:
    return "\n".join(str(one.value) for one in app.text)


def markdown(app: AppTest) -> str:
    """Return everything that the browser reads as Markdown, apart from labels."""
    kinds = (app.markdown, app.caption, app.info, app.error, app.success, app.warning)
    return "\n".join(str(one.value) for kind in kinds for one in kind)


@pytest.fixture
def maya(data_dir: Path) -> str:
    """Give a built-in person a history and a persona."""
    (split,) = [one for one in split_demo_users() if one.person.user_id == PERSON]
    with PersonaAgent.open(data_dir, embedder="hash") as agent:
        agent.record_episodes_sync(split.history)
        agent.optimize_sync(PERSON)
    return PERSON


# --- nothing there --------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["page_persona.py", "page_memory.py", "page_chat.py"])
def test_an_empty_directory_says_what_to_do(page: str, data_dir: Path) -> None:
    app = start(page)
    assert "Nobody is picked" in app.info[0].value
    assert str(data_dir) in texts(app)
    assert "does not converse" in markdown(app)


@pytest.mark.parametrize("page", PAGES)
def test_a_user_who_is_new_is_no_error(page: str) -> None:
    app = start(page, user="somebody new")
    assert not app.error
    assert app.main[0].type == "title"  # Streamlit shows a stray string of a module


def test_an_error_of_the_library_is_a_message(data_dir: Path) -> None:
    data_dir.write_text("a file where the folder should be")
    app = start()
    assert len(app.error) == 1
    assert "data" in app.error[0].value


def test_a_wrong_setting_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONA_AGENT_TIMEOUT", "soon")
    assert "TIMEOUT" in start().error[0].value


# --- a built-in person ----------------------------------------------------------------------------


def test_from_loading_to_a_decision() -> None:
    app = click(start("page_try.py"), "Load the built-in people")
    app = whole(app.selectbox(key="user").set_value(PERSON).run())
    app = click(app, "Optimize this person")
    assert not app.error
    app = click(whole(app.run()), "Decide all")
    assert [one.label for one in app.metric] == [
        "As they did, generic",
        "As they did, with the persona",
    ]
    app.switch_page("page_persona.py").run()
    assert [one for one in whole(app).expander if one.label.startswith("Rests on")]


def test_one_decision_shows_both_answers_and_the_outcome(maya: str) -> None:
    app = start("page_try.py", user=maya)
    app = click(app, "Load the built-in people")
    (button,) = [one for one in app.button if one.label == "Decide"]
    app = whole(button.click().run())
    shown = markdown(app)
    assert "Generic" in shown and "With the persona" in shown and "What they really did" in shown


def test_the_persona_page_shows_claims_with_evidence(data_dir: Path, maya: str) -> None:
    app = start(user=maya)
    with PersonaAgent.open(data_dir, embedder="hash") as agent:
        claims = agent.persona_sync(maya).claims
    assert claims
    assert all(claim.statement in texts(app) for claim in claims)


def test_roll_back_makes_a_new_version(data_dir: Path, maya: str) -> None:
    with PersonaAgent.open(data_dir, embedder="hash") as agent:
        first = agent.persona_sync(maya)
        second = Persona(user_id=maya, parent=first.version, cause="emptied")
        agent.memory.personas.put(second, expected=first.version)
        count = len(agent.history_sync(maya))
    app = click(start(user=maya), "Roll back to version")
    assert "in use again" in app.success[0].value
    with PersonaAgent.open(data_dir, embedder="hash") as agent:
        versions = agent.history_sync(maya)
    assert len(versions) == count + 1
    assert versions[-1].claims == first.claims


def test_memory_recalls(maya: str) -> None:
    app = start("page_memory.py", user=maya)
    app = whole(app.text_input[0].set_value("a film about a bakery").run())
    assert any("similarity" in one.value for one in app.caption)


# --- hostile texts --------------------------------------------------------------------------------


def test_hostile_texts_are_shown_literally(data_dir: Path) -> None:
    user = HOSTILE
    with PersonaAgent.open(data_dir, embedder="hash") as agent:
        done = [agent.record_sync(user, HOSTILE, HOSTILE, task=HOSTILE) for _ in range(2)]
        claim = Claim(section=Section.STYLE, text=HOSTILE, scope=HOSTILE, evidence=(done[0],))
        persona = Persona(user_id=user, claims=(claim,), cause=HOSTILE)
        agent.memory.personas.put(persona, expected=None)
        agent.record_sync(
            user, HOSTILE, task="chat", response=HOSTILE, metadata={"thread": "default"}
        )
    for page in PAGES:
        app = start(page, user=user)
        if page == "page_memory.py":
            whole(app.text_input[0].set_value(HOSTILE).run())
        if page != "page_try.py":
            assert HOSTILE in texts(app), page
        labels = [one.label for one in (*app.expander, *app.button)]
        for raw in ("<script>", "](http"):
            assert raw not in markdown(app), page
            assert not [label for label in labels if raw in label], page


@pytest.mark.parametrize("text", ["http://evil.example", ":red[x]", ":smile:", "$x$", "# a\n- b"])
def test_escaped_text_holds_no_markup(text: str) -> None:
    shown = escaped(text)
    assert "\n" not in shown
    assert "://" not in shown.replace("\\", "")
    assert not shown.startswith("#")


# --- chat -----------------------------------------------------------------------------------------


def test_chat_streams_and_takes_a_correction(data_dir: Path, maya: str) -> None:
    app = start("page_chat.py", user=maya)
    app = whole(app.chat_input[0].set_value("which films do I like?").run())
    assert "which films do I like?" in texts(app)
    app.text_area[0].set_value("slow ones")
    app = click(app, "Save")
    app = whole(app.feedback[0].set_value(1).run())
    with PersonaAgent.open(data_dir, embedder="hash") as agent:
        (episode,) = agent.memory.episodes.timeline(maya, task="chat")
    assert episode.outcome == "slow ones"
    assert episode.feedback is not None
    assert episode.feedback.thumb == 1


def test_a_chat_without_an_answer_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONA_AGENT_MODEL", "openai/gpt-none")  # the kill switch is on in tests
    app = start("page_chat.py", user="somebody")
    app = whole(app.chat_input[0].set_value("hello").run())
    assert len(app.error) == 1
