"""The relay to any provider through LiteLLM."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from persona_agent.errors import ModelCallError, ModelError
from persona_agent.llm.accounting import UsageMeter
from persona_agent.llm.failures import Backoff
from persona_agent.llm.litellm_client import LiteLLMClient, ended, next_chunk, price
from persona_agent.llm.relay import (
    Body,
    Gathered,
    UpstreamError,
    book,
    client_status,
    cut_off,
    prompt_estimate,
)
from persona_agent.settings import Settings

PASSED = frozenset(
    """
    temperature top_p n stop max_tokens max_completion_tokens presence_penalty frequency_penalty
    logit_bias logprobs top_logprobs seed response_format tools tool_choice parallel_tool_calls
    functions function_call reasoning_effort verbosity user
    """.split()  # noqa: SIM905 (a list of these would fill the screen)
)
"""What a client may set. LiteLLM takes far more arguments, also where to send the server's key."""


class LiteLLMRelay:
    """Sends requests as LiteLLM understands them, and returns replies in OpenAI's shape."""

    def __init__(self, settings: Settings, meter: UsageMeter) -> None:
        self._settings = settings
        self._meter = meter
        self._client = LiteLLMClient(settings, meter=meter, backoff=Backoff(retries=0))

    async def warm(self) -> None:
        """Load LiteLLM, which takes seconds. Raises MissingExtraError, ModelCallsBlockedError."""
        await self._client.load()

    async def complete(self, body: Body) -> Body:
        """Return the provider's response. Raises ModelError."""
        arguments, litellm = self._arguments(body), await self._client.load()
        estimate, gathered = prompt_estimate(body), Gathered()
        with self._meter.call(prompt_tokens=estimate) as call:
            failed: ModelError | None = None
            response: Any = None
            try:
                async with asyncio.timeout(self._settings.timeout):
                    response = await litellm.acompletion(**arguments)
            except Exception as error:  # every provider has its own
                call.prompt_tokens = estimate
                failed = self._failure(error)
            if failed is not None:
                raise failed
            reply = _plain(response)
            gathered.add(reply)
            if not reply["choices"]:
                raise UpstreamError("the upstream sent a reply without a choice", status=502)
            book(call, gathered.usage, estimate=estimate, text=gathered.text)
            call.cost_usd = price(litellm, self._settings.model, call)
        return reply

    async def stream(self, body: Body, gathered: Gathered) -> AsyncGenerator[Body, None]:
        """Yield the provider's chunks. Raises ModelError."""
        arguments, litellm = self._arguments(body), await self._client.load()
        arguments |= {"stream": True, "stream_options": {"include_usage": True}}
        estimate, timeout = prompt_estimate(body), self._settings.timeout
        with self._meter.call(prompt_tokens=estimate) as call:
            chunks: Any = None
            failed: ModelError | None = None
            try:
                async with asyncio.timeout(timeout):
                    chunks = await litellm.acompletion(**arguments)
                while (chunk := await next_chunk(chunks, timeout)) is not None:
                    piece = _plain(chunk)
                    gathered.add(piece)
                    yield piece
            except ModelError:
                raise
            except Exception as error:  # every provider has its own
                failed = self._failure(error)
            finally:
                book(call, gathered.usage, estimate=estimate, text=gathered.text)
                call.cost_usd = price(litellm, self._settings.model, call)
                if hasattr(chunks, "aclose"):
                    await chunks.aclose()
            if failed is None and not ended(chunks, told=gathered.finished):
                failed = cut_off()
        if failed is not None:
            raise failed

    async def aclose(self) -> None:
        """Close the HTTP clients unless a model still uses them."""
        await self._client.aclose()

    def _arguments(self, body: Body) -> dict[str, Any]:
        _refuse_links(body["messages"])
        arguments = self._client.request(())
        arguments |= {name: body[name] for name in sorted(PASSED & body.keys())}
        if "tools" in arguments:
            arguments["_skip_mcp_handler"] = True  # as in LiteLLMClient.request
        return arguments | {"messages": body["messages"]}

    def _failure(self, error: Exception) -> ModelError:
        failure = self._client.failure(error)
        if not isinstance(failure.error, ModelCallError):
            return failure.error
        status = getattr(error, "status_code", None)
        timed_out = isinstance(error, TimeoutError)
        return UpstreamError(
            str(failure.error),
            status=504 if timed_out else client_status(status),
            retry_after=failure.retry_after,
        )


def _plain(response: Any) -> Body:
    """Return LiteLLM's object as OpenAI's JSON, without what was never said."""
    body: Body = response.model_dump(mode="json", exclude_none=True)
    for choice in body.get("choices", ()):
        if isinstance(choice.get("message"), dict):
            choice["message"].setdefault("content", None)
    return body


def _refuse_links(messages: list[Body]) -> None:
    """Refuse links to images: for some providers LiteLLM would fetch them from this machine.

    Raises:
        UpstreamError: a part of a message names a place on the network.
    """
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") not in ("text", "refusal"):
                link = part.get("image_url") or part.get("file") or part.get("input_audio") or {}
                values = link.values() if isinstance(link, dict) else (link,)
                if any(isinstance(v, str) and "://" in v[:40] for v in values):
                    raise UpstreamError(
                        "images and files must be sent as data, not as links", status=400
                    )
