"""What goes over the wire, and what comes back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from persona_agent.errors import ModelAnswerError, ModelRefusalError
from persona_agent.llm.answers import RawCall, Reply
from persona_agent.llm.wire import (
    StreamedReply,
    chat_reply,
    read_response,
    response_format,
    wire_message,
)
from persona_agent.prompts import all_prompts
from persona_agent.protocols import ChatMessage, Tool, ToolCall

SEARCH = Tool(name="search", description="", parameters={"type": "object", "properties": {}})


class Open(BaseModel):
    counts: dict[str, int] = {}


def parts(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [part for item in schema for part in parts(item)]
    if not isinstance(schema, dict):
        return []
    return [schema, *(part for value in schema.values() for part in parts(value))]


@pytest.mark.parametrize("prompt", all_prompts(), ids=lambda prompt: prompt.name)
def test_schemas_are_strict(prompt: Any) -> None:
    requested = response_format(prompt.output)["json_schema"]
    assert requested["strict"] is True
    for part in parts(requested["schema"]):
        assert not {"default", "maxLength", "minLength", "minimum", "title"} & part.keys() or (
            "type" not in part  # a property of that name
        )
        if part.get("type") == "object":
            assert part["additionalProperties"] is False
            assert part["required"] == list(part["properties"])
        if "$ref" in part:
            assert len(part) == 1


def test_open_objects_are_not_requested_strictly() -> None:
    requested = response_format(Open)["json_schema"]
    assert requested["strict"] is False
    assert requested["schema"] == Open.model_json_schema()


def test_messages_keep_their_tool_calls() -> None:
    call = ToolCall(id="c1", name="search", arguments={"q": "ü"})
    sent = wire_message(ChatMessage(role="assistant", tool_calls=(call,)))
    assert sent["tool_calls"][0]["function"] == {"name": "search", "arguments": '{"q": "\\u00fc"}'}
    answer = wire_message(ChatMessage(role="tool", content="found", tool_call_id="c1"))
    assert answer == {"role": "tool", "content": "found", "tool_call_id": "c1"}


def test_a_response_without_a_choice_is_an_empty_reply() -> None:
    assert read_response(SimpleNamespace(choices=[])) == Reply()


def test_tool_calls_are_parsed() -> None:
    calls = (RawCall(id="c1", name="search", arguments='{"q": 1}'), RawCall(name="search"))
    parsed = chat_reply(Reply(calls=calls), [SEARCH])
    assert [call.arguments for call in parsed.tool_calls] == [{"q": 1}, {}]
    assert [call.id for call in parsed.tool_calls] == ["c1", "call_1"]


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (Reply(), "empty"),
        (Reply(calls=(RawCall(name="search", arguments="{q"),)), "not JSON"),
        (Reply(calls=(RawCall(name="search", arguments="[1]"),)), "not a JSON object"),
        (Reply(calls=(RawCall(name="shell", arguments="{}"),)), "'shell'"),
        (Reply(text='{"tool_calls": [{"name": "search", "arguments": {}}]}'), "written as text"),
        (Reply(text='```json\n{"tool_calls": []}\n```'), "written as text"),
    ],
)
def test_unusable_chat_replies(reply: Reply, complaint: str) -> None:
    with pytest.raises(ModelAnswerError, match=complaint):
        chat_reply(reply, [SEARCH])


@pytest.mark.parametrize(
    "text",
    ['{"tool_calls": 3}', '{"tool_calls": [], "note": 1}', 'Send {"tool_calls": []}.', "[1]", "{"],
)
def test_what_only_speaks_of_tool_calls_is_an_answer(text: str) -> None:
    assert chat_reply(Reply(text=text), [SEARCH]).content == text


def test_a_filtered_chat_reply_is_a_refusal_but_an_apology_is_an_answer() -> None:
    with pytest.raises(ModelRefusalError):
        chat_reply(Reply(text="half", finish_reason="content_filter"), [])
    assert chat_reply(Reply(text="I'm sorry, I can't come."), []).content.startswith("I'm sorry")


def chunk(content: str | None = None, calls: Any = None, finish: str | None = None) -> Any:
    delta = SimpleNamespace(content=content, tool_calls=calls)
    return SimpleNamespace(choices=[SimpleNamespace(delta=delta, finish_reason=finish)])


def delta(index: int, arguments: str, name: str | None = None, id: str | None = None) -> Any:
    function = SimpleNamespace(name=name, arguments=arguments)
    return SimpleNamespace(index=index, id=id, function=function)


def test_interleaved_tool_calls_of_a_stream_are_put_together() -> None:
    result = StreamedReply()
    assert result.empty
    assert result.add(chunk("he")) + result.add(chunk("llo")) == "hello"
    result.add(chunk(calls=[delta(1, "", "b", "c2"), delta(0, '{"x"', "a", "c1")]))
    result.add(chunk(calls=[delta(0, ": 1}"), delta(1, "{}")], finish="tool_calls"))
    result.add(SimpleNamespace(choices=[], usage="usage"))
    assert result.reply() == Reply(
        text="hello",
        calls=(
            RawCall(id="c1", name="a", arguments='{"x": 1}'),
            RawCall(id="c2", name="b", arguments="{}"),
        ),
        finish_reason="tool_calls",
    )
    assert result.usage == "usage" and not result.empty
