"""Keeping the traces of turns: in the data directory, and as OpenTelemetry spans if configured."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from persona_agent.agent.traces import Trace, TraceStore
from persona_agent.errors import StoreError
from persona_agent.server.spans import Spans

SECONDS_BETWEEN_WRITES = 0.5
MOST_WAITING = 10_000

logger = logging.getLogger("persona_agent.server")


class Tracer:
    """Writes traces beside the answers, not in their way. To be used from one event loop."""

    def __init__(self, store: TraceStore, spans: Spans | None = None) -> None:
        self._store = store
        self._spans = spans
        self._waiting: list[Trace] = []
        self._task: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    def add(self, trace: Trace) -> None:
        """Take a trace; it is written within a second."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(trace)
        if self._spans is not None:
            self._spans.emit(trace)

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def get(self, trace_id: str, user: str) -> Trace | None:
        """Return a trace of a user, or None."""
        await self.flush()
        return await asyncio.to_thread(self._store.get, trace_id, user_id=user)

    async def flush(self) -> None:
        """Write what waits. A trace that cannot be written is dropped, and that is logged."""
        async with self._writing:
            batch, self._waiting = self._waiting, []
            if not batch:
                return
            try:
                await asyncio.to_thread(self._store.add, batch)
            except StoreError as error:
                logger.error("traces lost", extra={"fields": {"lost": len(batch)}}, exc_info=error)

    async def aclose(self) -> None:
        """Write what waits, and release the file."""
        if self._task is not None:
            async with self._writing:  # cancelled while it writes, it would drop what it took
                self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.flush()
        self._store.close()
        if self._spans is not None:
            self._spans.close()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_WRITES)
            await self.flush()
