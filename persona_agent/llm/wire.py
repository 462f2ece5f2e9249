"""OpenAI's wire format: messages and tools on the way out, replies and streams on the way in."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from persona_agent.errors import ModelAnswerError, ModelRefusalError
from persona_agent.llm.answers import RawCall, Reply, excerpt
from persona_agent.protocols import ChatMessage, ChatReply, Tool, ToolCall

# What strict structured output understands everywhere. Lengths, ranges and defaults are left out:
# some providers reject them, and every answer is validated against the full model anyway.
_STRICT_KEYWORDS = frozenset(
    ["$defs", "$ref", "anyOf", "const", "description", "enum", "items", "properties", "type"]
)
_CALLS_AS_TEXT = tuple(fence + '{"tool_calls"' for fence in ("", "```", "```json"))
_FENCE = re.compile(r"^```\w*\n|\n```$")


def wire_message(message: ChatMessage) -> dict[str, Any]:
    """Return one message as it is sent."""
    sent: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        sent["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        sent["tool_call_id"] = message.tool_call_id
    return sent


def content_text(content: Any) -> str:
    """Return the text of a message's content; parts of other kinds are left out."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


def wire_tool(tool: Tool) -> dict[str, Any]:
    """Return one tool as it is sent."""
    return {"type": "function", "function": tool.model_dump()}


def response_format(output: type[BaseModel]) -> dict[str, Any]:
    """Return the request for structured output that follows a model's schema."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", output.__name__)[:64]
    schema = output.model_json_schema()
    strict = not _has_open_objects(schema)
    return {
        "type": "json_schema",
        "json_schema": {
            "name": name,
            "schema": strict_schema(schema) if strict else schema,
            "strict": strict,
        },
    }


def strict_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON schema in the strict subset: closed objects, every property required."""
    if "$ref" in schema:  # strict mode allows nothing beside a reference
        return {"$ref": schema["$ref"]}
    strict: dict[str, Any] = {}
    for keyword in sorted(_STRICT_KEYWORDS & schema.keys()):
        value = schema[keyword]
        if keyword in ("properties", "$defs"):
            strict[keyword] = {name: strict_schema(part) for name, part in value.items()}
        elif keyword == "items":
            strict[keyword] = strict_schema(value)
        elif keyword == "anyOf":
            strict[keyword] = [strict_schema(part) for part in value]
        else:
            strict[keyword] = value
    if schema.get("type") == "object":
        strict.setdefault("properties", {})
        strict |= {"required": list(strict["properties"]), "additionalProperties": False}
    return strict


def _has_open_objects(schema: Any) -> bool:
    """Tell whether keys of some object are left to the model, which strict mode does not allow."""
    if isinstance(schema, list):
        return any(map(_has_open_objects, schema))
    if not isinstance(schema, dict):
        return False
    return bool(schema.get("additionalProperties")) or any(map(_has_open_objects, schema.values()))


def read_response(response: Any) -> Reply:
    """Return what a complete response holds; one without any choice is an empty reply."""
    if not response.choices:
        return Reply()
    choice = response.choices[0]
    calls = [
        RawCall(
            id=call.id or "", name=call.function.name or "", arguments=call.function.arguments or ""
        )
        for call in choice.message.tool_calls or ()
    ]
    extra = getattr(choice.message, "provider_specific_fields", None) or {}
    return Reply(
        text=choice.message.content or "",
        calls=tuple(calls),
        finish_reason=choice.finish_reason,
        refusal=getattr(choice.message, "refusal", None) or extra.get("refusal") or "",
    )


def chat_reply(reply: Reply, tools: Sequence[Tool]) -> ChatReply:
    """Return the chat reply with its tool calls parsed.

    Raises:
        ModelRefusalError: a filter stopped the answer, or the model declined.
        ModelAnswerError: it is empty, holds nothing but tool calls written as text, calls a tool
            that was not offered, or with broken arguments.
    """
    if reply.finish_reason == "content_filter" or (reply.refusal and not reply.text):
        raise ModelRefusalError(
            f"the model declined to answer: {excerpt(reply.refusal or 'stopped by a filter')!r}"
        )
    offered = {tool.name for tool in tools}
    calls = tuple(_tool_call(call, offered, number) for number, call in enumerate(reply.calls))
    if not calls and not reply.text.strip():
        raise ModelAnswerError("the answer was empty")
    if not calls and _only_calls_as_text(reply.text):
        raise ModelAnswerError("it holds nothing but tool calls, written as text and not called")
    return ChatReply(content=reply.text, tool_calls=calls)


def may_be_calls_as_text(text: str) -> bool:
    """Tell whether a text, as far as it has come, may turn out to be tool calls and no answer."""
    bare = "".join(text.split())
    return any(one.startswith(bare) or bare.startswith(one) for one in _CALLS_AS_TEXT)


def _only_calls_as_text(text: str) -> bool:
    """Tell whether a text is one object of tool calls, fenced or not, which is no answer."""
    bare = _FENCE.sub("", text.strip()).strip()
    if not bare.startswith("{"):
        return False
    try:
        found = json.loads(bare, strict=False)
    except (ValueError, RecursionError):
        return False
    return found.keys() == {"tool_calls"} and isinstance(found["tool_calls"], list)


def _tool_call(call: RawCall, offered: set[str], number: int) -> ToolCall:
    if call.name not in offered:
        raise ModelAnswerError(f"it calls {call.name!r}, which is not one of {sorted(offered)}")
    try:
        arguments = json.loads(call.arguments or "{}", strict=False)
    except (ValueError, RecursionError) as error:
        raise ModelAnswerError(f"the arguments of {call.name!r} are not JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise ModelAnswerError(f"the arguments of {call.name!r} are not a JSON object")
    return ToolCall(id=call.id or f"call_{number}", name=call.name, arguments=arguments)


class StreamedReply:
    """A reply that is put together from the chunks of a stream."""

    def __init__(self) -> None:
        self.text = ""
        self.finish_reason: str | None = None
        self.usage: Any = None
        self._calls: dict[int, RawCall] = {}

    def add(self, chunk: Any) -> str:
        """Take in a chunk; return the text that it adds."""
        self.usage = getattr(chunk, "usage", None) or self.usage
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        self.finish_reason = choice.finish_reason or self.finish_reason
        for delta in choice.delta.tool_calls or ():
            old = self._calls.get(delta.index, RawCall())
            self._calls[delta.index] = RawCall(
                id=old.id or delta.id or "",
                name=old.name or delta.function.name or "",
                arguments=old.arguments + (delta.function.arguments or ""),
            )
        piece: str = choice.delta.content or ""
        self.text += piece
        return piece

    @property
    def empty(self) -> bool:
        """Whether nothing has come yet."""
        return not self.text and not self._calls

    def reply(self) -> Reply:
        """Return what came so far."""
        calls = tuple(call for _, call in sorted(self._calls.items()))
        return Reply(text=self.text, calls=calls, finish_reason=self.finish_reason)
