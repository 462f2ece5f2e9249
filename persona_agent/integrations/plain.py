"""Any asynchronous chat function, made to know its user: persona in, exchange remembered."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, ParamSpec, TypeVar, cast

from persona_agent.agent import PersonaAgent
from persona_agent.agent.inputs import valid_user
from persona_agent.agent.proxy import Proxy, ProxyTurn
from persona_agent.errors import InputError

P = ParamSpec("P")
T = TypeVar("T")

MESSAGES = "messages"

logger = logging.getLogger(__name__)


def wrap(
    complete: Callable[P, Awaitable[T]], *, agent: PersonaAgent, user: str, thread: str = ""
) -> Callable[P, Awaitable[T]]:
    """Return a chat function with the same signature that knows its user.

    The messages get a system section with the persona and the related memories, behind the host's
    own rules and marked as data; everything else is passed on as it is. When the answer is whole,
    the exchange is stored, before the call returns or the stream ends. An answer that calls a tool
    is not stored, nor is one whose stream is not read to its end.

    Args:
        complete: takes ``messages`` in OpenAI's form and returns a reply in that form, a text, or
            a stream of either: ``litellm.acompletion``, the method
            ``client.chat.completions.create`` of an ``AsyncOpenAI``, a function of your own.
        agent: what knows the user.
        user: whose calls these are; wrap once for each user.
        thread: the conversation, kept with the memories.

    Raises:
        InputError: the function has no parameter ``messages``, or nobody can have that user id.
            Calls raise InputError and StoreError, and whatever the function raises.
    """
    valid_user(user)
    signature = inspect.signature(complete)
    parameters = signature.parameters
    named = MESSAGES in parameters
    others = next((name for name, one in parameters.items() if one.kind is one.VAR_KEYWORD), "")
    if not named and not others:
        raise InputError(f"{complete!r} cannot be wrapped: it takes no argument {MESSAGES!r}")

    @functools.wraps(complete)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        bound = signature.bind(*args, **kwargs)
        given = bound.arguments if named else bound.arguments.get(others, {})
        messages = given.get(MESSAGES)
        if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
            raise InputError(f"{MESSAGES!r} must be a list of messages in OpenAI's form")
        proxy = Proxy(agent)
        turn = await proxy.prepare(user, messages, thread=thread)
        given[MESSAGES] = turn.messages
        waiting = complete(*bound.args, **bound.kwargs)
        if not inspect.isawaitable(waiting):
            raise InputError(f"{complete!r} is not asynchronous: wrap its asynchronous twin")
        reply = await waiting
        if hasattr(reply, "__aiter__"):
            return cast(T, RememberedStream(reply, proxy, turn))
        await _remember(proxy, turn, *_said(reply, "message"))
        return reply

    return call


class RememberedStream:
    """A stream that passes on what it reads, and stores the exchange at its end.

    Its other attributes are those of the stream inside.
    """

    def __init__(self, inside: Any, proxy: Proxy, turn: ProxyTurn) -> None:
        self._inside = inside
        self._pieces: AsyncIterator[Any] = aiter(inside)
        self._proxy = proxy
        self._turn = turn
        self._text: list[str] = []
        self._tools = False
        self._over = False

    def __aiter__(self) -> RememberedStream:
        return self

    async def __anext__(self) -> Any:
        try:
            piece = await anext(self._pieces)
        except StopAsyncIteration:
            if not self._over:
                self._over = True
                await _remember(self._proxy, self._turn, "".join(self._text), self._tools)
            raise
        text, tools = _said(piece, "delta")
        self._text.append(text)
        self._tools = self._tools or tools
        return piece

    async def __aenter__(self) -> RememberedStream:
        return self

    async def __aexit__(self, *problem: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the stream inside, where it can be closed."""
        close = getattr(self._inside, "aclose", None) or getattr(self._inside, "close", None)
        closing = close() if close is not None else None
        if inspect.isawaitable(closing):
            await closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)


async def _remember(proxy: Proxy, turn: ProxyTurn, text: str, tools: bool) -> None:
    if tools:
        return  # the host runs them and comes back with their results
    if not await proxy.remember(turn, text) and turn.text:
        logger.warning("a reply without a text was not remembered")


def _said(reply: Any, part: str) -> tuple[str, bool]:
    """Return the text of a reply or of a piece of one, and whether it calls a tool.

    Of something else than a text or OpenAI's form, the text is "".
    """
    if isinstance(reply, str):
        return reply, False
    choices = _get(reply, "choices")
    if not isinstance(choices, list) or not choices:
        return "", False
    message = _get(choices[0], part)
    content = _get(message, "content")
    return (content if isinstance(content, str) else ""), bool(_get(message, "tool_calls"))


def _get(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
