"""One call through LiteLLM: its arguments, its slot, its time limit, its retries, its booking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Any
from weakref import WeakKeyDictionary

from persona_agent.errors import ModelCallError
from persona_agent.llm import litellm_runtime
from persona_agent.llm.accounting import OpenCall, UsageMeter
from persona_agent.llm.answers import Reply
from persona_agent.llm.failures import Backoff, Failure, explain, refuse_if_blocked
from persona_agent.llm.wire import StreamedReply, read_response, wire_message, wire_tool
from persona_agent.persona.render import estimate_tokens
from persona_agent.protocols import ChatMessage, Tool
from persona_agent.settings import Settings


class LiteLLMClient:
    """Sends requests. Failures are returned, for the caller to raise.

    Raised where they are caught, they would drag the provider's own exception along as their
    context, with a text that may hold the key.
    """

    def __init__(self, settings: Settings, *, meter: UsageMeter, backoff: Backoff) -> None:
        self._settings = settings
        self._meter = meter
        self._backoff = backoff
        self._litellm: Any = None
        self._slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            WeakKeyDictionary()
        )

    async def load(self) -> Any:
        """Return LiteLLM, loaded off the event loop.

        Raises:
            ModelCallsBlockedError: the kill switch is on; LiteLLM was not even imported.
            MissingExtraError: LiteLLM is not installed.
        """
        refuse_if_blocked(self._settings)
        if self._litellm is None:
            self._litellm = await asyncio.to_thread(litellm_runtime.load, self)
        return self._litellm

    async def aclose(self) -> None:
        """Close the HTTP clients unless another model still uses them. Idempotent."""
        if self._litellm is not None:
            litellm, self._litellm = self._litellm, None
            await litellm_runtime.release(self, litellm)

    def request(
        self, messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()
    ) -> dict[str, Any]:
        """Return LiteLLM's arguments."""
        settings = self._settings
        arguments: dict[str, Any] = {
            "model": settings.model,
            "messages": [wire_message(message) for message in messages],
            "timeout": settings.timeout,
            "num_retries": 0,
            "max_retries": 0,
            "drop_params": True,
        }
        if tools:
            # Any tool leads LiteLLM into its MCP gateway, which needs packages of its own.
            arguments |= {"tools": [wire_tool(tool) for tool in tools], "_skip_mcp_handler": True}
        if settings.temperature is not None:
            arguments["temperature"] = settings.temperature
        if settings.api_base is not None:
            arguments["api_base"] = settings.api_base
        if settings.api_key is not None:
            arguments["api_key"] = settings.api_key.get_secret_value()
        return arguments

    async def send(self, request: dict[str, Any]) -> Reply | Failure:
        """Call, and again after transient failures."""
        attempt = 0
        while True:
            result = await self._attempt(request)
            if isinstance(result, Reply):
                return result
            wait = self._backoff.delay(attempt, result)
            if wait is None:
                return result
            await asyncio.sleep(wait)
            attempt += 1

    async def stream(
        self, request: dict[str, Any], result: StreamedReply
    ) -> AsyncGenerator[str | Failure, None]:
        """Yield the pieces of text, collect the reply in ``result``; a failure comes last.

        A failure is tried again while nothing has come. The time limit holds for each piece.
        """
        request = request | {"stream": True, "stream_options": {"include_usage": True}}
        attempt = 0
        while True:
            failure: Failure | None = None
            async with aclosing(self._stream_once(request, result)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Failure):
                        failure = piece
                    else:
                        yield piece
            if failure is None:
                return
            wait = self._backoff.delay(attempt, failure) if result.empty else None
            if wait is None:
                yield failure
                return
            await asyncio.sleep(wait)
            attempt += 1

    async def _attempt(self, request: dict[str, Any]) -> Reply | Failure:
        litellm, estimate = await self.load(), _prompt_tokens(request)
        async with self._slot():
            with self._meter.call(prompt_tokens=estimate) as call:
                try:
                    async with asyncio.timeout(self._settings.timeout):
                        response = await litellm.acompletion(**request)
                    reply = read_response(response)
                except asyncio.CancelledError:
                    call.prompt_tokens = estimate  # it was sent, and will be charged
                    raise
                except Exception as error:
                    return self._failed(error, call, estimate)
                self._book(call, getattr(response, "usage", None), estimate, reply.text)
                with suppress(Exception):  # a model without a known price; nothing is guessed
                    cost = litellm.completion_cost(response, model=self._settings.model)
                    call.cost_usd = max(0.0, float(cost))
                return reply

    async def _stream_once(
        self, request: dict[str, Any], result: StreamedReply
    ) -> AsyncGenerator[str | Failure, None]:
        litellm, estimate = await self.load(), _prompt_tokens(request)
        timeout = self._settings.timeout
        async with self._slot():
            with self._meter.call(prompt_tokens=estimate) as call:
                chunks: Any = None
                failure: Failure | None = None
                try:
                    async with asyncio.timeout(timeout):
                        chunks = await litellm.acompletion(**request)
                    while (chunk := await next_chunk(chunks, timeout)) is not None:
                        if piece := result.add(chunk):
                            yield piece
                    if not ended(chunks, told=result.finish_reason is not None):
                        failure = _cut(self._settings.model)
                except Exception as error:
                    failure = self._failed(error, call, estimate)
                finally:
                    if chunks is not None:
                        self._book(call, result.usage, estimate, result.text)
                        call.cost_usd = price(litellm, self._settings.model, call)
                    if hasattr(chunks, "aclose"):
                        await chunks.aclose()
        if failure is not None:
            yield failure

    def _slot(self) -> asyncio.Semaphore:
        """Return the running loop's semaphore: one made under another loop would not work here."""
        loop = asyncio.get_running_loop()
        if loop not in self._slots:
            self._slots[loop] = asyncio.Semaphore(self._settings.concurrency)
        return self._slots[loop]

    def _book(self, call: OpenCall, usage: Any, estimate: int, text: str) -> None:
        call.prompt_tokens = getattr(usage, "prompt_tokens", None) or estimate
        written = getattr(usage, "completion_tokens", None)
        call.completion_tokens = estimate_tokens(text) if written is None else written

    def _failed(self, error: Exception, call: OpenCall, estimate: int) -> Failure:
        failure = self.failure(error)
        if failure.prompt_read:
            call.prompt_tokens = estimate
        return failure

    def failure(self, error: Exception) -> Failure:
        """Return what an exception of a call stands for."""
        key, settings = self._settings.api_key, self._settings
        secrets = [key.get_secret_value()] if key is not None else []
        return explain(error, model=settings.model, timeout=settings.timeout, secrets=secrets)


async def next_chunk(chunks: Any, timeout: float) -> Any:
    """Return the next chunk of a stream, None at its end. Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        return await anext(chunks, None)


def ended(chunks: Any, *, told: bool) -> bool:
    """Tell whether the provider ended a reply: LiteLLM makes up a "stop" where none came.

    ``told`` is what the chunks say, for streams that are not LiteLLM's own.
    """
    if hasattr(chunks, "received_finish_reason"):
        intermittent = getattr(chunks, "intermittent_finish_reason", None)
        return bool(chunks.received_finish_reason or intermittent)
    return told


def _cut(model: str) -> Failure:
    text = f"{model}: the stream ended before the reply was complete"
    return Failure(ModelCallError(text, transient=True))


def price(litellm: Any, model: str, call: OpenCall) -> float:
    """Return what a call costs in USD, by its tokens; 0 where the price is not known."""
    try:
        parts = litellm.cost_per_token(
            model=model,
            prompt_tokens=call.prompt_tokens,
            completion_tokens=call.completion_tokens,
        )
        return max(0.0, float(sum(parts)))
    except Exception:  # a model without a known price; nothing is guessed
        return 0.0


def _prompt_tokens(request: dict[str, Any]) -> int:
    return sum(estimate_tokens(message["content"]) for message in request["messages"])
