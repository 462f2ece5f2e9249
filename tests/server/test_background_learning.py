"""Turns that the server passes on teach as chat turns do: beside the answers, once at a time."""

from __future__ import annotations

import asyncio
import time
from threading import Event
from typing import Any

import pytest

from persona_agent.schema import Revision
from persona_agent.testing import ScriptedModel
from tests.server.conftest import Running, Start

AFTER = 3


def say(running: Running, text: str, *, stream: bool = False) -> None:
    body = {
        "model": "scripted",
        "user": "ana",
        "stream": stream,
        "messages": [{"role": "user", "content": text}],
    }
    with running.client() as client:
        answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200 and "finish_reason" in answer.text


def model() -> ScriptedModel:
    return ScriptedModel({"distil_facts": distilled}, chat="as you like")


def distilled(inputs: Any) -> dict[str, Any]:
    said = [
        {"text": f"The user said: {one.query.text}", "sources": [f"E{number}"]}
        for number, one in enumerate(inputs.episodes, 1)
    ]
    return {"facts": said}


def claims(running: Running) -> set[str]:
    found = running.agent.memory.personas.latest("ana")
    return {claim.text for claim in found.claims} if found else set()


@pytest.mark.parametrize("stream", [False, True])
def test_what_users_state_in_turns_is_learned_by_itself(start: Start, stream: bool) -> None:
    running = start(model(), optimize_after=AFTER)
    foods = ("pork", "beef", "veal")
    for food in foods:
        assert not claims(running)
        say(running, f"I never eat {food}.", stream=stream)
    wanted = {f"I never eat {food}." for food in foods}
    for _ in range(500):
        if claims(running) == wanted:
            break
        time.sleep(0.01)
    assert claims(running) == wanted


def test_answers_do_not_wait_and_one_look_goes_on_at_a_time(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    async def never(user: str) -> str:
        looks.append(user)
        await asyncio.Event().wait()
        return ""

    running = start(model(), optimize_after=AFTER)
    monkeypatch.setattr(running.agent, "due", never)
    for food in ("pork", "beef", "veal", "lamb"):
        say(running, f"I never eat {food}.")
    assert looks == ["ana"]
    with running.client(user="ana") as client:  # and who is forgotten is not learned from
        assert client.delete("/v1/memory").status_code == 200
    assert not running.agent._learning and not claims(running)


@pytest.mark.parametrize(
    ("text", "settings"),
    [("I never eat pork.", {}), ("What is on tonight?", {"optimize_after": 1})],
    ids=["without the setting", "small talk"],
)
def test_servers_without_the_setting_and_small_talk_start_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch, text: str, settings: dict[str, int]
) -> None:
    looks: list[str] = []

    async def due(user: str) -> str:
        looks.append(user)
        return ""

    running = start(model(), **settings)
    monkeypatch.setattr(running.agent, "due", due)
    say(running, text)
    time.sleep(0.05)
    assert looks == []


def test_an_optimization_that_is_asked_for_beside_one_in_the_background_is_that_one(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start(model(), optimize_after=AFTER)
    search, begun, may_go_on = running.agent._optimizer.optimize, Event(), Event()
    searches: list[str] = []

    async def slow(user: str, *args: Any, **kwargs: Any) -> Revision:
        searches.append(user)
        begun.set()
        await asyncio.to_thread(may_go_on.wait, 10)
        return await search(user, *args, **kwargs)

    monkeypatch.setattr(running.agent._optimizer, "optimize", slow)
    for food in ("pork", "beef", "veal"):
        say(running, f"I never eat {food}.")
    assert begun.wait(10)
    with running.client(user="ana") as client:
        job = client.post("/v1/optimizations").json()["id"]
        time.sleep(0.3)
        may_go_on.set()
        ended = client.get(f"/v1/optimizations/{job}/events").text
        revisions = client.get("/v1/persona/revisions").json()
    assert "event: result" in ended and searches == ["ana"]
    assert len(revisions) == 1 and revisions[0]["id"] in ended
