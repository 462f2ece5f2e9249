"""Chat, tools and streams through LiteLLM against a loopback endpoint."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from persona_agent.errors import ModelAnswerError, ModelCallError
from persona_agent.llm.litellm_model import LiteLLMModel
from persona_agent.protocols import ChatMessage, ChatReply
from persona_agent.settings import Settings
from tests.llm.endpoint import KEY, SEARCH, USER, Endpoint, Maker, calling, failing, streaming, text

pytestmark = pytest.mark.slow  # importing LiteLLM takes seconds


async def test_a_tool_call_comes_parsed(make: Maker, endpoint: Endpoint) -> None:
    model = make(text(None, "tool_calls", **calling('{"q": "x"}')))
    reply = await model.chat(USER, tools=[SEARCH])
    assert [(call.id, call.name, call.arguments) for call in reply.tool_calls] == [
        ("c1", "search", {"q": "x"})
    ]
    assert endpoint.bodies[0]["tools"][0]["function"] == SEARCH.model_dump()
    turn = ChatMessage(role="assistant", tool_calls=reply.tool_calls)
    result = ChatMessage(role="tool", content="found", tool_call_id="c1")
    model = make(text("It is x."))
    assert (await model.chat([*USER, turn, result], tools=[SEARCH])).content == "It is x."


async def test_broken_tool_arguments_are_repaired_once(make: Maker) -> None:
    broken = text(None, "tool_calls", **calling('{"q": '))
    model = make(broken, text(None, "tool_calls", **calling('{"q": "y"}')))
    reply = await model.chat(USER, tools=[SEARCH])
    assert reply.tool_calls[0].arguments == {"q": "y"}
    model = make(broken)
    with pytest.raises(ModelAnswerError, match="'search' are not JSON"):
        await model.chat(USER, tools=[SEARCH])
    assert model.usage().calls == 2


async def test_a_stream_yields_pieces_and_then_the_reply(make: Maker) -> None:
    model = make(
        streaming({"role": "assistant", "content": ""}, {"content": "he"}, {"content": "y"})
    )
    pieces = [piece async for piece in model.stream(USER)]
    assert pieces == ["he", "y", ChatReply(content="hey")]
    used = model.usage()
    assert (used.calls, used.prompt_tokens, used.completion_tokens) == (1, 11, 3)


async def test_a_streamed_tool_call_is_put_together(make: Maker) -> None:
    first = {"index": 0, **calling('{"q"')["tool_calls"][0]}
    rest = {"index": 0, "function": {"arguments": ': "x"}'}}
    model = make(streaming({"tool_calls": [first]}, {"tool_calls": [rest]}, end="tool_calls"))
    (reply,) = [piece async for piece in model.stream(USER, tools=[SEARCH])]
    assert isinstance(reply, ChatReply)
    assert reply.tool_calls[0].arguments == {"q": "x"}


async def test_a_cut_stream_is_an_error(make: Maker) -> None:
    model = make(streaming({"content": "half an "}, {"content": "ans"}, end=None))
    pieces: list[str | ChatReply] = []
    with pytest.raises(ModelCallError, match="before the reply was complete"):
        async for piece in model.stream(USER):
            pieces.append(piece)
    assert pieces == ["half an ", "ans"]
    assert model.usage().calls == 1 and model.usage().completion_tokens > 0


async def test_a_stream_that_fails_to_open_is_tried_again(make: Maker) -> None:
    model = make(failing(503), streaming({"content": "hey"}))
    assert [piece async for piece in model.stream(USER)] == ["hey", ChatReply(content="hey")]
    assert model.usage().calls == 2


async def test_broken_arguments_in_a_stream_are_repaired(make: Maker) -> None:
    first = {"index": 0, **calling('{"q"')["tool_calls"][0]}
    model = make(
        streaming({"tool_calls": [first]}, end="tool_calls"),
        text(None, "tool_calls", **calling('{"q": "y"}')),
    )
    (reply,) = [piece async for piece in model.stream(USER, tools=[SEARCH])]
    assert isinstance(reply, ChatReply) and reply.tool_calls[0].arguments == {"q": "y"}


async def test_an_abandoned_stream_gives_its_slot_back(make: Maker) -> None:
    model = make(streaming({"content": "a"}, {"content": "b"}), concurrency=1)
    stream = model.stream(USER)
    assert await anext(stream) == "a"
    await stream.aclose()  # type: ignore[attr-defined]
    model_reply = [piece async for piece in model.stream(USER)][-1]
    assert model_reply == ChatReply(content="ab")
    assert model.usage().calls == 2


async def test_one_model_can_be_closed_while_another_goes_on(make: Maker) -> None:
    first, second = make(text("one")), make(text("two"))
    await first.chat(USER)
    await second.chat(USER)
    await first.aclose()
    assert (await second.chat(USER)).content == "two"
    await second.aclose()
    assert (await second.chat(USER)).content == "two"


def test_a_model_outlives_an_event_loop(endpoint: Endpoint) -> None:
    endpoint.steps = [text("hey")]
    base = f"http://127.0.0.1:{endpoint.server_address[1]}/v1"
    settings = Settings.load(model="openai/desk", api_base=base, api_key=SecretStr(KEY))
    model = LiteLLMModel(settings)

    async def chat() -> str:
        replies = await asyncio.gather(*(model.chat(USER) for _ in range(3)))
        await model.aclose()
        return replies[0].content

    assert [asyncio.run(chat()), asyncio.run(chat())] == ["hey", "hey"]
