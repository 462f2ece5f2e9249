"""Whether an optimization is due is found out beside the answers, and no outcome is overlooked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.agent.learning_calls import USERS_AT_ONCE
from persona_agent.errors import StoreUnavailableError
from persona_agent.llm import limit

AFTER = 6


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[PersonaAgent]:
    async with PersonaAgent.open(tmp_path, embedder="hash", optimize_after=AFTER) as opened:
        yield opened


async def supper(agent: PersonaAgent, number: int) -> None:
    await agent.record("ana", f"supper {number}", "salad", options=["salad", "roast"])


async def learned(agent: PersonaAgent) -> bool:
    for _ in range(500):
        if await agent.history("ana"):
            return True
        await asyncio.sleep(0.01)
    return False


async def test_the_last_outcome_of_a_burst_is_judged(
    agent: PersonaAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, may_answer, looked = agent.due, asyncio.Event(), list[str]()

    async def slow(user: str) -> str:
        looked.append(await look(user))
        await may_answer.wait()
        return looked[-1]

    monkeypatch.setattr(agent, "due", slow)
    await supper(agent, 0)
    while not looked:
        await asyncio.sleep(0.01)
    for number in range(1, AFTER):  # nobody waits for the look that is under way
        await asyncio.wait_for(supper(agent, number), timeout=10)
    assert looked == [""]
    may_answer.set()
    assert await learned(agent)
    assert looked == ["", f"{AFTER} new outcomes"]  # one more look for all that came meanwhile


async def test_feedback_does_not_wait_either(
    agent: PersonaAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(user: str) -> str:
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(agent, "due", never)
    told = await agent.record("ana", "supper", response="roast")
    await asyncio.wait_for(agent.feedback(told, user="ana", outcome="salad"), timeout=10)


async def test_a_look_that_fails_does_not_stop_the_next(
    agent: PersonaAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, failures = agent.due, [StoreUnavailableError("for once")]

    async def failing(user: str) -> str:
        if failures:
            raise failures.pop()
        return await look(user)

    monkeypatch.setattr(agent, "due", failing)
    for number in range(AFTER):
        await supper(agent, number)
        await asyncio.sleep(0.01)
    assert await learned(agent) and not failures


async def test_statements_in_a_chat_count_as_well(agent: PersonaAgent) -> None:
    for number in range(AFTER):
        await agent.chat("ana", f"I never eat supper number {number}.")
    assert await learned(agent)
    assert len((await agent.persona("ana")).claims) == AFTER


@pytest.mark.parametrize("elsewhere", [False, True], ids=["", "from another event loop"])
async def test_what_is_being_written_of_who_is_forgotten_is_forgotten_too(
    agent: PersonaAgent, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    put, begun = agent.memory.personas.put, Event()

    def slow(*args: Any, **kwargs: Any) -> None:
        begun.set()
        time.sleep(0.2)
        put(*args, **kwargs)

    monkeypatch.setattr(agent.memory.personas, "put", slow)
    for number in range(AFTER):
        await agent.chat("ana", f"I never eat supper number {number}.")
    await asyncio.to_thread(begun.wait)
    if elsewhere:
        await asyncio.to_thread(agent.forget_sync, "ana")
    else:
        await agent.forget("ana")
    await asyncio.sleep(0.4)
    assert not await agent.history("ana")


async def test_who_is_forgotten_at_once_is_learned_from_anew(agent: PersonaAgent) -> None:
    await agent.heard("ana", "I never eat pork.")
    await agent.forget("ana")  # before the look at what is due began
    for number in range(AFTER):
        await supper(agent, number)
    assert await learned(agent)


async def test_the_limits_of_a_caller_are_not_those_of_the_background(agent: PersonaAgent) -> None:
    with limit(max_calls=0):
        for number in range(AFTER):
            await supper(agent, number)
    assert await learned(agent)


async def test_few_users_are_learned_from_at_once(
    agent: PersonaAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, may_answer = list[str](), asyncio.Event()

    async def slow(user: str) -> str:
        looks.append(user)
        await may_answer.wait()
        return ""

    monkeypatch.setattr(agent, "due", slow)
    users = [f"u{number}" for number in range(3 * USERS_AT_ONCE)]
    for user in users:
        await agent.heard(user, "I never eat pork.")
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert looks == users[:USERS_AT_ONCE]
    may_answer.set()
    for _ in range(500):
        if len(looks) == len(users):
            break
        await asyncio.sleep(0.001)
    assert looks == users


async def test_who_is_forgotten_is_no_longer_learned_from(
    agent: PersonaAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = list[str]()

    async def never(user: str) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(user)
        return ""

    monkeypatch.setattr(agent, "due", never)
    for user in ("ana", "ben"):
        await agent.heard(user, "I never eat pork.")
    await asyncio.sleep(0.01)
    await agent.forget("ana")
    assert ended == ["ana"]
    await asyncio.to_thread(agent.forget_sync, "ben")  # of another event loop
    for _ in range(100):
        if len(ended) == 2:
            break
        await asyncio.sleep(0.01)
    assert ended == ["ana", "ben"]
