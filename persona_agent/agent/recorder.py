"""Storing the episodes of many turns at once, so that they share one write to the disk."""

from __future__ import annotations

import asyncio

from persona_agent.agent.facade import PersonaAgent
from persona_agent.errors import StoreUnavailableError
from persona_agent.schema import Episode

MOST_AT_ONCE = 256


class Recorder:
    """Writes what comes while a write is under way together with the next one.

    To be used from one event loop.
    """

    def __init__(self, agent: PersonaAgent) -> None:
        self._agent = agent
        self._waiting: list[tuple[Episode, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, episode: Episode) -> None:
        """Store an episode. It is durable when this returns, or this raises what storing raised.

        A caller that is cancelled does not take the episode back.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((episode, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def aclose(self) -> None:
        """Wait until everything that was given is stored, or has failed."""
        if self._writer is not None:
            await asyncio.wait([self._writer])

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            failed: BaseException | None = None
            try:
                await self._agent.record_episodes([episode for episode, _ in batch])
            except asyncio.CancelledError:
                failed = StoreUnavailableError("the server stopped before this was stored")
                raise
            except Exception as error:
                failed = error
            finally:
                for _, done in batch:
                    if not done.done():
                        if failed is None:
                            done.set_result(None)
                        else:
                            done.set_exception(failed)
