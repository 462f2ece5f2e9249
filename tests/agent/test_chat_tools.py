"""Tools in a turn of the chat."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from persona_agent.agent.chat import Chat
from persona_agent.errors import InputError, ModelAnswerError
from persona_agent.memory import Memory
from persona_agent.protocols import ChatReply, Tool
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel
from tests.agent.chats import call, recall_nothing, record


async def test_tools_run_and_the_model_sees_their_results(
    memory: Memory, settings: Settings
) -> None:
    record(memory, "ana", "where to sit on a train", "by the window")
    recall_nothing(memory, "ana")  # else the prompt shows what there is
    model = ScriptedModel(
        chat=[call("search_memory", query="train seat"), call("lookup_facts", topic="x"), "Window."]
    )
    turn = await Chat(memory, model, settings).turn("ana", "Seat?", thread="t")
    assert turn.text == "Window."
    assert turn.tool_calls == ("search_memory", "lookup_facts")
    assert turn.usage.calls == 3
    asked, result = model.chats[1][-2:]
    assert asked.tool_calls[0].name == "search_memory"
    assert result.role == "tool"
    assert result.tool_call_id == "id-search_memory"
    assert "where to sit on a train -> by the window" in result.content


async def test_a_search_gives_other_memories_than_the_prompt(
    memory: Memory, settings: Settings
) -> None:
    for number in range(12):
        record(memory, "ana", f"a train ride {number}", f"seat {number}")
    model = ScriptedModel(chat=[call("search_memory", query="a train ride", limit=20), "Window."])
    turn = await Chat(memory, model, settings).turn("ana", "a train ride", thread="t")
    result = model.chats[1][-1].content
    prompted = {one.episode.outcome for one in turn.recalled}
    found = {f"seat {number}" for number in range(12) if f"-> seat {number}\n" in result}
    assert prompted and found == {f"seat {number}" for number in range(12)} - prompted
    assert f"(not repeated: {len(prompted)} that you see above)" in result


@pytest.mark.parametrize("keeps", [True, False])
async def test_searched_memories_hold_own_answers_of_the_thread_but_no_message_twice(
    memory: Memory, settings: Settings, keeps: bool
) -> None:
    def answer(messages: Any, tools: Any) -> ChatReply | str:
        if messages[-1].content == "search":
            return call("search_memory", query="a name for my boat", limit=20)
        return f"Answer to {messages[-1].content}" if messages[-1].role == "user" else "done"

    model = ScriptedModel(chat=answer)
    recall_nothing(memory, "ana")
    chat = Chat(memory, model, settings.model_copy(update={"commitment": keeps}))
    for text in ("a name for my boat", *(f"remark {number}" for number in range(10)), "search"):
        await chat.turn("ana", text, thread="t")
    found = model.chats[-1][-1].content
    assert "a name for my boat" in found and "remark" not in found
    assert ("you answered: Answer to a name for my boat" in found) == keeps


async def test_a_wrong_tool_call_comes_back_as_text(memory: Memory, settings: Settings) -> None:
    model = ScriptedModel(
        chat=[call("format_disk"), call("search_memory", limit=3), "Sorry, I cannot."]
    )
    turn = await Chat(memory, model, settings).turn("ana", "Do it", thread="t")
    assert turn.text == "Sorry, I cannot."
    assert "there is no tool 'format_disk'" in model.chats[1][-1].content
    assert "the arguments of search_memory are wrong: query" in model.chats[2][-1].content


async def test_a_host_adds_a_tool_that_knows_the_user(memory: Memory, settings: Settings) -> None:
    async def weather(request: Any) -> str:
        return f"{request.arguments['city']}: rain, {request.user_id}, {request.persona.user_id}"

    chat = Chat(
        memory, model := ScriptedModel(chat=[call("weather", city="Oslo"), "wet"]), settings
    )
    tool = Tool(name="weather", description="Weather.", parameters={"type": "object"})
    chat.add_tool(tool, weather)
    with pytest.raises(InputError, match="already"):
        chat.add_tool(tool, weather)
    await chat.turn("ana", "Umbrella?", thread="t")
    assert "Oslo: rain, ana, ana" in model.chats[1][-1].content


async def test_a_model_that_goes_on_calling_tools_is_stopped(
    memory: Memory, settings: Settings
) -> None:
    model = ScriptedModel(chat=lambda messages, tools: call("lookup_facts", topic="x"))
    with pytest.raises(ModelAnswerError, match="went on calling tools after 4 rounds"):
        await Chat(memory, model, settings).turn("ana", "Hm", thread="t")
    assert len(model.chats) == 6
    assert "not run: no more tools" in model.chats[-1][-1].content


async def test_tools_can_still_be_declined_into_an_answer(
    memory: Memory, settings: Settings
) -> None:
    model = ScriptedModel(chat=[*[call("lookup_facts", topic="x")] * 5, "then so"])
    turn = await Chat(memory, model, settings).turn("ana", "Hm", thread="t")
    assert turn.text == "then so"


async def test_a_plain_function_is_a_tool_and_holds_up_nobody(
    memory: Memory, settings: Settings
) -> None:
    others_run, loop = threading.Event(), asyncio.get_running_loop()

    def weather(request: Any) -> str:
        loop.call_soon_threadsafe(others_run.set)
        return f"rain: {others_run.wait(10)}"

    class Clock:
        async def __call__(self, request: Any) -> str:
            return "noon"

    model = ScriptedModel(
        chat=[call("weather"), call("later"), call("clock"), call("broken"), "wet"]
    )
    chat = Chat(memory, model, settings)

    async def rain(request: Any) -> str:
        return "more rain"

    def broken(request: Any) -> str:
        raise ValueError("no such town")

    runs: dict[str, Any] = {
        "weather": weather,
        "later": lambda asked: rain(asked),
        "clock": Clock(),
    }
    for name, run in {**runs, "broken": broken}.items():
        chat.add_tool(Tool(name=name, description=name, parameters={"type": "object"}), run)
    assert (await chat.turn("ana", "Umbrella?", thread="t")).text == "wet"
    results = [sent[-1].content.splitlines()[1] for sent in model.chats[1:]]
    assert results[:3] == ["rain: True", "more rain", "noon"] and "no such town" in results[3]
