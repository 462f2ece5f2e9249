"""The load of one app that uses OpenAI's own client, as apps do."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from persona_agent.bench.serve_client import SECONDS, Sent
from persona_agent.errors import MissingExtraError

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class OpenAIConnection:
    """Turns of a task of the app; all its tasks share one client, and so its connections."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    async def turn(self, body: dict[str, Any], *, key: str = "") -> Sent:
        """Send a turn that is not streamed, and read its answer."""
        from openai import APIError, APIStatusError

        headers = {"idempotency-key": key} if key else {}
        began = time.perf_counter()
        try:
            reply = await self._client.chat.completions.create(**body, extra_headers=headers)
        except APIError as error:
            status = error.status_code if isinstance(error, APIStatusError) else 0
            return Sent(time.perf_counter() - began, status, error=bool(error.type))
        seconds = time.perf_counter() - began
        persona = (reply.model_extra or {}).get("persona") or {}
        choice = reply.choices[0]
        return Sent(
            seconds,
            200,
            choice.message.content or "",
            acknowledged=persona.get("episode_id"),
            finished=bool(choice.finish_reason),
        )

    def close(self) -> None:
        """Nothing to do: the client is the app's."""


@asynccontextmanager
async def openai_client() -> AsyncIterator[Callable[[str], OpenAIConnection]]:
    """Give a function that opens connections to an endpoint. Raises MissingExtraError."""
    try:
        from openai import AsyncOpenAI
    except ImportError as error:
        raise MissingExtraError("openai", "agent") from error
    clients: dict[str, AsyncOpenAI] = {}

    def connect(base: str) -> OpenAIConnection:
        if base not in clients:
            clients[base] = AsyncOpenAI(base_url=base, api_key="x", max_retries=0, timeout=SECONDS)
        return OpenAIConnection(clients[base])

    try:
        yield connect
    finally:
        for client in clients.values():
            await client.close()
