"""What a user says in one conversation of a host holds in the next, also through the endpoint."""

from __future__ import annotations

from typing import Any

from persona_agent.agent import PersonaAgent
from persona_agent.agent.lately import SECONDS, Lately
from persona_agent.agent.proxy import Proxy
from persona_agent.schema import Episode, Query
from tests.agent.chats import recall_nothing


def said(text: str, *earlier: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": one} for one in (*earlier, text)]


async def told(proxy: Proxy, text: str, *earlier: str, user: str = "ana") -> str:
    turn = await proxy.prepare(user, said(text, *earlier))
    memories: str = turn.messages[0]["content"].partition("\n<memories>\n")[2]
    return memories


async def answered(proxy: Proxy, text: str) -> str:
    turn = await proxy.prepare("ana", said(text))
    assert await proxy.remember(turn, "Noted.")
    return turn.episode_id


async def test_a_statement_holds_in_the_next_conversation(agent: PersonaAgent) -> None:
    recall_nothing(agent.memory, "ana")
    proxy = Proxy(agent)
    assert "vegetarian" not in await told(proxy, "suggest dinner")
    name = await answered(proxy, "I am vegetarian.")
    assert (await told(proxy, "suggest dinner")).count("I am vegetarian.") == 1
    turn = await proxy.prepare("ana", said("suggest dinner"))
    assert [one.episode.id for one in turn.recalled] == [name]
    assert "I am vegetarian." not in await told(proxy, "suggest dinner", "I am vegetarian.")
    assert "vegetarian" not in await told(proxy, "suggest dinner", user="ben")
    await proxy.aclose()


async def test_what_is_deleted_or_forgotten_is_not_told_again(agent: PersonaAgent) -> None:
    recall_nothing(agent.memory, "ana")
    proxy = Proxy(agent)
    first = await answered(proxy, "I am vegetarian.")
    await answered(proxy, "My dog is called Bo.")
    assert "vegetarian" in await told(proxy, "suggest dinner")
    agent.memory.episodes.delete("ana", [first])
    rest = await told(proxy, "suggest dinner")
    assert "vegetarian" not in rest and "Bo" in rest
    await agent.forget("ana")
    assert "Bo" not in await told(proxy, "suggest dinner")
    await proxy.aclose()


def test_what_another_process_stores_is_found_after_a_while(agent: PersonaAgent) -> None:
    now = [0.0]
    lately = Lately(agent.memory, clock=lambda: now[0])
    vector = agent.memory.embedder.embed(["suggest dinner"])[0]

    def texts() -> list[str]:
        found = lately.stated("ana", vector, without=set(), said=set())
        return [one.episode.query.text for one in found]

    assert texts() == []
    text = "I am vegetarian."
    episode = Episode(user_id="ana", query=Query(text=text, task="chat"), response="Noted.")
    agent.memory.episodes.add([episode], agent.memory.embedder.embed([text]))
    assert texts() == []
    now[0] = SECONDS
    assert texts() == [text]
    agent.memory.episodes.set_outcome("ana", episode.id, outcome="Noted, no meat.")
    assert texts() == []
