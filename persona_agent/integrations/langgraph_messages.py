"""LangChain's messages as the proxy knows them, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    SystemMessage,
    convert_to_messages,
)

from persona_agent.agent.proxy import Message, ProxyTurn

_ROLES = {"human": "user", "ai": "assistant"}


def as_messages(value: Any) -> list[AnyMessage]:
    """Return messages from whatever form a state holds them in."""
    given = value if isinstance(value, list | tuple) else [value]
    return cast(list[AnyMessage], convert_to_messages(given))


def for_proxy(messages: Sequence[BaseMessage]) -> list[Message]:
    """Return role and content of each message in OpenAI's form."""
    return [{"role": _role(one), "content": _content(one)} for one in messages]


def with_section(messages: Sequence[AnyMessage], turn: ProxyTurn) -> list[AnyMessage]:
    """Return the messages with the system message of a turn; all others stay the same objects."""
    if len(turn.messages) > len(messages):
        return [SystemMessage(turn.messages[0]["content"], id=turn.episode_id), *messages]
    changed = [_content(one) for one in messages]
    return [
        one
        if told["content"] == content
        else one.model_copy(update={"content": told["content"], "id": turn.episode_id})
        for one, content, told in zip(messages, changed, turn.messages, strict=True)
    ]


def answer_in(messages: Sequence[BaseMessage]) -> str:
    """Return the text of the last message where it is an answer; "" where it calls a tool."""
    last = messages[-1] if messages else None
    if not isinstance(last, AIMessage) or last.tool_calls:
        return ""
    return str(last.text)


def _role(message: BaseMessage) -> str:
    kind = str(getattr(message, "role", message.type))
    return _ROLES.get(kind, kind)


def _content(message: BaseMessage) -> Any:
    if isinstance(message.content, str):
        return message.content
    return [
        {"type": "text", "text": part} if isinstance(part, str) else part
        for part in message.content
    ]
