"""What is recorded and what users say of it: stored whole, refused by name, nobody else's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.errors import InputError, NotFoundError
from persona_agent.schema import Episode, Query
from tests.agent.films import BAD_IDS, TAGS


def test_what_is_recorded_is_stored_whole(agent: PersonaAgent) -> None:
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    name = agent.record_sync(
        "ana",
        "Which film?",
        "war",
        options=TAGS,
        task="films",
        response="drama",
        at=at,
        id="mine",
        metadata={"shop": "x", "n": 3, "f": 0.5, "b": True},
    )
    assert name == "mine"
    (found,) = agent.memory.episodes.timeline("ana")
    assert found == Episode(
        id="mine",
        user_id="ana",
        query=Query(text="Which film?", options=TAGS, task="films"),
        outcome="war",
        response="drama",
        at=at,
        metadata={"shop": "x", "n": 3, "f": 0.5, "b": True},
    )


def test_the_time_is_now_and_the_id_fresh_where_none_is_given(agent: PersonaAgent) -> None:
    before = datetime.now(UTC)
    first, second = agent.record_sync("ana", "a"), agent.record_sync("ana", "a")
    assert first != second
    found = agent.memory.episodes.timeline("ana")
    assert [one.id for one in found] == [first, second]
    assert all(before <= one.at <= datetime.now(UTC) for one in found)


def test_a_retry_with_the_same_id_changes_nothing(agent: PersonaAgent) -> None:
    agent.record_sync("ana", "tea?", "yes", id="one")
    assert agent.record_sync("ana", "coffee?", "no", id="one") == "one"
    (found,) = agent.memory.episodes.timeline("ana")
    assert (found.query.text, found.outcome) == ("tea?", "yes")


def test_the_same_id_of_another_user_is_another_episode(agent: PersonaAgent) -> None:
    agent.record_sync("ana", "tea?", "yes", id="one")
    agent.record_sync("ben", "coffee?", "no", id="one")
    assert agent.memory.episodes.get("ana", ["one"])[0].outcome == "yes"
    assert agent.memory.episodes.get("ben", ["one"])[0].outcome == "no"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"outcome": "horror"}, "'horror' is not one of the options"),
        ({"outcome": "War"}, "'War' is not one of the options"),
        ({"outcome": ""}, "is not one of the options"),
        ({"options": ("war", "war")}, "distinct"),
        ({"options": ("war", " ")}, "blank"),
        ({"options": ("war", "")}, "blank"),
        ({"options": (1, 2)}, "options.0"),
        ({"options": [f"o{n}" for n in range(501)]}, "options"),
        ({"query": ""}, "text"),
        ({"query": "\x00"}, "text"),
        ({"query": "a\ud800"}, "text"),
        ({"query": "x" * 100_001}, "text"),
        ({"query": None}, "text"),
        ({"options": (), "outcome": "  "}, "outcome must not be blank"),
        ({"task": "t" * 129}, "task"),
        ({"at": datetime(2026, 1, 1)}, "at: "),
        ({"at": "soon"}, "at: "),
        ({"id": ""}, "id: "),
        ({"id": "a\nb"}, "id: "),
        ({"metadata": {"x": {"deep": 1}}}, "metadata"),
        ({"metadata": {"x": float("nan")}}, "finite"),
        *(({"user": name}, "user_id") for name in BAD_IDS),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_stored(
    agent: PersonaAgent, fields: dict[str, Any], named: str
) -> None:
    given: dict[str, Any] = {"user": "ana", "query": "q", "outcome": "war", "options": TAGS}
    with pytest.raises(InputError, match=named):
        agent.record_sync(**(given | fields))
    assert agent.memory.episodes.users() == []


def test_a_batch_is_stored_all_or_nothing(agent: PersonaAgent) -> None:
    good = Episode(id="a", user_id="ana", query=Query(text="q"))
    bad = Episode(id="b", user_id="ana", query=Query(text="q"), metadata={"x": float("inf")})
    with pytest.raises(InputError):
        agent.record_episodes_sync([good, bad])
    assert agent.memory.episodes.count("ana") == 0
    assert agent.record_episodes_sync([good, good]) == 1
    assert agent.record_episodes_sync([]) == 0


def test_an_import_completes_what_is_stored_and_adds_what_is_new(agent: PersonaAgent) -> None:
    early = Episode(id="a", user_id="ana", query=Query(text="which tea?"))
    told = early.model_copy(update={"outcome": "green, password: hunter2secret"})
    new = Episode(id="b", user_id="ana", query=Query(text="which cup?"), outcome="the blue one")
    assert agent.import_episodes_sync([early]) == (["a"], [], [])
    done = agent.import_episodes_sync([told, new])
    assert done.new == ["b"] and [one.id for one in done.told] == ["a"] and not done.other
    assert "hunter2secret" not in repr(agent.memory.episodes.timeline("ana"))
    assert agent.import_episodes_sync([told, new]) == ([], [], [])
    other = new.model_copy(update={"outcome": "the red one"})
    assert agent.import_episodes_sync([other]) == ([], [], ["b"])
    with pytest.raises(InputError, match="twice"):
        agent.import_episodes_sync([told, told])
    assert agent.import_episodes_sync([]) == ([], [], [])


def test_an_imported_reply_to_a_question_is_what_the_user_stated(agent: PersonaAgent) -> None:
    asked = Episode(
        id="a",
        user_id="ana",
        query=Query(text="A film?", options=TAGS),
        metadata={"question": "War or drama?"},
    )
    agent.record_episodes_sync([asked])
    agent.import_episodes_sync([asked.model_copy(update={"outcome": "war"})])
    (fact,) = agent.facts_sync("ana")
    assert fact.stated and fact.sources == ("a",)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "needs an outcome"),
        ({"outcome": "horror"}, "not one of the options"),
        ({"thumb": 0}, "thumb"),
        ({"thumb": 2}, "thumb"),
        ({"outcome": "horror", "thumb": 1}, "not one of the options"),
    ],
)
def test_wrong_feedback_changes_nothing(
    agent: PersonaAgent, fields: dict[str, Any], named: str
) -> None:
    name = agent.record_sync("ana", "q", "war", options=TAGS)
    before = agent.memory.episodes.timeline("ana")
    with pytest.raises(InputError, match=named):
        agent.feedback_sync(name, user="ana", **fields)
    assert agent.memory.episodes.timeline("ana") == before


def test_feedback_reaches_only_the_users_own_episodes(agent: PersonaAgent) -> None:
    name = agent.record_sync("ana", "q", "war", options=TAGS)
    for user, episode in (("ben", name), ("ana", "none"), ("ana", "")):
        with pytest.raises(NotFoundError):
            agent.feedback_sync(episode, user=user, outcome="drama")
    assert agent.memory.episodes.get("ana", [name])[0].outcome == "war"
