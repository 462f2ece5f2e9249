"""Language models for tests: scripted answers, recorded transcripts, and the recorder.

They are accounted like any other model, and so are their budgets. Nothing is ever made up: a
request that a fake has no answer for is an :class:`UnseenRequestError`.
"""

from __future__ import annotations

import inspect
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from persona_agent.errors import UnseenRequestError
from persona_agent.llm.accounting import AccountedModel
from persona_agent.llm.answers import RawCall, Reply, parse_answer
from persona_agent.llm.passing import PassingModel
from persona_agent.llm.text_model import TextModel
from persona_agent.llm.wire import chat_reply
from persona_agent.persona.render import estimate_tokens
from persona_agent.protocols import (
    ChatMessage,
    ChatReply,
    InputT,
    LanguageModel,
    OutputT,
    Prompt,
    Tool,
)
from persona_agent.testing.transcript import Request, append_row, read_transcript

Answer = BaseModel | Mapping[str, Any] | str | Exception
"""An output, its fields, raw text that has to be parsed, or an error to raise."""

Script = Answer | Callable[..., Any] | Sequence[Answer | Callable[..., Any]]
"""One answer for every call, a function of the inputs, or a list with one answer a call."""

ChatAnswer = ChatReply | str | Exception | Callable[..., Any]
"""A reply, its text, an error to raise, or a function of messages and tools."""


class ScriptedModel(AccountedModel):
    """Answers from a script, by the name of the prompt.

    Attributes:
        requests: the (prompt name, inputs) of every ``ask``, in order.
        chats: the messages of every ``chat``, in order.
    """

    def __init__(
        self,
        answers: Mapping[str, Script] | None = None,
        *,
        chat: ChatAnswer | Sequence[ChatAnswer] | None = None,
        name: str = "scripted",
    ) -> None:
        super().__init__(name)
        self._answers = _unrolled(answers or {})
        self._chat = _unrolled({"chat": chat} if chat is not None else {})
        self.requests: list[tuple[str, BaseModel]] = []
        self.chats: list[tuple[ChatMessage, ...]] = []

    async def ask(self, prompt: Prompt[InputT, OutputT], inputs: InputT) -> OutputT:
        """Return the scripted answer, validated as a real one is, but without a repair.

        Raises:
            UnseenRequestError: the script has no (more) answer for this prompt.
            ModelAnswerError: the scripted text cannot be used.
        """
        self.requests.append((prompt.name, inputs))
        with self.meter.call(free=True) as call:
            call.prompt_tokens = _tokens(prompt.render(inputs))
            answer = await _next(self._answers, prompt.name, inputs)
            text = answer if isinstance(answer, str) else _json(answer)
            call.completion_tokens = estimate_tokens(text)
            return parse_answer(prompt, inputs, Reply(text=text))

    async def chat(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[Tool] = ()
    ) -> ChatReply:
        """Return the scripted reply. Raises UnseenRequestError when there is none (left)."""
        self.chats.append(tuple(messages))
        with self.meter.call(free=True) as call:
            call.prompt_tokens = _tokens(messages)
            answer = await _next(self._chat, "chat", messages, tools)
            reply = answer if isinstance(answer, ChatReply) else ChatReply(content=str(answer))
            call.completion_tokens = estimate_tokens(reply.content)
            return reply

    async def stream(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[Tool] = ()
    ) -> AsyncIterator[str | ChatReply]:
        """Yield the scripted reply word by word, then whole."""
        reply = await self.chat(messages, tools=tools)
        for piece in _words(reply.content):
            yield piece
        yield reply


class ReplayModel(TextModel):
    """Answers from a recorded transcript, through the same parsing, checks and repair as live.

    A request matches by its messages and the names of its tools. Of several answers to the same
    request the last counts, so that a correction can simply be appended.
    """

    def __init__(self, transcript: Path | str, *, name: str = "replay") -> None:
        """Load a transcript. Raises InputError, naming the line, when it is not valid."""
        super().__init__(name)
        self._path = Path(transcript)
        self._rows = {row[0].digest: row for row in read_transcript(self._path)}

    async def chat(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[Tool] = ()
    ) -> ChatReply:
        """Return the recorded reply. Raises UnseenRequestError, ModelAnswerError."""
        return chat_reply(self._recall("chat", messages, tools), tools)

    async def stream(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[Tool] = ()
    ) -> AsyncIterator[str | ChatReply]:
        """Yield the recorded reply word by word, then whole."""
        reply = await self.chat(messages, tools=tools)
        for piece in _words(reply.content):
            yield piece
        yield reply

    async def _complete(self, messages: Sequence[ChatMessage], prompt: Prompt[Any, Any]) -> Reply:
        return self._recall(f"prompt {prompt.name!r}", messages)

    def _recall(
        self, what: str, messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()
    ) -> Reply:
        request = Request.of(messages, tools)
        if request.digest not in self._rows:
            nearest = request.nearest([row[0] for row in self._rows.values()])
            hint = f": against the nearest, {request.difference(nearest)}" if nearest else ""
            raise UnseenRequestError(
                f"{what}: not among the {len(self._rows)} requests of {self._path}{hint}"
            )
        reply = self._rows[request.digest][1]
        with self.meter.call(free=True) as call:
            call.prompt_tokens = _tokens(messages)
            call.completion_tokens = estimate_tokens(reply.text)
        return reply


class RecordingModel(PassingModel):
    """Passes everything on to another model and appends what was answered to a transcript."""

    def __init__(self, inner: LanguageModel, transcript: Path | str) -> None:
        super().__init__(inner)
        self._path = Path(transcript)
        self._lock = threading.Lock()

    async def ask(self, prompt: Prompt[InputT, OutputT], inputs: InputT) -> OutputT:
        """Pass on, and record the validated answer; errors are not recorded."""
        output = await self._inner.ask(prompt, inputs)
        self._record(prompt.name, prompt.render(inputs), (), output.model_dump_json())
        return output

    async def chat(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[Tool] = ()
    ) -> ChatReply:
        """Pass on, and record the reply."""
        reply = await self._inner.chat(messages, tools=tools)
        self._record("chat", messages, tools, reply)
        return reply

    async def stream(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[Tool] = ()
    ) -> AsyncIterator[str | ChatReply]:
        """Pass on, and record the whole reply."""
        async for piece in self._inner.stream(messages, tools=tools):
            if isinstance(piece, ChatReply):
                self._record("chat", messages, tools, piece)
            yield piece

    def _record(
        self,
        prompt: str,
        messages: Sequence[ChatMessage],
        tools: Sequence[Tool],
        answer: str | ChatReply,
    ) -> None:
        if isinstance(answer, str):
            reply = Reply(text=answer)
        else:
            calls = [
                RawCall(id=call.id, name=call.name, arguments=json.dumps(call.arguments))
                for call in answer.tool_calls
            ]
            reply = Reply(text=answer.content, calls=tuple(calls))
        with self._lock:
            append_row(self._path, prompt, messages, tools, reply)


def _unrolled(script: Mapping[str, Any]) -> dict[str, Any]:
    """Return the script with its lists copied, so that consuming them leaves the caller's alone."""
    return {
        name: list(answer) if isinstance(answer, list | tuple) else answer
        for name, answer in script.items()
    }


async def _next(script: dict[str, Any], name: str, *arguments: Any) -> Any:
    """Return the next answer of a script, with functions called and errors raised."""
    if name not in script:
        raise UnseenRequestError(f"nothing is scripted for {name!r}, only for {sorted(script)}")
    answer = script[name]
    if isinstance(answer, list):
        if not answer:
            raise UnseenRequestError(f"the script for {name!r} has no more answers")
        answer = answer.pop(0)
    if callable(answer):
        answer = answer(*arguments)
        if inspect.isawaitable(answer):
            answer = await answer
    if isinstance(answer, Exception):
        raise answer
    return answer


def _json(answer: BaseModel | Mapping[str, Any]) -> str:
    if isinstance(answer, BaseModel):
        return answer.model_dump_json()
    return json.dumps(answer, default=str)


def _tokens(messages: Sequence[ChatMessage]) -> int:
    return sum(estimate_tokens(message.content) for message in messages)


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)
