"""A streamed turn of the chat, and answers that cannot be used."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.agent.chat import Chat, ChatTurn
from persona_agent.errors import ModelAnswerError, ModelCallError, ModelRefusalError
from persona_agent.llm.answers import Reply
from persona_agent.llm.wire import chat_reply
from persona_agent.memory import Memory, open_memory
from persona_agent.protocols import ChatReply
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel
from tests.agent.chats import call, contents


async def collect(chat: Chat, text: str) -> tuple[list[str], ChatTurn]:
    pieces = [piece async for piece in chat.stream("ana", text, thread="t")]
    assert isinstance(pieces[-1], ChatTurn)
    assert all(isinstance(piece, str) for piece in pieces[:-1])
    return [str(piece) for piece in pieces[:-1]], pieces[-1]


async def test_streaming_gives_the_pieces_and_then_the_same_turn(
    memory: Memory, settings: Settings
) -> None:
    script: list[ChatReply | str | Exception] = [
        call("lookup_facts", topic="x"),
        "Three short words.",
    ]
    pieces, streamed = await collect(Chat(memory, ScriptedModel(chat=script), settings), "Hm")
    assert pieces == ["Three ", "short ", "words."]
    other = Chat(memory, ScriptedModel(chat=script), settings)
    whole = await other.turn("ana", "Hm", thread="other")
    assert streamed.text == whole.text
    assert streamed.tool_calls == whole.tool_calls
    assert streamed.usage.calls == whole.usage.calls


async def test_text_beside_a_tool_call_is_streamed_but_no_part_of_the_answer(
    memory: Memory, settings: Settings
) -> None:
    first = call("lookup_facts", topic="x").model_copy(update={"content": "One moment."})
    pieces, turn = await collect(Chat(memory, ScriptedModel(chat=[first, "Yes."]), settings), "Hm")
    assert "".join(pieces) == "One moment.\n\nYes."
    assert turn.text == "Yes."


@pytest.mark.parametrize("bad", ["", " \n", ModelAnswerError("broken")])
async def test_an_empty_answer_is_tried_once_more(
    memory: Memory, settings: Settings, bad: str | Exception
) -> None:
    model = ScriptedModel(chat=[bad, "There."])
    turn = await Chat(memory, model, settings).turn("ana", "Hm", thread="t")
    assert turn.text == "There."
    assert turn.usage.calls == 2
    assert "could not be used" in model.chats[1][-1].content


class OnTheWire(ScriptedModel):
    """A scripted model whose replies are read as those of a provider are."""

    async def stream(self, messages: Any, *, tools: Any = ()) -> Any:
        reply = await self.chat(messages, tools=tools)
        for character in reply.content:
            yield character
        yield chat_reply(Reply(text=reply.content), tools)


@pytest.mark.parametrize("fence", ["{}", "```json\n{}\n```"])
async def test_tool_calls_written_as_text_are_never_shown_but_asked_for_again(
    memory: Memory, settings: Settings, fence: str
) -> None:
    bad = fence.format('{"tool_calls": [{"name": "lookup_facts", "arguments": {"topic": "x"}}]}')
    model = OnTheWire(chat=[bad, '{"tool": 1}'])
    pieces, turn = await collect(Chat(memory, model, settings), "Hm")
    assert "".join(pieces) == turn.text == '{"tool": 1}'
    assert "written as text" in model.chats[1][-1].content
    with pytest.raises(ModelAnswerError):
        await collect(Chat(memory, OnTheWire(chat=[bad, bad]), settings), "Hm")


@pytest.mark.parametrize("bad", ["", ModelAnswerError("broken")])
async def test_a_second_empty_answer_is_an_error_and_leaves_nothing(
    memory: Memory, settings: Settings, bad: str | Exception
) -> None:
    model = ScriptedModel(chat=["fine", bad, bad, "ok"])
    chat = Chat(memory, model, settings)
    await chat.turn("ana", "first", thread="t")
    with pytest.raises(ModelAnswerError):
        await chat.turn("ana", "second", thread="t")
    assert len(memory.episodes.timeline("ana")) == 1
    await chat.turn("ana", "third", thread="t")
    assert contents(model.chats[-1]) == ["first", "fine", "third"]


@pytest.mark.parametrize("error", [ModelRefusalError("no"), ModelCallError("HTTP 500")])
async def test_a_failed_call_is_an_error_and_not_an_answer(
    memory: Memory, settings: Settings, error: Exception
) -> None:
    model = ScriptedModel(chat=[error])
    chat = Chat(memory, model, settings)
    with pytest.raises(type(error)):
        await chat.turn("ana", "Hm", thread="t")
    assert len(model.chats) == 1
    assert memory.episodes.timeline("ana") == []


async def test_a_cancelled_reader_loses_the_answer_but_not_what_was_said(
    memory: Memory, settings: Settings
) -> None:
    started = asyncio.Event()

    async def answer(messages: Any, tools: Any) -> str:
        if messages[-1].content == "one":
            started.set()
            await asyncio.sleep(60)
        return "ok"

    chat = Chat(memory, ScriptedModel(chat=answer), settings)
    stream = chat.stream("ana", "one", thread="t")
    first = asyncio.ensure_future(anext(stream))
    await started.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await stream.aclose()
    (kept,) = memory.episodes.timeline("ana")
    assert (kept.query.text, kept.response) == ("one", None)
    assert (await asyncio.wait_for(chat.turn("ana", "two", thread="t"), 10)).text == "ok"


class Slow(ScriptedModel):
    """A scripted model whose answers never end."""

    async def stream(self, messages: Any, *, tools: Any = ()) -> Any:
        yield "Three "
        yield "short "
        await asyncio.sleep(60)


@pytest.mark.parametrize("keep_secrets", [True, False])
async def test_closing_a_stream_early_keeps_the_message_and_what_was_sent(
    tmp_path: Path, keep_secrets: bool
) -> None:
    chosen = Settings(data_dir=tmp_path, embedder="hash", keep_secrets=keep_secrets)
    said = "I never eat pork, and my key is sk-abcdefghijklmnopqrstuvwx12345678."
    async with PersonaAgent(open_memory(chosen), Slow(chat="x"), chosen) as agent:
        stream = agent.stream("ana", said, thread="t")
        assert [await anext(stream), await anext(stream)] == ["Three ", "short "]
        await stream.aclose()  # type: ignore[attr-defined]
        (kept,) = agent.memory.episodes.timeline("ana")
        assert kept.query.text.startswith("I never eat pork")
        assert ("sk-abc" in kept.query.text) == keep_secrets
        assert kept.response == "Three short" and kept.metadata == {"thread": "t"}


async def test_closing_a_stream_behind_its_end_changes_nothing(
    memory: Memory, settings: Settings
) -> None:
    chat = Chat(memory, ScriptedModel(chat="Three short words."), settings)
    stream = chat.stream("ana", "Hm", thread="t")
    async for piece in stream:
        if isinstance(piece, ChatTurn):
            await stream.aclose()
    (kept,) = memory.episodes.timeline("ana")
    assert kept.response == "Three short words."


async def test_a_reader_who_leaves_before_the_turn_began_leaves_nothing(
    memory: Memory, settings: Settings
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def answer(messages: Any, tools: Any) -> str:
        begun.set()
        await go_on.wait()
        return "ok"

    chat = Chat(memory, ScriptedModel(chat=answer), settings)
    first = asyncio.ensure_future(chat.turn("ana", "one", thread="t"))
    await begun.wait()
    stream = chat.stream("ana", "two", thread="t")
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    await first
    assert [one.query.text for one in memory.episodes.timeline("ana")] == ["one"]
