"""The tools of the chat: what the model may look up before it answers.

A tool gets the user and the persona with every call, so that what it does can depend on them, and
returns text. Whatever goes wrong comes back to the model as text too: a turn never fails because
a tool did.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from persona_agent.agent.chat.by_answer import (
    LATEST,
    answer_line,
    found_by_answer,
    is_kept_back,
)
from persona_agent.agent.chat.prompt import memory_line, tool_message
from persona_agent.agent.chat.wikipedia import search_wikipedia
from persona_agent.errors import InputError, PersonaAgentError
from persona_agent.prompts.parts import shorten
from persona_agent.protocols import ChatMessage, Tool, ToolCall
from persona_agent.schema import Episode, Persona
from persona_agent.schema.base import Record

if TYPE_CHECKING:
    from persona_agent.memory import Memory

logger = logging.getLogger(__name__)

MOST_CALLS = 8
"""Calls of one model answer that are run."""

LONGEST_RESULT = 6_000
MOST_FACTS = 500
NOTHING_ELSE = "nothing is remembered of this user beyond what you see above"

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]


class ToolRequest(Record):
    """One call of a tool: for whom, who that is, and with which arguments.

    The arguments are what the model wrote; they may not fit the tool's schema. ``thread`` is the
    conversation under way where the agent keeps to what it said in it, else None; ``shown`` are the
    episodes that the model sees anyway, as memories or as messages, ``sent`` those of messages.
    """

    user_id: str
    persona: Persona
    arguments: dict[str, Any]
    thread: str | None = None
    shown: tuple[str, ...] = ()
    sent: tuple[str, ...] = ()


ToolFunction = Callable[[ToolRequest], Awaitable[str] | str]
"""Runs a tool. Raise ValueError (or InputError) to tell the model what is wrong with its call.

A plain function runs in a thread, so that one that blocks holds up nobody else; of one that takes
too long the result is left, but the thread cannot be stopped.
"""


@dataclass(frozen=True)
class ChatTool:
    """A tool as the model sees it, with what runs it."""

    tool: Tool
    run: ToolFunction


class Toolbox:
    """The tools of one chat, by name."""

    def __init__(self, tools: Sequence[ChatTool] = (), *, timeout: float = 60.0) -> None:
        self._tools: dict[str, ChatTool] = {}
        self._timeout = timeout
        for tool in tools:
            self.add(tool)

    def add(self, tool: ChatTool) -> None:
        """Add a tool. Raises InputError when there is one of that name."""
        if tool.tool.name in self._tools:
            raise InputError(f"there is a tool {tool.tool.name!r} already")
        self._tools[tool.tool.name] = tool

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools as the model sees them."""
        return tuple(tool.tool for tool in self._tools.values())

    async def run(
        self,
        calls: Sequence[ToolCall],
        user: str,
        persona: Persona,
        *,
        thread: str | None = None,
        shown: Sequence[str] = (),
        sent: Sequence[str] = (),
    ) -> list[ChatMessage]:
        """Run the calls at the same time; return one message for each, in their order.

        ``thread``, ``shown`` and ``sent`` are those of :class:`ToolRequest`.
        """
        requests = [
            ToolRequest(
                user_id=user,
                persona=persona,
                arguments=call.arguments,
                thread=thread,
                shown=tuple(shown),
                sent=tuple(sent),
            )
            for call in calls[:MOST_CALLS]
        ]
        results = await asyncio.gather(
            *(self._run(call.name, one) for call, one in zip(calls, requests, strict=False))
        )
        unrun = [f"not run: at most {MOST_CALLS} calls at once"] * len(calls[MOST_CALLS:])
        return [
            tool_message(call.id, text)
            for call, text in zip(calls, [*results, *unrun], strict=True)
        ]

    def decline(self, calls: Sequence[ToolCall]) -> list[ChatMessage]:
        """Return the messages that turn the calls down and ask for the answer."""
        text = "not run: no more tools in this turn. Answer now with what you have"
        return [tool_message(call.id, text) for call in calls]

    async def _run(self, name: str, request: ToolRequest) -> str:
        tool = self._tools.get(name)
        if tool is None:
            return f"there is no tool {shorten(name, 60)!r}, only {sorted(self._tools)}"
        try:
            async with asyncio.timeout(self._timeout):
                text = str(await _result(tool.run, request))
        except ValidationError as error:
            return f"the arguments of {name} are wrong: {_problems(error)}"
        except TimeoutError:
            return f"{name} took longer than {self._timeout:g} seconds and was stopped"
        except (PersonaAgentError, ValueError) as error:
            return f"{name} could not be run: {shorten(str(error), 300)}"
        except Exception as error:
            # A host's tool may raise anything, with a message that the model must not see.
            logger.warning("tool %r failed", name, exc_info=True)
            return f"{name} failed ({type(error).__name__})"
        return text if len(text) <= LONGEST_RESULT else text[:LONGEST_RESULT] + "\n(cut off here)"


async def _result(run: ToolFunction, request: ToolRequest) -> object:
    """Return what a tool gives, of an async function or of a plain one."""
    called = run if inspect.isroutine(run) else type(run).__call__
    waits = inspect.iscoroutinefunction(run) or inspect.iscoroutinefunction(called)
    given = run(request) if waits else await asyncio.to_thread(run, request)
    return await given if inspect.isawaitable(given) else given


def built_in_tools(memory: Memory, *, wikipedia: bool, timeout: float) -> list[ChatTool]:
    """Return the tools that every chat has; Wikipedia only where the settings allow it."""
    tools = [_memory_search(memory), _fact_lookup(memory)]
    return [*tools, _wikipedia(timeout)] if wikipedia else tools


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Search(_Arguments):
    query: Words = Field(description="What to look for, in a few words.")
    limit: int = Field(default=5, ge=1, le=20, description="How many interactions to return.")


class _Lookup(_Arguments):
    topic: Words = Field(description="What the facts should be about.")


class _Encyclopedia(_Arguments):
    query: Words = Field(description="Words to search for.")


def _tool(name: str, description: str, arguments: type[_Arguments], run: ToolFunction) -> ChatTool:
    schema = arguments.model_json_schema()
    parameters = {key: schema[key] for key in ("type", "properties", "required")}
    return ChatTool(Tool(name=name, description=description, parameters=parameters), run)


def _memory_search(memory: Memory) -> ChatTool:
    def by_query(request: ToolRequest, asked: _Search) -> tuple[list[Episode], str]:
        """Return the closest that are not shown yet, and what is to be said of the others."""
        vector = memory.embedder.embed([asked.query])[0]
        found = memory.episodes.recall(
            request.user_id,
            vector,
            limit=asked.limit + len(request.shown),
            blend=request.persona.policy.blend,
        )
        unseen = [one.episode for one in found if one.episode.id not in request.shown]
        if not unseen:
            return [], NOTHING_ELSE if found else "nothing is remembered of this user yet"
        closest = [one.episode.id for one in found[: asked.limit]]
        above = sum(one in request.shown for one in closest)
        note = f"(not repeated: {above} that you see above)" if above else ""
        # What is less close than everything that was asked for would only mislead.
        return unseen[: asked.limit] if above < len(closest) else [], note

    def by_answer(request: ToolRequest, asked: _Search, known: Set[str]) -> list[Episode]:
        """Return those with the words in an answer that is not told, for up to half the places."""
        latest = memory.episodes.timeline(request.user_id, limit=LATEST)
        others = [
            one
            for one in latest
            if one.id not in request.sent and (one.id not in known or is_kept_back(one))
        ]
        return found_by_answer(asked.query, others)[: max(1, asked.limit // 2)]

    async def search(request: ToolRequest) -> str:
        asked = _Search.model_validate(request.arguments)

        def found() -> str:
            new, note = by_query(request, asked)
            told = by_answer(request, asked, {*request.shown, *(one.id for one in new)})
            new = [one for one in new if one not in told][: asked.limit - len(told)]
            lines = [
                *(memory_line(one, thread=request.thread) for one in new),
                *(answer_line(one, asked.query, thread=request.thread) for one in told),
            ]
            if note and not (told and note == NOTHING_ELSE):
                lines.append(note)
            return "\n".join(lines)

        return await asyncio.to_thread(found)

    return _tool(
        "search_memory",
        "Search this user's earlier interactions with the assistant. The answer that the user "
        "settled on stands after the arrow. Closest first by what was asked, then those with the "
        "words of the query in their answer.",
        _Search,
        search,
    )


def _fact_lookup(memory: Memory) -> ChatTool:
    async def look_up(request: ToolRequest) -> str:
        topic = _Lookup.model_validate(request.arguments).topic

        def rank() -> list[str]:
            facts = [fact.text for fact in memory.facts.profile(request.user_id, limit=MOST_FACTS)]
            if not facts:
                return []
            vectors = memory.embedder.embed([topic, *facts])
            order = np.argsort(-(vectors[1:] @ vectors[0]), kind="stable")
            return [f"- {shorten(facts[place], 500)}" for place in order[:8]]

        return "\n".join(await asyncio.to_thread(rank)) or "nothing is known beyond the persona"

    return _tool(
        "lookup_facts",
        "Look up lasting facts about this user (what they like, avoid, own, do, know, need), "
        "closest to the topic first.",
        _Lookup,
        look_up,
    )


def _wikipedia(timeout: float) -> ChatTool:
    async def search(request: ToolRequest) -> str:
        query = _Encyclopedia.model_validate(request.arguments).query
        return await asyncio.to_thread(search_wikipedia, query, timeout=min(timeout, 10.0))

    return _tool(
        "wikipedia_search",
        "Search Wikipedia for facts about the world. It knows nothing of the user.",
        _Encyclopedia,
        search,
    )


def _problems(error: ValidationError) -> str:
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in one['loc']) or 'all'}: {one['msg']}" for one in problems
    )
