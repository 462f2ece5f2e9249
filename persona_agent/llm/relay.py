"""Passing an OpenAI chat request on as it is: the seam between the endpoint and any model.

A relay gets the body of a request and returns the body of a response, or its chunks. What the
client sent (tools, formats, sampling) reaches the model unchanged; only ``model`` is the relay's.
Nothing is tried again: the client knows best whether to, and official clients do by themselves.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from typing import Any, Protocol
from urllib.parse import urlsplit

from persona_agent.errors import ModelCallError
from persona_agent.llm.accounting import AccountedModel, OpenCall, UsageMeter
from persona_agent.persona import estimate_tokens
from persona_agent.protocols import LanguageModel
from persona_agent.settings import OFFLINE, Settings

Body = dict[str, Any]
"""A JSON object of OpenAI's chat API."""

_PASSED_ON = frozenset({400, 413, 415, 422})
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class UpstreamError(ModelCallError):
    """The model behind the relay gave no usable reply.

    Attributes:
        status: HTTP status that tells the client whose fault it is: 4xx its own or the rate
            limit's, 502 the upstream's, 504 a time-out.
        retry_after: seconds that the upstream asks to wait, if it does.
    """

    def __init__(self, message: str, *, status: int, retry_after: float | None = None) -> None:
        self.status = status
        self.retry_after = retry_after
        super().__init__(message, transient=status in (429, 502, 504))


def client_status(upstream: int | None) -> int:
    """Return the status for the client, given the upstream's (None: no answer came).

    A key or model name that the upstream turns down is this server's fault, not the client's.
    """
    if upstream is None:
        return 502
    if upstream == 429 or upstream in _PASSED_ON:
        return upstream
    return 504 if upstream in (408, 504) else 502


class Gathered:
    """What a reply holds in all, put together from its chunks (or taken from its body)."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.tools: dict[int, str] = {}
        self.usage: Body | None = None
        self.finished = False

    def add(self, chunk: Body) -> None:
        """Take in a chunk, or a whole body. Raises UpstreamError when it is neither."""
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            self.usage = usage
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise UpstreamError("the upstream sent something else than a chat reply", status=502)
        for choice in choices:
            said = isinstance(choice, dict) and (choice.get("delta") or choice.get("message") or {})
            if not isinstance(choice, dict) or not isinstance(said, dict):
                raise UpstreamError("the upstream sent a damaged chat reply", status=502)
            if choice.get("index", 0) == 0:  # of several choices the first is remembered
                self._add_first(choice, said)

    def _add_first(self, choice: Body, said: Body) -> None:
        content = said.get("content")
        if isinstance(content, str) and content:
            self.pieces.append(content)
        calls = said.get("tool_calls")
        for number, call in enumerate(calls if isinstance(calls, list) else ()):
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and isinstance(function.get("name"), str):
                place = call.get("index", number)
                self.tools.setdefault(place if isinstance(place, int) else number, function["name"])
        self.finished = self.finished or bool(choice.get("finish_reason"))

    @property
    def text(self) -> str:
        """The text of the first choice."""
        return "".join(self.pieces)


class Relay(Protocol):
    """Forwards chat requests. Both calls raise ModelError; a failure is never a reply."""

    async def complete(self, body: Body) -> Body:
        """Return the response to a request."""
        ...

    def stream(self, body: Body, gathered: Gathered) -> AsyncGenerator[Body, None]:
        """Yield the chunks of a response, and collect them; a reply that is cut off raises."""
        ...

    async def warm(self) -> None:
        """Load what the first call needs."""
        ...

    async def aclose(self) -> None:
        """Release connections."""
        ...


def create_relay(settings: Settings, model: LanguageModel) -> Relay:
    """Return the relay to the model that the settings name, or to the model itself.

    An OpenAI-compatible server (``openai/NAME`` with a base URL) is spoken to directly: LiteLLM's
    own work on a call takes about 4 ms of processor time, a direct one 0.2 ms. LiteLLM serves all
    others, and also those with a budget of money (it knows the prices) or behind a proxy.
    """
    if settings.model == OFFLINE or model.name != settings.model:
        from persona_agent.llm.relay_model import ModelRelay

        return ModelRelay(model)
    meter = model.meter if isinstance(model, AccountedModel) else UsageMeter()
    if _speaks_openai(settings):
        from persona_agent.llm.relay_direct import DirectRelay

        return DirectRelay(settings, meter)
    from persona_agent.llm.relay_litellm import LiteLLMRelay

    return LiteLLMRelay(settings, meter)


def _speaks_openai(settings: Settings) -> bool:
    if settings.api_base is None or settings.max_cost_usd is not None:
        return False
    proxied = any(os.environ.get(name) or os.environ.get(name.lower()) for name in _PROXIES)
    if proxied and urlsplit(settings.api_base).hostname not in _LOOPBACK:
        return False
    return settings.model.startswith("openai/")


def prompt_estimate(body: Body) -> int:
    """Return a rough count of the prompt's tokens, for budgets."""
    texts = [message.get("content") for message in body["messages"]]
    return sum(
        estimate_tokens(text if isinstance(text, str) else str(text)) for text in texts if text
    )


def book(call: OpenCall, usage: Body | None, *, estimate: int, text: str) -> None:
    """Enter what a reply used; what the upstream does not tell is estimated."""
    told = usage or {}
    call.prompt_tokens = _count(told.get("prompt_tokens"), estimate)
    call.completion_tokens = _count(told.get("completion_tokens"), estimate_tokens(text))


def _count(told: object, estimate: int) -> int:
    return told if isinstance(told, int) and told >= 0 else estimate


def cut_off() -> UpstreamError:
    """Return the error for a stream that ended before its reply did."""
    return UpstreamError("the upstream's stream ended before the reply was complete", status=502)
