"""Turns a minute, sizes, servers that are full, and forgetting beside turns."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import Any

import httpx
import pytest

from persona_agent.errors import ConflictError
from persona_agent.server.config import ServerConfig
from persona_agent.server.errors import ApiError
from persona_agent.server.limits import Gate, Rates
from persona_agent.testing import ScriptedModel
from tests.server.conftest import ModelServer, Reply, Start, asked, told, turn

SHAPE = {"message", "type", "param", "code"}
JSON = {"content-type": "application/json"}


def test_a_user_has_so_many_turns_a_minute_and_others_their_own() -> None:
    now = 0.0
    rates = Rates(2, clock=lambda: now)
    for user in ("ana", "ana", "ben"):
        rates.take(user)
    with pytest.raises(ApiError) as caught:
        rates.take("ana")
    assert (caught.value.status, caught.value.retry_after) == (429, 30)
    now = 30.0
    rates.take("ana")
    with pytest.raises(ApiError):
        rates.take("ana")


def test_the_rate_is_an_error_that_clients_understand(start: Start) -> None:
    running = start(config=ServerConfig(anonymous=True, turns_per_minute=1))
    with running.client() as api:
        turn(api)
        refused = api.post("/v1/chat/completions", json=asked("again"))
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        turn(api, user="ben")


def test_bodies_are_bounded_also_when_they_do_not_tell_their_length(start: Start) -> None:
    running = start(config=ServerConfig(anonymous=True, max_body_bytes=2048, max_messages=3))
    with running.client(user="ana") as api:
        large = json.dumps(asked("x" * 4000)).encode()
        for path in ("/v1/chat/completions", "/v1/memory/search", "/v1/memory/import"):
            told_length = api.post(path, content=large, headers=JSON)
            untold = api.post(path, content=iter([large[:2000], large[2000:]]), headers=JSON)
            for answer in (told_length, untold):
                assert answer.status_code == 413, path
                assert set(answer.json()["error"]) == SHAPE
        many = asked("x", messages=[{"role": "user", "content": "x"}] * 4)
        assert api.post("/v1/chat/completions", json=many).status_code == 400
        deep: Any = "x"
        for _ in range(80):
            deep = [deep]
        nested = api.post("/v1/chat/completions", json=asked("x", tools=deep))
        assert nested.status_code == 400 and "nests" in nested.json()["error"]["message"]
        for number in (b"1e999", b'[{"x": -1e999}]'):
            raw = json.dumps(asked("x", seed="N")).encode().replace(b'"N"', number)
            huge = api.post("/v1/chat/completions", content=raw, headers=JSON)
            assert huge.status_code == 400 and "too large" in huge.json()["error"]["message"]


def test_a_server_that_is_full_says_so(start: Start, endpoint: ModelServer) -> None:
    free = threading.Event()
    endpoint.replies = [Reply(told("ok"), wait=free)]
    running = start(
        config=ServerConfig(anonymous=True, max_turns=1),
        model="openai/m", api_base=endpoint.base, api_key="k",
    )  # fmt: skip
    with running.client() as api:
        first = threading.Thread(target=lambda: turn(api, model="m"))
        first.start()
        while not endpoint.requests:
            time.sleep(0.01)
        full = httpx.post(
            f"{running.url}/v1/chat/completions", json=asked("b", model="m", user="ben")
        )
        assert (full.status_code, full.json()["error"]["code"]) == (503, "overloaded")
        free.set()
        first.join()


async def test_forgetting_waits_for_turns_and_holds_new_ones_up() -> None:
    gate, order = Gate(10), list[str]()
    inside, leave = asyncio.Event(), asyncio.Event()

    async def old() -> None:
        async with gate.turn("ana"):
            inside.set()
            await leave.wait()
            order.append("old turn")

    async def forget() -> None:
        async with gate.alone("ana", timeout=5):
            order.append("forgotten")

    async def new() -> None:
        async with gate.turn("ana"):
            order.append("new turn")

    first = asyncio.create_task(old())
    await inside.wait()
    with pytest.raises(ConflictError):
        async with gate.alone("ana", timeout=0.01):
            raise AssertionError("a turn was under way")
    second = asyncio.create_task(forget())
    await asyncio.sleep(0)
    third = asyncio.create_task(new())
    await asyncio.sleep(0.01)
    async with gate.turn("ben"):
        pass
    leave.set()
    await asyncio.gather(first, second, third)
    assert order == ["old turn", "forgotten", "new turn"]
    assert gate.under_way == 0


def test_a_trace_stays_small_whatever_tools_are_offered(start: Start) -> None:
    names = ["n" * 50_000, *(f"tool {number}" for number in range(1_000))]
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    running = start(ScriptedModel(chat=lambda messages, tools: "as you like"))
    with running.client(user="ana") as api:
        answer = api.post("/v1/chat/completions", json=asked("hi", model="scripted", tools=tools))
        trace = api.get(f"/v1/traces/{answer.json()['persona']['turn']}")
    assert trace.json()["tools_offered"][1] == "tool 0" and len(trace.content) < 10_000
