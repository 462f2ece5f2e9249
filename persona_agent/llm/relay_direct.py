"""The relay to an OpenAI-compatible server, over a pool of connections of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from persona_agent.errors import MissingExtraError
from persona_agent.llm.accounting import UsageMeter
from persona_agent.llm.answers import excerpt
from persona_agent.llm.failures import redact, refuse_if_blocked
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

if TYPE_CHECKING:
    import aiohttp

LARGEST_REPLY = 32 * 1024 * 1024
_LARGEST_ERROR = 64 * 1024
_LONGEST_LINE = 4 * 1024 * 1024


class DirectRelay:
    """Sends requests as they are. To be used from one event loop."""

    def __init__(self, settings: Settings, meter: UsageMeter) -> None:
        self._settings = settings
        self._meter = meter
        self._model = settings.model.removeprefix("openai/")
        self._url = f"{(settings.api_base or '').rstrip('/')}/chat/completions"
        given = settings.api_key.get_secret_value() if settings.api_key else None
        self._key = given or os.environ.get("OPENAI_API_KEY") or ""
        self._session: aiohttp.ClientSession | None = None

    async def warm(self) -> None:
        """Nothing has to be loaded but the HTTP client. Raises MissingExtraError."""
        self._client()

    async def complete(self, body: Body) -> Body:
        """Return the server's response. Raises UpstreamError, BudgetExceededError."""
        estimate, gathered = prompt_estimate(body), Gathered()
        with self._meter.call(prompt_tokens=estimate) as call:
            async with self._response(body, whole=True) as response:
                call.prompt_tokens = estimate  # from here on it may be charged
                reply = _object(await _limited(response, LARGEST_REPLY))
            gathered.add(reply)
            if not reply["choices"]:
                raise UpstreamError("the upstream sent a reply without a choice", status=502)
            book(call, gathered.usage, estimate=estimate, text=gathered.text)
        return reply

    async def stream(self, body: Body, gathered: Gathered) -> AsyncGenerator[Body, None]:
        """Yield the server's chunks. Raises UpstreamError, BudgetExceededError."""
        estimate = prompt_estimate(body)
        options = body.get("stream_options")
        counted = (options if isinstance(options, dict) else {}) | {"include_usage": True}
        asked = body | {"stream": True, "stream_options": counted}
        with self._meter.call(prompt_tokens=estimate) as call:
            try:
                async with self._response(asked) as response:
                    call.prompt_tokens = estimate
                    async for data in _events(response):
                        chunk = _object(data)
                        if "error" in chunk:
                            raise _said(self._settings.model, None, data)
                        gathered.add(chunk)
                        yield chunk
                if not gathered.finished:
                    raise cut_off()
            finally:
                if call.prompt_tokens:
                    book(call, gathered.usage, estimate=estimate, text=gathered.text)

    async def aclose(self) -> None:
        """Close the connections. Idempotent."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    @asynccontextmanager
    async def _response(
        self, body: Body, *, whole: bool = False
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; every way in which it can fail leaves here as an UpstreamError."""
        session, timeout, model = self._client(), self._settings.timeout, self._settings.model
        import aiohttp

        data = to_json(body | {"model": self._model})
        try:
            async with (
                asyncio.timeout(timeout if whole else None),
                session.post(self._url, data=data, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    said = await _limited(response, _LARGEST_ERROR, whole=False)
                    raise _said(model, response, said)
                yield response
        except TimeoutError:
            text = f"{model}: no answer within {timeout:g} s (PERSONA_AGENT_TIMEOUT)"
            raise UpstreamError(text, status=504) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            kind = type(error).__name__
            text = f"{model}: the upstream or the connection to it failed ({kind})"
            raise UpstreamError(text, status=502) from None

    def _client(self) -> aiohttp.ClientSession:
        refuse_if_blocked(self._settings)
        if self._session is None:
            try:
                import aiohttp
            except ImportError as error:
                raise MissingExtraError("aiohttp", "server") from error
            headers = {"content-type": "application/json"}
            if self._key:
                headers["authorization"] = f"Bearer {self._key}"
            seconds = self._settings.timeout
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=20),
                headers=headers,
                # Each piece of a stream has this time; a whole reply has it in all.
                timeout=aiohttp.ClientTimeout(total=None, connect=seconds, sock_read=seconds),
                read_bufsize=_LONGEST_LINE,
                auto_decompress=True,
            )
        return self._session


async def _limited(response: aiohttp.ClientResponse, limit: int, *, whole: bool = True) -> bytes:
    """Return the content of a response. Raises UpstreamError when it is larger than the limit."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > limit:
            if not whole:
                break
            raise UpstreamError(f"the upstream's reply is larger than {limit} bytes", status=502)
    return b"".join(parts)


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the data of server-sent events up to ``[DONE]``."""
    async for line in response.content:
        if not line.startswith(b"data:"):
            if line.strip() and not line.startswith((b":", b"event:", b"id:", b"retry:")):
                raise UpstreamError("the upstream sent something else than events", status=502)
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        if data:
            yield data


def _object(data: bytes) -> Body:
    try:
        found: Any = from_json(data, allow_inf_nan=False)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UpstreamError("the upstream sent something else than a JSON object", status=502)
    return found


def _said(model: str, response: aiohttp.ClientResponse | None, content: bytes) -> UpstreamError:
    """Return the error for what the server itself reported; its text holds no key."""
    try:
        found = _object(content)
        error = found.get("error", found)
        message = error.get("message") if isinstance(error, dict) else error
    except UpstreamError:
        message = None
    text = excerpt(redact(str(message or "it gave no reason"), ()), 300)
    if response is None:
        return UpstreamError(f"{model}: the upstream broke off: {text}", status=502)
    wait = response.headers.get("retry-after", "")
    return UpstreamError(
        f"{model}: the upstream answered with status {response.status}: {text}",
        status=client_status(response.status),
        retry_after=float(wait) if wait.isascii() and wait.isdigit() else None,
    )
