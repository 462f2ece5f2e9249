"""From what a model wrote to a validated answer, or to the reason why there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from pydantic import BaseModel, ValidationError

from persona_agent.errors import ModelAnswerError, ModelRefusalError
from persona_agent.protocols import ChatMessage, InputT, OutputT, Prompt
from persona_agent.schema.base import Record

MAX_OBJECTS = 20
"""Objects looked at in one answer; more are a sign of rambling, not of an answer."""

_STRING = r'"(?:[^"\\]|\\.)*+"'
# A brace in prose ("{see below}") opens no object: in JSON, a key and a colon follow, or the end.
_OPENING = re.compile(rf"\{{(?=\s*(?:\}}|{_STRING}\s*:))", re.DOTALL)
_STRUCTURE = re.compile(rf"{_STRING}|[{{}}]", re.DOTALL)
_CANNOT = r"(?:cannot|can't|won't|will not|must decline|(?:am |'m )?(?:unable|not able) to)"
_REFUSAL = re.compile(
    rf"\W*(?:i ?(?:\w+ )?{_CANNOT}\b"
    r"|(?:(?:i am|i'm|we are) )?(?:\w+ )?(?:sorry|i apologi[sz]e|as an ai)\b"
    rf".{{0,120}}?{_CANNOT}\b)",
    re.IGNORECASE | re.DOTALL,
)


class RawCall(Record):
    """A tool call as it came: ``arguments`` is unparsed JSON."""

    id: str = ""
    name: str = ""
    arguments: str = ""


class Reply(Record):
    """One reply of a model as it came, before anything is made of it."""

    text: str = ""
    calls: tuple[RawCall, ...] = ()
    finish_reason: str | None = None
    refusal: str = ""


def json_objects(text: str) -> Iterator[dict[str, Any] | ValueError]:
    """Yield the JSON objects that stand in a text, outermost only, in order.

    Prose and code fences around them are skipped. Where something starts like an object and is
    none, the ValueError that says why is yielded in its place; what stands inside it is no answer.
    """
    decoder = json.JSONDecoder(strict=False, parse_constant=_refuse_constant)
    position = 0
    for _ in range(MAX_OBJECTS):
        opening = _OPENING.search(text, position)
        if opening is None:
            return
        start = opening.start()
        try:
            found, position = decoder.raw_decode(text, start)
            yield found
        except json.JSONDecodeError as error:
            position = _closing(text, start) or max(error.pos, start + 1)
            yield error
        except (ValueError, RecursionError) as error:  # NaN, a number too long, too deep
            position = _closing(text, start) or len(text)
            yield ValueError(str(error))


def parse_answer(prompt: Prompt[InputT, OutputT], inputs: InputT, reply: Reply) -> OutputT:
    """Return the first JSON object of a reply that is a valid answer to the prompt.

    Raises:
        ModelRefusalError: the model, or its provider's filter, declined.
        ModelAnswerError: empty, no JSON, broken JSON, or not valid; the message says which, in
            words that help the model to do better.
    """
    if reply.finish_reason == "content_filter" or reply.refusal:
        raise ModelRefusalError(_refusal(prompt.name, reply.refusal or "stopped by a filter"))
    if not reply.text.strip():
        raise ModelAnswerError(f"prompt {prompt.name!r}: the answer was empty")
    problem = ""
    # Where every field has a default, a "{}" in prose would be a valid answer: it comes last.
    for found in sorted(json_objects(reply.text), key=lambda item: item == {}):
        if isinstance(found, ValueError):
            problem = problem or f"the JSON is broken: {found}"
            continue
        try:
            output = prompt.output.model_validate_json(json.dumps(found))
            prompt.check(inputs, output)
            return output
        except ValueError as error:
            problem = problem or _explain(error)
    _give_up(prompt.name, reply, problem)


def repair_messages(
    messages: Sequence[ChatMessage], reply: Reply, problem: str, output: type[BaseModel]
) -> list[ChatMessage]:
    """Return the messages that ask once more, with what was wrong and the schema to follow."""
    schema = json.dumps(output.model_json_schema(), ensure_ascii=False, separators=(",", ":"))
    request = (
        f"This answer could not be used: {problem}\n"
        "Answer again with one JSON object and nothing else, valid against this JSON schema:\n"
        f"{schema}"
    )
    # Several providers reject a turn without content, so an empty answer is not shown again.
    said = [ChatMessage(role="assistant", content=reply.text)] if reply.text.strip() else []
    return [*messages, *said, ChatMessage(role="user", content=request)]


def excerpt(text: str, limit: int = 160) -> str:
    """Return the beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}…"


def _give_up(name: str, reply: Reply, problem: str) -> NoReturn:
    if not problem and _REFUSAL.match(reply.text.replace("\u2019", "'")):
        raise ModelRefusalError(_refusal(name, reply.text))
    problem = problem or f"there is no JSON object in it: {excerpt(reply.text)!r}"
    if reply.finish_reason == "length":
        problem = f"it was cut off at the model's output limit; {problem}"
    raise ModelAnswerError(f"prompt {name!r}: {problem}")


def _refusal(name: str, text: str) -> str:
    return f"prompt {name!r}: the model declined to answer: {excerpt(text)!r}"


def _explain(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return excerpt(str(error), 400)
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    lines = [f"{'.'.join(map(str, item['loc'])) or 'answer'}: {item['msg']}" for item in problems]
    rest = f"; and {len(lines) - 5} more" if len(lines) > 5 else ""
    return excerpt("; ".join(lines[:5]) + rest, 800)


def _closing(text: str, start: int) -> int | None:
    """Return the position behind the brace that closes the one at ``start``, if any does."""
    depth = 0
    for token in _STRUCTURE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(token.group(), 0)
        if depth == 0 and token.group() == "}":
            return token.end()
    return None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")
