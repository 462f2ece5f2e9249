"""Recorded requests and replies as JSON Lines.

One row is ``{"request": {"messages": [...], "tools": [...]}, "reply": {"content": ...}}`` in
OpenAI's format, and may hold more (the recorder adds the prompt's name). A hand-answered endpoint
that logs its traffic in this form gives a transcript as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from persona_agent.errors import InputError
from persona_agent.llm.answers import RawCall, Reply
from persona_agent.llm.wire import wire_message, wire_tool
from persona_agent.protocols import ChatMessage, Tool
from persona_agent.schema.base import Record


class Line(Record):
    """One message as far as it decides about the answer; ids of tool calls do not."""

    role: str
    content: str
    calls: tuple[tuple[str, str], ...] = ()


class Request(Record):
    """What was asked: the messages and the names of the tools that were offered."""

    lines: tuple[Line, ...]
    tools: tuple[str, ...] = ()

    @classmethod
    def of(cls, messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()) -> Request:
        """Return the request that these messages and tools make."""
        return cls._from_wire([wire_message(m) for m in messages], [wire_tool(t) for t in tools])

    @classmethod
    def _from_wire(cls, messages: Iterable[Any], tools: Iterable[Any]) -> Request:
        return cls(
            lines=tuple(_line(message) for message in messages),
            tools=tuple(sorted(tool["function"]["name"] for tool in tools)),
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the request."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def difference(self, other: Request) -> str:
        """Say in which place this request first differs from another one."""
        for number, (mine, theirs) in enumerate(zip(self.lines, other.lines, strict=False), 1):
            if mine == theirs:
                continue
            if mine.role != theirs.role:
                return f"message {number} is from {mine.role!r}, not {theirs.role!r}"
            if mine.calls != theirs.calls:
                return f"message {number} calls {mine.calls}, not {theirs.calls}"
            at = _shared(mine.content, theirs.content)
            return (
                f"message {number} ({mine.role}) differs at character {at}: "
                f"asked {mine.content[at : at + 60]!r}, recorded {theirs.content[at : at + 60]!r}"
            )
        if len(self.lines) != len(other.lines):
            return f"it has {len(self.lines)} messages, not {len(other.lines)}"
        return f"it offers the tools {self.tools}, not {other.tools}"

    def nearest(self, others: Sequence[Request]) -> Request | None:
        """Return the request with the longest common beginning."""
        text = "\0".join(line.content for line in self.lines)

        def likeness(other: Request) -> int:
            return _shared(text, "\0".join(line.content for line in other.lines))

        return max(others, key=likeness, default=None)


def read_transcript(path: Path) -> list[tuple[Request, Reply]]:
    """Return the rows of a transcript. Raises InputError, naming the line, when it is not valid."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the transcript {path} cannot be read: {error}") from None
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            rows.append(_row(json.loads(line)))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise InputError(f"{path}, line {number} is no recorded request: {error!r}") from None
    return rows


def append_row(
    path: Path, prompt: str, messages: Sequence[ChatMessage], tools: Sequence[Tool], reply: Reply
) -> None:
    """Append one request and its reply."""
    row = {
        "prompt": prompt,
        "fingerprint": Request.of(messages, tools).digest,
        "request": {
            "messages": [wire_message(message) for message in messages],
            "tools": [wire_tool(tool) for tool in tools],
        },
        "reply": {
            "content": reply.text,
            "tool_calls": [
                {"id": call.id, "name": call.name, "arguments": json.loads(call.arguments)}
                for call in reply.calls
            ],
        },
    }
    with path.open("a", encoding="utf-8") as out:
        out.write(json.dumps(row, ensure_ascii=False) + "\n")


def _shared(one: str, other: str) -> int:
    """Return the length of the common beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _row(row: Any) -> tuple[Request, Reply]:
    asked, said = row["request"], row["reply"]
    calls = []
    for number, call in enumerate(said.get("tool_calls") or ()):
        name, arguments = _call(call)
        calls.append(RawCall(id=call.get("id") or f"call_{number}", name=name, arguments=arguments))
    reply = Reply(text=said.get("content") or "", calls=tuple(calls))
    return Request._from_wire(asked["messages"], asked.get("tools") or ()), reply


def _line(message: Any) -> Line:
    content = message.get("content") or ""
    if isinstance(content, list):  # OpenAI's content parts
        content = "".join(part.get("text", "") for part in content)
    calls = tuple(_call(call) for call in message.get("tool_calls") or ())
    return Line(role=message["role"], content=content, calls=calls)


def _call(call: Any) -> tuple[str, str]:
    """Return name and arguments of a tool call, in OpenAI's form or the flat one."""
    function = call.get("function", call)
    arguments = function.get("arguments") or {}
    if not isinstance(arguments, str):
        return function["name"], json.dumps(arguments, sort_keys=True)
    try:
        return function["name"], json.dumps(json.loads(arguments), sort_keys=True)
    except ValueError:
        return function["name"], arguments  # recorded broken, replayed broken
