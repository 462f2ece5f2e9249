"""Many callers, one call: what comes while a call is under way is done together by the next one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

from persona_agent.errors import StoreUnavailableError

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

WORKERS = 4
"""Batches under way at most, where some of them are slow."""

Together = Callable[[list[ItemT]], Awaitable[Sequence[ResultT | Exception]]]
"""Does many items at once; returns a result or an error for each, in order."""


class Batches(Generic[ItemT, ResultT]):
    """Collects items into batches. To be used from one event loop.

    An item is done at once where nothing is under way; under load, batches grow. One that takes
    long does not hold up the others: they get a batch of their own beside it.
    """

    def __init__(
        self, together: Together[ItemT, ResultT], *, most: int, patience: float | None = None
    ) -> None:
        """Take what does a batch.

        Args:
            together: does a batch; what it raises is raised for every item.
            most: items of one batch.
            patience: seconds after which others do not wait for the batches under way; None: they
                do, so that there is one at a time.
        """
        self._together = together
        self._most = most
        self._patience = patience
        self._waiting: list[tuple[ItemT, asyncio.Future[ResultT]]] = []
        self._workers: set[asyncio.Task[None]] = set()
        self._busy = 0  # not the number of tasks: one that found nothing left is no longer busy
        self._began = 0.0

    async def add(self, item: ItemT) -> ResultT:
        """Return the result of an item, or raise its error.

        A caller that is cancelled does not take the item back.
        """
        done: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if not self._busy or self._slow():
            self._busy += 1
            self._began = time.monotonic()
            # Nobody's own: what the first caller's context books or limits is not the others'.
            worker = asyncio.create_task(self._work(), context=Context())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return await done

    def _slow(self) -> bool:
        waited = time.monotonic() - self._began
        return self._patience is not None and self._busy < WORKERS and waited > self._patience

    async def aclose(self) -> None:
        """Wait until everything that was given is done, or has failed."""
        while self._workers:
            await asyncio.wait(self._workers)

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                self._began = time.monotonic()
                await self._do(batch)
        finally:
            self._busy -= 1

    async def _do(self, batch: list[tuple[ItemT, asyncio.Future[ResultT]]]) -> None:
        results: Sequence[ResultT | Exception] = ()
        failed: Exception = StoreUnavailableError("the server stopped before this was done")
        try:
            results = await self._together([item for item, _ in batch])
        except Exception as error:
            failed = error
        finally:  # also when this is cancelled: nobody may wait for ever
            for place, (_, done) in enumerate(batch):
                _settle(done, results[place] if results else failed)


def _settle(done: asyncio.Future[ResultT], result: ResultT | Exception) -> None:
    if done.done():
        return
    if isinstance(result, Exception):
        done.set_exception(result)
    else:
        done.set_result(result)
