"""A chat request as it came: checked as far as the server depends on it, otherwise untouched."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from pydantic_core import from_json, to_json

from persona_agent.llm.relay import Body
from persona_agent.server.access import Caller, Person, named_user, one_user
from persona_agent.server.config import ServerConfig
from persona_agent.server.errors import ApiError, invalid
from persona_agent.server.limits import check_body

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
THREAD_KEYS = ("thread", "thread_id")
_LONGEST_NAME = 256
_MOST_TOOLS = 128


@dataclass(frozen=True)
class ChatRequest:
    """A chat request.

    ``body`` is what goes upstream, apart from the messages: without ``stream`` and without the
    thread. ``usage_wanted`` tells whether a streaming client asked for the usage.
    """

    body: Body
    messages: list[dict[str, Any]]
    person: Person
    thread: str
    streaming: bool
    usage_wanted: bool
    episode_id: str | None

    @property
    def tools(self) -> tuple[str, ...]:
        """Names of the tools on offer, as many and as long as a trace may hold."""
        names = []
        for tool in (self.body.get("tools") or ())[:_MOST_TOOLS]:
            function = tool.get("function") if isinstance(tool, dict) else None
            name = function.get("name") if isinstance(function, dict) else None
            if isinstance(name, str):
                names.append(name[:_LONGEST_NAME])
        return tuple(names)


async def read_chat(
    request: Request, caller: Caller, config: ServerConfig, models: frozenset[str]
) -> ChatRequest:
    """Read a chat request. Raises ApiError for what cannot be served."""
    body = parse(await request.body(), config)
    messages = _messages(body.pop("messages", None), config.max_messages)
    _check_model(body.get("model"), models)
    user = body.get("user")
    if user is not None and not isinstance(user, str):
        raise invalid("'user' must be a text", "user")
    person = caller.person(one_user(named_user(request), user))
    request.state.person = person
    streaming = body.pop("stream", False)
    if not isinstance(streaming, bool | None):
        raise invalid("'stream' must be true or false", "stream")
    _check_kinds(body)
    options = body.get("stream_options") or {}
    if not streaming:
        body.pop("stream_options", None)
    return ChatRequest(
        body=body,
        messages=messages,
        person=person,
        thread=_take_thread(body),
        streaming=bool(streaming),
        usage_wanted=bool(options.get("include_usage")),
        episode_id=_episode_id(request, person, messages),
    )


def parse(raw: bytes, config: ServerConfig) -> Body:
    """Return the JSON object of a body. Raises ApiError."""
    try:
        body = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        what = "nests too deep" if "recursion" in str(error) else "is not JSON in UTF-8"
        raise invalid(f"the body {what}") from None
    if not isinstance(body, dict):
        raise invalid("the body must be a JSON object")
    check_body(body, config.max_nesting)
    return body


def _messages(found: Any, most: int) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not found:
        raise invalid("'messages' must be a list that is not empty", "messages")
    if len(found) > most:
        raise invalid(f"at most {most} messages are taken, got {len(found)}", "messages")
    for place, message in enumerate(found):
        where = f"messages.{place}"
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or role not in ROLES:
            raise invalid(f"{where} must be an object with a known 'role'", where)
        content = message.get("content")
        if not isinstance(content, str | list | None):
            raise invalid(f"{where}.content must be a text or a list of parts", where)
        for part in content if isinstance(content, list) else ():
            if not isinstance(part, dict) or not isinstance(part.get("type"), str):
                raise invalid(f"{where}.content holds something else than parts", where)
    return found


def _check_model(name: Any, models: frozenset[str]) -> None:
    if not isinstance(name, str) or name not in models:
        known = ", ".join(sorted(models))
        raise ApiError(
            404,
            f"there is no such model here; known: {known}",
            code="model_not_found",
            param="model",
        )


def _check_kinds(body: Body) -> None:
    kinds: dict[str, type] = {"tools": list, "metadata": dict, "stream_options": dict}
    for name, kind in kinds.items():
        if body.get(name) is None:
            body.pop(name, None)
        elif not isinstance(body[name], kind):
            raise invalid(f"{name!r} must be {'a list' if kind is list else 'an object'}", name)


def _take_thread(body: Body) -> str:
    """Return the thread of the metadata, and take it out: it is ours, not the upstream's."""
    metadata = body.pop("metadata", None) or {}
    found = [metadata.pop(name) for name in THREAD_KEYS if name in metadata]
    if metadata:
        body["metadata"] = metadata
    thread = found[0] if found else ""
    if not isinstance(thread, str) or len(thread) > _LONGEST_NAME:
        raise invalid(f"the thread must be a text of up to {_LONGEST_NAME} characters", "metadata")
    return thread


def _episode_id(request: Request, person: Person, messages: list[dict[str, Any]]) -> str | None:
    """Return the id that a retried request shares with the first one, if it names itself.

    Other messages under the same name are another turn: as a retry they would be acknowledged,
    and not stored.
    """
    key = request.headers.get("idempotency-key")
    if not key:
        return None
    return hashlib.sha256(to_json([person.id, key, messages])).hexdigest()[:32]
