"""The relay to a language model of this library: the offline one, a fake, or a host's own."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncGenerator
from typing import Any

from persona_agent.errors import InputError
from persona_agent.llm.accounting import Ledger, limit
from persona_agent.llm.relay import Body, Gathered
from persona_agent.llm.wire import content_text
from persona_agent.protocols import ChatMessage, ChatReply, LanguageModel, Tool, ToolCall
from persona_agent.schema import new_id
from persona_agent.settings import OFFLINE

_SECTION = re.compile(r"<(persona|memories)>\n(.*?)\n</\1>", re.DOTALL)


class ModelRelay:
    """Translates between OpenAI's JSON and :class:`LanguageModel`, which knows text and tools."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    async def warm(self) -> None:
        """Nothing is needed."""

    async def complete(self, body: Body) -> Body:
        """Return the model's reply as a response. Raises ModelError, InputError."""
        with limit() as spent:
            reply = await self._model.chat(self._messages(body), tools=_tools(body))
        message: Body = {"role": "assistant", "content": reply.content or None}
        if reply.tool_calls:
            message["tool_calls"] = [_call(call) for call in reply.tool_calls]
        choice = {"index": 0, "message": message, "finish_reason": _reason(reply)}
        usage = _usage(spent)
        return self._frame("chat.completion") | {"choices": [choice], "usage": usage}

    async def stream(self, body: Body, gathered: Gathered) -> AsyncGenerator[Body, None]:
        """Yield the model's pieces as chunks. Raises ModelError, InputError."""
        frame, reply = self._frame("chat.completion.chunk"), ChatReply()

        def chunk(delta: Body, reason: str | None = None) -> Body:
            made = frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
            gathered.add(made)
            return made

        with limit() as spent:
            role = {"role": "assistant"}
            async for piece in self._model.stream(self._messages(body), tools=_tools(body)):
                if isinstance(piece, ChatReply):
                    reply = piece
                elif piece:
                    yield chunk(role | {"content": piece})
                    role = {}
        for number, call in enumerate(reply.tool_calls):
            yield chunk(role | {"tool_calls": [{"index": number} | _call(call)]})
            role = {}
        yield chunk({}, _reason(reply))
        gathered.usage = _usage(spent)
        yield frame | {"choices": [], "usage": gathered.usage}

    async def aclose(self) -> None:
        """The model belongs to the agent, which closes it."""

    def _frame(self, kind: str) -> Body:
        name = self._model.name
        return {
            "id": f"chatcmpl-{new_id()}",
            "object": kind,
            "created": int(time.time()),
            "model": name,
        }

    def _messages(self, body: Body) -> list[ChatMessage]:
        messages = [_message(message) for message in body["messages"]]
        if self._model.name != OFFLINE:
            return messages
        # The offline model repeats what stands in its system message: that is to be what is
        # known of the user, and not the rules of the host.
        return [
            message.model_copy(update={"content": _known(message.content)})
            if message.role == "system"
            else message
            for message in messages
        ]


def _known(text: str) -> str:
    return "\n".join(found[2] for found in _SECTION.finditer(text))


def _message(message: Body) -> ChatMessage:
    role = str(message.get("role"))
    calls = message.get("tool_calls")
    call_id = message.get("tool_call_id")
    return ChatMessage(
        role="system" if role == "developer" else role,
        content=content_text(message.get("content")),
        tool_calls=tuple(_asked(call) for call in calls) if isinstance(calls, list) else (),
        tool_call_id=call_id if isinstance(call_id, str) else None,
    )


def _asked(call: Any) -> ToolCall:
    function = call.get("function") if isinstance(call, dict) else None
    try:
        arguments = json.loads(function["arguments"] or "{}")  # type: ignore[index]
        if not isinstance(arguments, dict):
            raise ValueError("not an object")
        return ToolCall(id=str(call["id"]), name=str(function["name"]), arguments=arguments)  # type: ignore[index]
    except (TypeError, KeyError, ValueError, RecursionError):
        raise InputError("a tool call among the messages is damaged") from None


def _tools(body: Body) -> tuple[Tool, ...]:
    found = []
    for tool in body.get("tools") or ():
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise InputError("tools must be functions with a name")
        parameters = function.get("parameters")
        found.append(
            Tool(
                name=function["name"],
                description=str(function.get("description") or ""),
                parameters=parameters if isinstance(parameters, dict) else {},
            )
        )
    return tuple(found)


def _call(call: ToolCall) -> Body:
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def _reason(reply: ChatReply) -> str:
    return "tool_calls" if reply.tool_calls else "stop"


def _usage(spent: Ledger) -> Body:
    used = spent.used
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "total_tokens": used.prompt_tokens + used.completion_tokens,
    }
