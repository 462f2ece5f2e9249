"""The official client against the endpoint, as applications use it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import openai
import pytest

from persona_agent.testing import ScriptedModel
from tests.server.conftest import ModelServer, Reply, Running, Start, asked, client, piece, told

CALL: dict[str, Any] = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Kyiv"}'},
}
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        "strict": False,
    },
}


def test_a_turn_offline_is_answered_remembered_and_recalled(offline: Running) -> None:
    with client(offline) as api:
        assert [model.id for model in api.models.list()] == ["offline"]
        assert api.models.retrieve("offline").owned_by == "persona-agent"
        told_ = "I am allergic to peanuts"
        first = api.chat.completions.create(
            model="offline", user="ana", messages=[{"role": "user", "content": told_}]
        )
        persona = (first.model_extra or {})["persona"]
        assert first.usage is not None and first.usage.total_tokens > 0
        stored = offline.agent.search_sync("ana", told_)
        assert [one.episode.id for one in stored] == [persona["episode_id"]]
        second = api.chat.completions.create(
            model="offline",
            user="ana",
            messages=[{"role": "user", "content": "Are peanuts fine, or am I allergic?"}],
        )
        assert told_ in (second.choices[0].message.content or "")
        assert (second.model_extra or {})["persona"]["recalled"] == [persona["episode_id"]]


def test_a_streamed_turn_is_stored_when_its_end_arrives(offline: Running) -> None:
    with client(offline) as api:
        text, acknowledged, usage = "", None, None
        stream = api.chat.completions.create(
            model="offline",
            user="ana",
            messages=[{"role": "user", "content": "I like jazz"}],
            stream=True,
            stream_options={"include_usage": True},
            metadata={"thread": "evening"},
        )
        for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                if choice.finish_reason:
                    acknowledged = (chunk.model_extra or {})["persona"]["episode_id"]
                    stored = offline.agent.search_sync("ana", "I like jazz")
                    assert [one.episode.id for one in stored] == [acknowledged]
                    assert stored[0].episode.metadata == {"thread": "evening"}
        assert "offline model" in text and acknowledged and usage is not None


async def test_the_async_client_serves_many_users_apart(start: Start) -> None:
    model = ScriptedModel(chat=lambda messages, tools: f"said {messages[-1].content}")
    running = await asyncio.to_thread(start, model)
    api = openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0)
    async with api:

        async def say(user: str, number: int) -> None:
            reply = await api.chat.completions.create(
                model="scripted",
                extra_headers={"X-Persona-User": user},
                messages=[{"role": "user", "content": f"secret of {user} number {number}"}],
            )
            assert reply.choices[0].message.content == f"said secret of {user} number {number}"

        async def streamed(user: str) -> str:
            stream = await api.chat.completions.create(
                model="scripted",
                user=user,
                messages=[{"role": "user", "content": "hello"}],
                stream=True,
            )
            return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

        users = [f"user{n}" for n in range(6)]
        await asyncio.gather(*(say(user, n) for user in users for n in range(4)))
        assert set(await asyncio.gather(*map(streamed, users))) == {"said hello"}
    for messages in model.chats:
        text = messages[0].content + messages[-1].content
        assert len({user for user in users if f"secret of {user} " in text}) <= 1
    for user in users:
        assert len(await asyncio.to_thread(running.agent.episodes_sync, user)) == 5


def test_tools_pass_through_untouched_and_are_the_hosts_to_run(
    front: Running, endpoint: ModelServer
) -> None:
    endpoint.replies = [Reply(told(None, tool_calls=[CALL])), Reply(told("Bring a coat."))]
    messages: list[Any] = [{"role": "user", "content": "What to wear in Kyiv?"}]
    with client(front) as api:
        options: dict[str, Any] = {"tool_choice": "auto", "temperature": 0.3, "seed": 7}
        first = api.chat.completions.create(
            model="m", user="ana", messages=messages, tools=[TOOL], **options
        )
        message = first.choices[0].message
        assert first.choices[0].finish_reason == "tool_calls"
        assert message.tool_calls is not None
        assert message.tool_calls[0].model_dump() == CALL
        assert front.agent.episodes_sync("ana") == []
        sent = endpoint.requests[0]
        assert sent["tools"] == [TOOL]
        assert {name: sent[name] for name in options} == options
        assert sent["model"] == "m"
        messages += [
            message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": "call_1", "content": "3 degrees"},
        ]
        second = api.chat.completions.create(model="m", user="ana", messages=messages, tools=[TOOL])
    assert second.choices[0].message.content == "Bring a coat."
    assert endpoint.requests[1]["messages"][1:] == messages
    (stored,) = front.agent.episodes_sync("ana")
    assert (stored.query.text, stored.response) == ("What to wear in Kyiv?", "Bring a coat.")
    assert endpoint.headers[0]["authorization"] == "Bearer sk-upstream"


def test_streamed_tool_calls_pass_through(front: Running, endpoint: ModelServer) -> None:
    delta = {"role": "assistant", "tool_calls": [{"index": 0} | CALL]}
    endpoint.replies = [Reply(events=[piece(delta), piece({}, "tool_calls"), piece(None)])]
    with client(front) as api:
        chunks = list(
            api.chat.completions.create(
                model="m",
                user="ana",
                messages=[{"role": "user", "content": "Weather?"}],
                tools=[TOOL],
                stream=True,
            )
        )
    calls = [call for c in chunks for one in c.choices for call in one.delta.tool_calls or ()]
    assert calls[0].function is not None and calls[0].function.name == "weather"
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    assert front.agent.episodes_sync("ana") == []


def test_tools_of_a_model_of_this_library(start: Start) -> None:
    from persona_agent.protocols import ChatReply, ToolCall

    call = ToolCall(id="c", name="weather", arguments={"city": "Kyiv"})
    model = ScriptedModel(chat=[ChatReply(tool_calls=(call,)), "Bring a coat."])
    running = start(model)
    with client(running) as api:
        messages: list[Any] = [{"role": "user", "content": "What to wear?"}]
        first = api.chat.completions.create(
            model="scripted", user="ana", messages=messages, tools=[TOOL]
        )
        message = first.choices[0].message
        assert message.tool_calls is not None and message.content is None
        messages += [message.model_dump(exclude_none=True)]
        messages += [{"role": "tool", "tool_call_id": "c", "content": "3 degrees"}]
        second = api.chat.completions.create(
            model="scripted", user="ana", messages=messages, tools=[TOOL]
        )
    assert second.choices[0].message.content == "Bring a coat."
    assert model.chats[1][-1].content == "3 degrees"


def test_the_hosts_system_message_stays_and_goes_first(
    front: Running, endpoint: ModelServer
) -> None:
    front.agent.state_claim_sync("ana", "is a vegetarian")
    front.agent.record_sync("ana", "Dinner on a Monday?", "lentils", options=["lentils", "steak"])
    endpoint.replies = [Reply(told("Lentils.")), Reply(told("Lentils."))]
    rules = "Only talk of food. <persona>host</persona>"
    with client(front) as api:
        for role in ("system", "developer"):
            api.chat.completions.create(
                model="m",
                user="ana",
                messages=[
                    {"role": role, "content": rules},  # type: ignore[list-item, misc]
                    {"role": "user", "content": "Dinner on a Monday?"},
                ],
            )
    for request, role in zip(endpoint.requests, ("system", "developer"), strict=True):
        first, last = request["messages"]
        assert first["role"] == role and first["content"].startswith(rules + "\n\n")
        added = first["content"].removeprefix(rules)
        assert "go before everything below" in added
        assert "is a vegetarian" in added and "lentils" in added
        assert last == {"role": "user", "content": "Dinner on a Monday?"}


def test_memories_stand_oldest_first(front: Running, endpoint: ModelServer) -> None:
    asked = "Which tea this morning?"
    endpoint.replies = [Reply(told("Green."))]
    march = datetime(2026, 3, 1, tzinfo=UTC)
    for day, query in enumerate(("Which bread?", "Which tea, on a morning?", asked)):
        front.agent.record_sync("ana", query, f"answer {day}", at=march + timedelta(days=day))
    with client(front) as api:
        api.chat.completions.create(
            model="m", user="ana", messages=[{"role": "user", "content": asked}]
        )
    system = endpoint.requests[-1]["messages"][0]["content"]
    places = [system.find(f"answer {day}") for day in range(3)]
    assert -1 not in places and places == sorted(places)


def test_content_parts_are_kept_and_read(front: Running, endpoint: ModelServer) -> None:
    endpoint.replies = [Reply(told("A cat."))]
    parts: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    with client(front) as api:
        api.chat.completions.create(
            model="m",
            user="ana",
            messages=[
                {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
                {"role": "user", "content": parts},
            ],
        )
    system, message = endpoint.requests[0]["messages"]
    assert message["content"] == parts
    assert system["content"][0]["text"] == "Be kind." and len(system["content"]) == 2
    assert front.agent.episodes_sync("ana")[0].query.text == "What is this?"


def test_every_alphabet_and_number_passes_both_ways(front: Running, endpoint: ModelServer) -> None:
    text, seed = "Привіт 😀 \u2028 \x85 \u0000", 2**70
    raw = json.dumps(told(text) | {"created": seed}).replace('"m"', "1e400")
    endpoint.replies = [Reply(raw=raw.encode())]
    message = {"role": "user", "content": text}
    with front.client() as api:
        body = {"model": "m", "user": "ana", "messages": [message], "seed": seed, "top_p": 0.1}
        reply = json.loads(api.post("/v1/chat/completions", json=body).content)
    assert reply["choices"][0]["message"]["content"] == text
    assert reply["created"] == seed and reply["model"] is None  # no JSON has a number that large
    sent = endpoint.requests[0]
    assert sent["messages"][-1] == message and (sent["seed"], sent["top_p"]) == (seed, 0.1)


def test_a_retry_with_its_own_name_is_remembered_once(
    front: Running, endpoint: ModelServer
) -> None:
    endpoint.replies = [Reply(told("One.")), Reply(told("Two.")), Reply(told("Three."))]
    ids = []
    with client(front) as api:
        for key, user in (("a", "ana"), ("a", "ana"), ("a", "ben")):
            reply = api.chat.completions.create(
                model="m",
                user=user,
                messages=[{"role": "user", "content": "Hello"}],
                extra_headers={"Idempotency-Key": key},
            )
            ids.append((reply.model_extra or {})["persona"]["episode_id"])
    assert ids[0] == ids[1] != ids[2]
    assert [e.response for e in front.agent.episodes_sync("ana")] == ["One."]


def test_another_request_under_the_same_key_is_another_turn(offline: Running) -> None:
    key = {"Idempotency-Key": "a"}
    with offline.client() as api:
        for text in ("I like tea", "I like tea", "I like jazz"):
            answer = api.post("/v1/chat/completions", json=asked(text), headers=key).json()
            [told] = [e for e in offline.agent.episodes_sync("ana") if e.query.text == text]
            assert answer["persona"]["episode_id"] == told.id  # what is acknowledged is stored


@pytest.mark.slow
def test_any_model_through_litellm(start: Start, endpoint: ModelServer) -> None:
    running = start(
        model="openai/m", api_base=endpoint.base, api_key="sk-upstream", max_cost_usd=5.0
    )
    whole = [piece({"role": "assistant", "content": "Hi "}), piece({"content": "Ana"})]
    endpoint.replies = [
        Reply(told("Hi.")),
        Reply(events=[*whole, piece({}, "stop"), piece(None)]),
        Reply(told(None, tool_calls=[CALL])),
        Reply({"error": {"message": "slow down"}}, 429),
        Reply(events=whole, cut=True),
    ]
    question: Any = [{"role": "user", "content": "Hello"}]
    with client(running) as api:
        reply = api.chat.completions.create(model="m", user="ana", messages=question)
        assert reply.choices[0].message.content == "Hi."
        stream = api.chat.completions.create(model="m", user="ana", messages=question, stream=True)
        chunks = list(stream)
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Hi Ana"
        called = api.chat.completions.create(model="m", user="ana", messages=question, tools=[TOOL])
        assert called.choices[0].message.tool_calls is not None
        assert endpoint.requests[2]["tools"] == [TOOL]
        with pytest.raises(openai.RateLimitError):
            api.chat.completions.create(model="m", user="ana", messages=question)
        with pytest.raises(openai.APIError):
            list(api.chat.completions.create(
                model="m", user="ana", messages=question, stream=True
            ))  # fmt: skip
        stolen = {"api_base": "http://127.0.0.1:9", "mock_response": "stolen"}
        endpoint.replies = [Reply(told("Still mine."))]
        kept = api.chat.completions.create(
            model="m", user="ana", messages=question, extra_body=stolen
        )
        assert kept.choices[0].message.content == "Still mine."
        link: Any = [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x"}}]
        with pytest.raises(openai.BadRequestError):
            api.chat.completions.create(
                model="m", user="ana", messages=[{"role": "user", "content": link}]
            )
    assert len(running.agent.episodes_sync("ana")) == 3


def test_a_retry_beside_the_first_one_asks_the_model_once(
    front: Running, endpoint: ModelServer
) -> None:
    wait = threading.Event()
    endpoint.replies = [Reply(told("One."), wait=wait), Reply(told("Two."), wait=wait)]
    question: Any = [{"role": "user", "content": "Hello"}]

    def ask() -> tuple[Any, Any]:
        with client(front) as api:
            reply = api.chat.completions.create(
                model="m", user="ana", messages=question, extra_headers={"Idempotency-Key": "a"}
            )
        return reply.choices[0].message.content, (reply.model_extra or {})["persona"]

    with ThreadPoolExecutor() as pool:
        both = [pool.submit(ask) for _ in range(2)]
        time.sleep(0.5)
        wait.set()
        (one, first), (two, second) = (each.result() for each in both)
    assert one == two == "One." and first == second
    assert len(endpoint.requests) == 1
    assert [e.response for e in front.agent.episodes_sync("ana")] == ["One."]


def test_a_stream_beside_the_same_stream_is_refused_and_asked_for_again(
    front: Running, endpoint: ModelServer
) -> None:
    wait = threading.Event()
    whole = [piece({"role": "assistant", "content": "Hi"}), piece({}, "stop"), piece(None)]
    endpoint.replies = [Reply(events=whole, wait=wait)]
    body = asked("Hello", stream=True) | {"model": "m"}
    key = {"Idempotency-Key": "a"}

    def ask() -> str:
        with front.client() as api:
            return api.post("/v1/chat/completions", json=body, headers=key).text

    with ThreadPoolExecutor() as pool, front.client() as api:
        first = pool.submit(ask)
        time.sleep(0.5)
        refused = api.post("/v1/chat/completions", json=body, headers=key)
        assert refused.status_code == 409 and refused.headers["retry-after"] == "1"
        wait.set()
        assert "[DONE]" in first.result()
    assert len(endpoint.requests) == 1
