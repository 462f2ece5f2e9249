"""Users are strangers to each other, and one who is forgotten leaves no trace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.errors import ModelCallError, NotFoundError
from persona_agent.protocols import ChatMessage
from persona_agent.testing import ScriptedModel
from tests.agent.films import STEPS, SUBJECT, TAGS, PaidModel, claim, fact, films, put, with_model

LOOKALIKES = [
    "ana",
    "Ana",
    "ana ",
    "an",
    "anaa",
    "a%",
    "a_",
    "ana'--",
    "a\u0308na",
    "\u00e4na",
    "*",
]


def test_users_with_ids_alike_never_see_anything_of_each_other(tmp_path: Path) -> None:
    tokens = {user: f"token{number:02}secret" for number, user in enumerate(LOOKALIKES)}
    model = ScriptedModel({"decide": {"choice": 1}}, chat=lambda messages, tools: "fine")
    with with_model(tmp_path, model) as agent:
        for user, token in tokens.items():
            for number in range(2):
                agent.record_sync(
                    user, f"tea? {token}", token, options=(token, "other"), id=str(number)
                )
            fact(agent, f"Knows {token}.", agent.memory.episodes.timeline(user), user)
            put(agent, claim(f"says {token}", id="c"), user=user, version="v")
            agent.chat_sync(user, f"remember {token}", thread="t")
        for user, token in tokens.items():
            model.requests.clear()
            model.chats.clear()
            seen: list[object] = [agent.decide_sync(user, "tea?", ("yes", "no"), task="choice")]
            seen.append(agent.chat_sync(user, "tea?", thread="t"))
            seen += [model.requests, model.chats]
            seen += [agent.memory.facts.current(user), agent.history_sync(user)]
            seen += [agent.persona_text_sync(user), agent.memory.episodes.timeline(user)]
            shown = repr(seen)
            assert token in shown
            assert [one for one in tokens.values() if one in shown] == [token]
        gone, *kept = LOOKALIKES
        agent.forget_sync(gone)
        for user in kept:
            assert agent.memory.episodes.count(user) == 5
            assert len(agent.memory.facts.current(user)) == 1
            assert agent.persona_sync(user).version == "v"


def test_two_optimized_users_have_nothing_of_each_other(agent: PersonaAgent) -> None:
    films(agent, "ana", 9, "zebrafish")
    films(agent, "ben", 9, "quokkacat")
    alone = agent.decide_sync("ana", SUBJECT["war"], TAGS, task="films", remember=False)
    for user in ("ana", "ben"):
        agent.optimize_sync(user)
    for user, other in (("ana", "quokkacat"), ("ben", "zebrafish")):
        shown = repr(
            [
                agent.history_sync(user),
                agent.revisions_sync(user),
                agent.memory.facts.current(user),
                agent.decide_sync(user, SUBJECT["war"], TAGS, task="films"),
            ]
        )
        assert other not in shown
    assert alone.answer == "war"


async def test_many_users_at_once_stay_apart(tmp_path: Path) -> None:
    async with PersonaAgent.open(tmp_path, embedder="hash") as agent:

        async def live(user: str, liked: str) -> None:
            for number in range(4):
                await agent.record(user, f"film {number}", liked, options=TAGS, task="films")
            made = await agent.decide(user, "film 9", TAGS, task="films")
            assert made.answer == liked
            assert {one.episode.user_id for one in made.recalled} == {user}

        await asyncio.gather(*(live(f"user {n}", TAGS[n % 3]) for n in range(9)))
        assert len(agent.memory.episodes.users()) == 9


def files_with(folder: Path, *words: str) -> list[str]:
    return [
        f"{path.relative_to(folder)}: {word}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for word in words
        if word.encode() in path.read_bytes()
    ]


def test_forget_leaves_no_trace_in_any_file(tmp_path: Path) -> None:
    marks = [f"markzq{n}markzq" for n in range(9)]
    user = "userzqforgotten"

    def chat(messages: Sequence[ChatMessage], tools: object) -> str:
        return f"as you said: {messages[-1].content}"

    steps = STEPS | {
        "distil_facts": {"facts": [{"text": f"Owns {marks[7]}.", "sources": ["E1"]}]},
        "admit": {"verdicts": [{"statement": "S1", "does": "describes"}]},
        "critique": {"critique": f"missed {marks[8]}"},
        "propose_edits": [ModelCallError("HTTP 500")],
        "decide": {"choice": 2, "reason": f"{marks[8]}"},
    }
    with with_model(tmp_path, PaidModel(steps, chat=chat)) as agent:
        films(agent, user, 9, marks[0])
        films(agent, "ben", 3)
        name = agent.record_sync(
            user,
            "tea?",
            marks[1],
            options=(marks[1], marks[2]),
            response=marks[2],
            metadata={"note": marks[3]},
        )
        agent.feedback_sync(name, user=user, comment=marks[4])
        put(agent, claim(f"loves {marks[5]}"), user=user)
        put(agent, claim("plain"), user="ben")
        agent.chat_sync(user, f"about {marks[6]}", thread="t")
        agent.chat_sync("ben", "hello", thread="t")
        with pytest.raises(ModelCallError):
            agent.optimize_sync(user)  # leaves facts, and a journal
        found = " ".join(files_with(tmp_path, *marks, user))
        assert all(mark in found for mark in [*marks, user])  # the search does find them

        removed = agent.forget_sync(user)
        assert removed["episodes"] == 11
        assert removed["facts"] == 1
        assert removed["threads"] == 1
        assert removed["personas"] >= 1
        assert files_with(tmp_path, *marks, user) == []
        assert not any(agent.forget_sync(user).values())
        assert user not in agent.memory.episodes.users()
        assert agent.memory.episodes.count("ben") == 4
        assert agent.persona_sync("ben").claims[0].text == "plain"
    assert files_with(tmp_path, *marks, user) == []


def test_a_forgotten_user_starts_anew(agent: PersonaAgent) -> None:
    films(agent, "ana")
    agent.optimize_sync("ana")
    agent.forget_sync("ana")
    with pytest.raises(NotFoundError):
        agent.optimize_sync("ana")
    assert agent.decide_sync("ana", "q", TAGS, remember=False).recalled == ()
    assert films(agent, "ana", 2) == ["film-0", "film-1"]
    assert agent.memory.episodes.count("ana") == 2
