"""The app in a browserless Streamlit: every page, from nothing to a persona that changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.evals.atlas import sources
from persona_agent.evals.demo import split_demo_users
from persona_agent.schema import Persona
from tests.ui.conftest import (
    FIRST,
    PAGES,
    PERSON,
    click,
    markdown,
    settled,
    start,
    texts,
    whole,
)

pytestmark = pytest.mark.slow

OF_ONE_USER = ("page_chat.py", "page_persona.py", "page_memory.py", "page_optimize.py")


def opened(data_dir: Path) -> PersonaAgent:
    return PersonaAgent.open(data_dir, embedder="hash")


# --- nothing there --------------------------------------------------------------------------------


@pytest.mark.parametrize("page", OF_ONE_USER)
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


# --- try it ---------------------------------------------------------------------------------------


def test_from_first_start_to_answers_that_changed() -> None:
    app = settled(click(start(), "Watch the persona form"))
    assert "A new version is in use" in app.success[0].value
    assert "95 %" in markdown(app)
    app = settled(click(app, "Decide all"))
    assert [one.label for one in app.metric][-2:] == [
        "As they did, generic",
        "As they did, with the persona",
    ]
    app = whole(app.switch_page("page_persona.py").run())
    assert [one for one in app.expander if one.label.startswith("Rests on")]


def test_one_decision_shows_both_answers_and_the_outcome(maya: str) -> None:
    app = settled(click(start(user=maya), "Decide"))
    shown = markdown(app)
    assert "Generic" in shown and "With the persona" in shown and "What they really did" in shown


def test_a_file_of_ones_own_becomes_a_persona(data_dir: Path) -> None:
    app = start()
    app = whole(app.selectbox(key="person").set_value("A file of your own").run())
    rows = [
        {"query": f"film number {n}, tired", "options": ["comedy", "noir"], "outcome": "comedy"}
        for n in range(12)
    ]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    app.file_uploader[0].set_value(("mine.jsonl", lines.encode(), "application/x-ndjson"))
    app = settled(click(whole(app.run()), "Import it and watch"))
    assert not app.error
    with opened(data_dir) as agent:
        assert agent.memory.episodes.count("me") == len(rows)
        assert agent.memory.personas.latest("me") is not None


def test_a_file_that_is_not_valid_names_the_line_and_no_path(tmp_path: Path) -> None:
    app = start()
    app = whole(app.selectbox(key="person").set_value("A file of your own").run())
    app.file_uploader[0].set_value(("bad.jsonl", b'{"query": "a"}\n{"quary": "b"}\n', "text/plain"))
    (problem,) = whole(app.run()).error
    assert "2" in problem.value and "quary" in problem.value
    assert "tmp" not in problem.value


# --- optimize -------------------------------------------------------------------------------------


def test_an_optimization_is_seen_whole(maya: str) -> None:
    app = settled(click(start("page_optimize.py", maya), "Optimize"))
    shown = markdown(app)
    assert "Simulated answers beside true ones" in shown
    assert "Critiques" in shown and "Proposed edits" in shown and "Gates" in shown
    assert {"Calls", "Tokens", "Cost", "Time"} <= {one.label for one in app.metric}
    frame = next(one.value for one in app.dataframe if "simulated" in one.value.columns)
    assert len(frame) > 0 and set(frame["really"]) - {""}
    runs = next(one for one in app.selectbox if one.label == "Which")
    app = whole(runs.set_value(0).run())
    assert "Edits turned down" in markdown(app)


def test_an_optimization_that_is_stopped_changes_nothing(data_dir: Path, maya: str) -> None:
    app = start("page_optimize.py", maya)
    with opened(data_dir) as agent:
        before = agent.persona_sync(maya)
    app = click(app, "Optimize")
    if any(one.label == "Stop" for one in app.button):
        app = click(app, "Stop")
    app = settled(app)
    with opened(data_dir) as agent:
        after = agent.persona_sync(maya)
    stopped = any("Stopped" in one.value for one in app.info)
    assert stopped == (len(agent_revisions(data_dir, maya)) == 1)
    assert not stopped or after == before


def agent_revisions(data_dir: Path, user: str) -> list[object]:
    with opened(data_dir) as agent:
        return list(agent.revisions_sync(user))


# --- persona --------------------------------------------------------------------------------------


def test_the_persona_page_shows_claims_with_evidence(data_dir: Path, maya: str) -> None:
    app = start("page_persona.py", maya)
    with opened(data_dir) as agent:
        claims = agent.persona_sync(maya).claims
    assert claims
    assert all(claim.statement in texts(app) for claim in claims)


def test_the_persona_page_tells_what_spoke_against_a_claim(data_dir: Path, maya: str) -> None:
    with opened(data_dir) as agent:
        known = agent.persona_sync(maya)
        other = agent.episodes_sync(maya)[0].id
        claim = known.claims[0].model_copy(update={"contrary": (other,)})
        later = Persona(user_id=maya, parent=known.version, claims=(claim,), cause="optimization")
        agent.memory.personas.put(later, expected=known.version)
    labels = [one.label for one in start("page_persona.py", maya).expander]
    assert "Otherwise in 1 interaction" in labels


def test_claims_are_pinned_corrected_deleted_and_stated(data_dir: Path, maya: str) -> None:
    app = click(start("page_persona.py", maya), "Pin")
    with opened(data_dir) as agent:
        first = agent.persona_sync(maya).claims
    assert [claim.pinned for claim in first].count(True) == 1
    app.text_area[0].set_value("likes bakeries")
    app = click(app, "Save")
    app = click(app, "Delete")
    box = next(one for one in app.text_input if one.label.startswith("What is true"))
    box.set_value("never wants sport")
    app = click(app, "State it")
    assert not app.error
    with opened(data_dir) as agent:
        last = agent.persona_sync(maya)
    said = [claim.text for claim in last.claims]
    assert "never wants sport" in said
    assert len(last.claims) == len(first)
    assert len(last.unwanted) == 1


def test_roll_back_makes_a_new_version(data_dir: Path, maya: str) -> None:
    with opened(data_dir) as agent:
        first = agent.persona_sync(maya)
        second = Persona(user_id=maya, parent=first.version, cause="emptied")
        agent.memory.personas.put(second, expected=first.version)
        count = len(agent.history_sync(maya))
    app = click(start("page_persona.py", maya), "Roll back to version")
    assert "in use again" in app.success[0].value
    with opened(data_dir) as agent:
        versions = agent.history_sync(maya)
    assert len(versions) == count + 1
    assert versions[-1].claims == first.claims


# --- memory ---------------------------------------------------------------------------------------


def test_memory_recalls_and_deletes_one(data_dir: Path, maya: str) -> None:
    app = start("page_memory.py", maya)
    app = whole(app.text_input[0].set_value("a film about a bakery").run())
    assert any("similarity" in one.value for one in app.caption)
    with opened(data_dir) as agent:
        before = agent.memory.episodes.count(maya)
    app = click(app, "Delete")
    with opened(data_dir) as agent:
        assert agent.memory.episodes.count(maya) == before - 1


def test_an_export_comes_back_and_a_file_is_imported_once(data_dir: Path, maya: str) -> None:
    with opened(data_dir) as agent:
        lines = "\n".join(agent.export_sync(maya))
        count = agent.memory.episodes.count(maya)
        agent.forget_sync(maya)
    app = start("page_memory.py", "somebody")
    app.file_uploader[0].set_value(("export.jsonl", lines.encode(), "text/plain"))
    app = settled(click(whole(app.run()), "Import it"))
    assert f"{count} episodes" in app.success[0].value
    with opened(data_dir) as agent:
        assert agent.memory.episodes.count(maya) == count


def test_forgetting_asks_for_the_name_first(data_dir: Path, maya: str) -> None:
    app = start("page_memory.py", maya)
    button = next(one for one in app.button if one.label == "Forget this user")
    assert button.disabled
    box = next(one for one in app.text_input if one.label.startswith("Type the name"))
    app = click(whole(box.set_value(maya).run()), "Forget this user")
    assert "Forgotten" in app.success[0].value
    with opened(data_dir) as agent:
        assert agent.memory.episodes.users() == []
        assert agent.memory.personas.users() == []


# --- chat -----------------------------------------------------------------------------------------


def test_chat_streams_says_why_and_takes_feedback(data_dir: Path, maya: str) -> None:
    app = start("page_chat.py", maya)
    app = whole(app.chat_input[0].set_value("which films do I like?").run())
    assert "which films do I like?" in texts(app)
    app = whole(app.toggle[0].set_value(True).run())
    assert "Recalled for it" in markdown(app)
    edit = next(one for one in app.text_area if one.label.startswith("The answer"))
    edit.set_value("slow ones")
    app = click(app, "Save the answer")
    app = whole(app.feedback[0].set_value(1).run())
    with opened(data_dir) as agent:
        (episode,) = agent.memory.episodes.timeline(maya, task="chat")
    assert episode.outcome == "slow ones"
    assert episode.feedback is not None and episode.feedback.thumb == 1
    words = next(one for one in app.text_area if one.label.startswith("What was wrong"))
    words.set_value("too long")
    click(app, "Save the correction")
    with opened(data_dir) as agent:
        (episode,) = agent.memory.episodes.timeline(maya, task="chat")
    assert episode.feedback is not None and episode.feedback.comment == "too long"


def test_a_chat_without_an_answer_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONA_AGENT_MODEL", "openai/gpt-none")  # the kill switch is on in tests
    app = start("page_chat.py", user="somebody")
    app = whole(app.chat_input[0].set_value("hello").run())
    assert len(app.error) == 1


# --- all users ------------------------------------------------------------------------------------


def test_the_atlas_of_a_memory_says_what_it_needs_and_then_is_drawn(data_dir: Path) -> None:
    app = start("page_atlas.py")
    app = whole(app.radio[0].set_value("The users of this memory").run())
    assert "at least 3" in app.info[0].value
    people = [one for one in split_demo_users() if len(one.history) < 40][:4]
    with opened(data_dir) as agent:
        for split in people:
            agent.record_episodes_sync(split.history)
            agent.optimize_sync(split.person.user_id)
    app = settled(click(whole(app.run()), "Draw the map"))
    assert not app.error
    assert app.get("plotly_chart")
    assert "personas by their claims" in markdown(app)


def test_the_atlas_of_the_invented_people_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    histories, names = sources.demo_histories()
    few = {user: histories[user][:10] for user in [*histories][:3]}  # ten whole ones take long
    monkeypatch.setattr(sources, "demo_histories", lambda: (few, names))
    app = settled(click(start("page_atlas.py"), "Draw the map"))
    assert not app.error
    assert app.get("plotly_chart")
    assert "3 personas by their claims" in markdown(app)


def test_the_atlas_of_a_file_learns_the_people_in_it_and_stores_nothing(data_dir: Path) -> None:
    app = start("page_atlas.py")
    app = whole(app.radio[0].set_value("A file of histories").run())
    rows = [
        {"user": user, "query": f"film {n}, tired", "outcome": liked, "options": ["noir", "comedy"]}
        for user, liked in (("ana", "noir"), ("bo", "comedy"), ("cy", "noir"))
        for n in range(10)
    ]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    app.file_uploader[0].set_value(("few.jsonl", lines[: len(lines) // 2].encode(), "text/plain"))
    app = settled(click(whole(app.run()), "Draw the map"))
    assert "line" in app.error[0].value or "at least 3" in app.error[0].value
    app.file_uploader[0].set_value(("people.jsonl", lines.encode(), "text/plain"))
    app = settled(click(whole(app.run()), "Draw the map"))
    assert not app.error
    assert app.get("plotly_chart")
    with opened(data_dir) as agent:
        assert agent.memory.personas.users() == []


def test_results_become_tables_and_plots(tmp_path: Path) -> None:
    app = start("page_evidence.py")
    assert "A result is a JSON file" in app.info[0].value
    app.file_uploader[0].set_value(("no.json", b"[1]", "application/json"))
    app = settled(click(whole(app.run()), "Show"))
    assert "not a result" in app.error[0].value and "/" not in app.error[0].value
    result = Path(__file__).parents[1] / "evals" / "result_v1.json"
    app.file_uploader[0].set_value(("good.json", result.read_bytes(), "application/json"))
    app = settled(click(whole(app.run()), "Show"))
    assert not app.error and app.dataframe
    (pick,) = [one for one in app.selectbox if one.label == "Show"]
    app = pick.set_value("Scores").run()
    assert app.get("plotly_chart")


def test_a_first_start_shows_the_people_and_what_answers() -> None:
    app = start(FIRST)
    assert PERSON in [one.value for one in app.selectbox]
    assert "The offline model" in markdown(app)
