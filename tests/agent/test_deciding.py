"""Decisions: as the user would, remembered without an outcome, refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.errors import InputError
from persona_agent.prompts import DecideInputs
from persona_agent.schema import Persona
from persona_agent.testing import ScriptedModel
from tests.agent.films import BAD_IDS, SUBJECT, TAGS, films, with_model


def test_decide_answers_as_the_user_did(agent: PersonaAgent) -> None:
    films(agent, "ana")
    for tag in TAGS:
        made = agent.decide_sync("ana", f"{SUBJECT[tag]} again", TAGS, task="films")
        assert made.answer == tag
        assert made.confidence is not None
        assert 0 <= made.confidence <= 1
        assert {one.episode.user_id for one in made.recalled} == {"ana"}
        assert '"comedy" 4' in made.persona_text


def test_an_unknown_user_gets_the_generic_answer(agent: PersonaAgent) -> None:
    films(agent, "ana")
    made = agent.decide_sync("ben", f"{SUBJECT['war']} again", TAGS, task="films")
    assert made.answer in TAGS
    assert (made.persona_text, made.recalled) == ("", ())
    assert made.reason == "Nothing is known of the user; the query alone points there."


def test_a_decision_is_remembered_without_outcome_until_it_is_told(agent: PersonaAgent) -> None:
    made = agent.decide_sync("ana", "Which film?", TAGS, task="films")
    (stored,) = agent.memory.episodes.timeline("ana")
    assert (stored.id, stored.response, stored.outcome) == (made.episode_id, made.answer, None)
    again = agent.decide_sync("ana", "Which film?", TAGS, task="films", remember=False)
    assert again.recalled == ()  # its own guess is no evidence
    assert again.episode_id == ""
    assert agent.memory.episodes.count("ana") == 1

    told = agent.feedback_sync(made.episode_id, user="ana", outcome="war", thumb=-1, comment="no")
    assert told.outcome == "war"
    assert told.feedback is not None
    assert (told.feedback.thumb, told.feedback.comment) == (-1, "no")
    assert agent.memory.episodes.get("ana", [made.episode_id]) == [told]
    final = agent.decide_sync("ana", "Which film?", TAGS, task="films", remember=False)
    assert final.answer == "war"
    assert [one.episode.id for one in final.recalled] == [made.episode_id]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"options": []}, "at least two options, got 0"),
        ({"options": ["tea"]}, "at least two options, got 1"),
        ({"options": ["tea", "tea"]}, "distinct"),
        ({"options": ["tea", "\t"]}, "blank"),
        ({"query": ""}, "text"),
        *(({"user": name}, "user_id") for name in BAD_IDS),
    ],
)
def test_decide_refuses_what_it_cannot_answer(
    tmp_path: Path, fields: dict[str, Any], named: str
) -> None:
    model = ScriptedModel()
    with with_model(tmp_path, model) as agent:
        given: dict[str, Any] = {"user": "ana", "query": "q", "options": ["tea", "coffee"]}
        with pytest.raises(InputError, match=named):
            agent.decide_sync(**(given | fields))
        assert agent.memory.episodes.users() == []
    assert model.requests == []


def test_the_policy_decides_what_the_model_sees(tmp_path: Path) -> None:
    model = ScriptedModel({"decide": {"choice": 1}})
    with with_model(tmp_path, model) as agent:
        films(agent, "ana", 3)
        agent.memory.personas.put(Persona.generic("ana"), expected=None)
        made = agent.decide_sync("ana", "q", TAGS, task="films")
        assert (made.persona_text, made.recalled) == ("", ())
    (_, inputs) = model.requests[0]
    assert isinstance(inputs, DecideInputs)
    assert (inputs.persona, inputs.recalled) == ("", ())
    assert datetime.now(UTC) - datetime.fromisoformat(f"{inputs.date}T00:00Z") < timedelta(days=2)


def test_two_answers_to_one_question_are_equal(agent: PersonaAgent) -> None:
    films(agent, "ana")
    agent.optimize_sync("ana")
    made = [
        agent.decide_sync("ana", "a film of letters", TAGS, task="films", remember=False)
        for _ in range(3)
    ]
    assert made[0] == made[1] == made[2]
    assert made[0].persona_version == agent.persona_sync("ana").version


def test_what_is_empty_is_told_in_plain_words(agent: PersonaAgent) -> None:
    with pytest.raises(InputError, match=r"^text: must not be empty$"):
        agent.chat_sync("ana", "")
    with pytest.raises(InputError, match=r"^user: must not be empty$"):
        agent.chat_sync("", "hello")
    with pytest.raises(InputError, match=r"^user: must not be empty$"):
        agent.persona_sync("")
    with pytest.raises(InputError, match=r"^user_id: must have at most 256 characters$"):
        agent.record_sync("a" * 300, "tea?")
    with pytest.raises(InputError, match=r"^user_id: must be a text$"):
        agent.record_sync(5, "tea?")  # type: ignore[arg-type]
