"""The fakes: scripts run out loudly, and recordings replay through the live parsing path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from persona_agent.errors import (
    BudgetExceededError,
    InputError,
    ModelAnswerError,
    ModelCallError,
    UnseenRequestError,
)
from persona_agent.llm.accounting import limit
from persona_agent.llm.answers import Reply, repair_messages
from persona_agent.llm.wire import wire_message
from persona_agent.prompts import DECIDE, PROFILE, DecideInputs, DecideOutput, ProfileInputs
from persona_agent.protocols import ChatMessage, ChatReply, LanguageModel, Tool, ToolCall
from persona_agent.schema import Query
from persona_agent.testing.models import RecordingModel, ReplayModel, ScriptedModel

INPUTS = DecideInputs(query=Query(text="which?", options=("a", "b")))
USER = [ChatMessage(role="user", content="hi")]
SEARCH = Tool(name="search", description="", parameters={"type": "object", "properties": {}})
CALL = ChatReply(tool_calls=(ToolCall(id="c1", name="search", arguments={"q": "x"}),))


async def test_scripts_give_outputs_fields_text_functions_and_errors() -> None:
    async def later(inputs: DecideInputs) -> DecideOutput:
        return DecideOutput(choice=len(inputs.query.options))

    script: list[Any] = [
        DecideOutput(choice=1),
        {"choice": 2},
        'so: {"choice": 1}',
        later,
        ModelCallError("x"),
    ]
    model: LanguageModel = ScriptedModel({"decide": script})
    with model.account(user_id="u", purpose="p"):
        assert [(await model.ask(DECIDE, INPUTS)).choice for _ in range(4)] == [1, 2, 1, 2]
        with pytest.raises(ModelCallError):
            await model.ask(DECIDE, INPUTS)
        with pytest.raises(UnseenRequestError, match="no more answers"):
            await model.ask(DECIDE, INPUTS)
    with pytest.raises(UnseenRequestError, match=r"'profile', only for \['decide'\]"):
        await model.ask(PROFILE, ProfileInputs(cases=()))
    assert len(script) == 5
    assert model.usage(user_id="u", purpose="p").calls == 6
    assert model.usage(user_id="u").prompt_tokens > 0


async def test_scripted_answers_are_validated_and_accounted() -> None:
    model = ScriptedModel({"decide": lambda inputs: {"choice": 3}})
    with pytest.raises(ModelAnswerError, match="choice 3"):
        await model.ask(DECIDE, INPUTS)
    with limit(max_calls=0), pytest.raises(BudgetExceededError):
        await model.ask(DECIDE, INPUTS)
    assert [name for name, _ in model.requests] == ["decide", "decide"]


async def test_scripted_chat_and_stream() -> None:
    def count(messages: list[ChatMessage], tools: object) -> str:
        return f"{len(messages)}"

    model = ScriptedModel(chat=[CALL, "two words", count])
    assert await model.chat(USER, tools=[SEARCH]) == CALL
    assert [piece async for piece in model.stream(USER)] == [
        "two ",
        "words",
        ChatReply(content="two words"),
    ]
    assert (await model.chat(USER)).content == "1"
    assert model.chats == [tuple(USER)] * 3
    with pytest.raises(UnseenRequestError):
        await model.chat(USER)


async def test_what_was_recorded_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "transcript.jsonl"
    reason = "ü\u2028\x85"  # to some readers of lines, these end one
    inner = ScriptedModel({"decide": {"choice": 2, "reason": reason}}, chat=[CALL, "hello there"])
    recorder: LanguageModel = RecordingModel(inner, path)
    with recorder.account(user_id="u", purpose="p"):
        decided = await recorder.ask(DECIDE, INPUTS)
    called = await recorder.chat(USER, tools=[SEARCH])
    streamed = [piece async for piece in recorder.stream(USER)]
    assert recorder.usage(user_id="u").calls == 1
    assert (recorder.name, recorder.deterministic) == ("scripted", True)
    await recorder.aclose()
    lines = path.read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    assert [row["prompt"] for row in rows] == ["decide", "chat", "chat"]

    replay: LanguageModel = ReplayModel(path)
    assert await replay.ask(DECIDE, INPUTS) == decided
    assert await replay.chat(USER, tools=[SEARCH]) == called
    assert [piece async for piece in replay.stream(USER)] == streamed
    assert replay.usage().calls == 3


async def test_an_unseen_request_names_the_prompt_and_the_first_difference(tmp_path: Path) -> None:
    path = tmp_path / "transcript.jsonl"
    recorder = RecordingModel(ScriptedModel({"decide": {"choice": 1}}, chat="hello"), path)
    await recorder.ask(DECIDE, INPUTS)
    await recorder.chat(USER)
    replay = ReplayModel(path)
    other = DecideInputs(query=Query(text="whose?", options=("a", "b")))
    with pytest.raises(UnseenRequestError) as caught:
        await replay.ask(DECIDE, other)
    text = str(caught.value)
    assert "prompt 'decide'" in text and "message 2 (user) differs at character" in text
    assert "asked 'ose?" in text and "recorded 'ich?" in text
    with pytest.raises(UnseenRequestError, match="it has 2 messages, not 1"):
        await replay.chat([*USER, *USER])
    with pytest.raises(UnseenRequestError, match=r"the tools \('search',\), not \(\)"):
        await replay.chat(USER, tools=[SEARCH])
    with pytest.raises(UnseenRequestError, match="from 'system', not 'user'"):
        await replay.chat([ChatMessage(role="system", content="hi")])


async def test_answers_written_by_hand_run_through_check_and_repair(tmp_path: Path) -> None:
    messages = DECIDE.render(INPUTS)
    broken = Reply(text="The second.")
    problem = f"prompt 'decide': there is no JSON object in it: {broken.text!r}"
    again = repair_messages(messages, broken, problem, DecideOutput)
    rows = [
        row([wire_message(message) for message in messages], {"content": "to be corrected"}),
        row([wire_message(message) for message in messages], {"content": broken.text}),
        row([wire_message(message) for message in again], {"content": '```\n{"choice": 2}\n```'}),
        row(
            [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
            {"tool_calls": [{"name": "search", "arguments": {"q": "x"}}]},
            tools=[{"type": "function", "function": {"name": "search", "parameters": {}}}],
        ),
    ]
    path = tmp_path / "transcript.jsonl"
    path.write_text("\n\n".join(map(json.dumps, rows)), encoding="utf-8")
    replay = ReplayModel(path)
    assert (await replay.ask(DECIDE, INPUTS)).choice == 2
    assert replay.usage().calls == 2
    reply = await replay.chat(USER, tools=[SEARCH])
    assert reply.tool_calls[0].arguments == {"q": "x"}


def row(messages: list[object], reply: dict[str, object], **more: object) -> dict[str, object]:
    request = {"model": "desk", "messages": messages, "response_format": {"type": "x"}, **more}
    return {"fingerprint": "f", "id": "000001", "request": request, "reply": reply}


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"request": {"messages": 3}, "reply": {}}'])
def test_a_bad_transcript_names_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 2"):
        ReplayModel(path)
    with pytest.raises(InputError, match="cannot be read"):
        ReplayModel(tmp_path / "absent.jsonl")
