"""Blocking reads off the event loop: those that are asked for together share a trip to a thread.

A trip to a thread and back takes about as long as a recall. Reads of concurrent tasks tend to come
in one turn of the event loop, because the last ones came back in one.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

TOGETHER_SECONDS = 0.02
"""How often a batch is looked at while it runs."""

FEWEST = 4
"""Where fewer reads than this ended since the last look, the others get threads of their own."""


class ReadQueue:
    """Runs reads in threads. To be used from any number of event loops.

    Reads of one turn of a loop are run one after the other, in their order, by one thread. Slow
    ones (a large user's first recall, a server: some milliseconds) hold up the others for no longer
    than ``TOGETHER_SECONDS``. What one read raises is its own caller's alone; one whose caller is
    cancelled before it begins is not run.
    """

    def __init__(self) -> None:
        self._coming: dict[asyncio.AbstractEventLoop, _Batch] = {}

    async def run(self, read: Callable[..., T], *arguments: Any) -> T:
        """Return ``read(*arguments)``, called in a thread and in the context of the caller.

        Raises:
            Exception: what the read raises.
        """
        loop = asyncio.get_running_loop()
        batch = self._coming.get(loop)
        if batch is None:
            batch = self._coming[loop] = _Batch(loop)
            loop.call_soon(self._send, loop)
        done: asyncio.Future[T] = loop.create_future()
        batch.waiting.append(_Read(done, contextvars.copy_context(), read, arguments))
        return await done

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        self._coming.pop(loop).send()


class _Read(NamedTuple):
    done: asyncio.Future[Any]
    context: contextvars.Context
    call: Callable[..., Any]
    arguments: tuple[Any, ...]


class _Batch:
    """The reads of one turn of a loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.waiting: deque[_Read] = deque()
        self._ended: deque[tuple[_Read, Any, BaseException | None]] = deque()

    def send(self) -> None:
        """Begin; results are told on the loop."""
        self._look_later(len(self.waiting))
        self._trip().add_done_callback(lambda _: self._look.cancel())

    def _look_later(self, waiting: int) -> None:
        self._look = self._loop.call_later(TOGETHER_SECONDS, self._looked, waiting)

    def _looked(self, before: int) -> None:
        """Tell what has ended, and see that slow reads do not hold up the others."""
        waiting = len(self.waiting)
        if before - waiting >= FEWEST:
            self._look_later(waiting)
        else:
            for _ in range(waiting):
                self._trip()
        self._tell()

    def _trip(self) -> asyncio.Future[None]:
        try:
            trip = self._loop.run_in_executor(None, self._work)
        except RuntimeError as error:  # the loop or the interpreter is shutting down
            trip = self._loop.create_future()
            trip.set_result(None)
            while self.waiting:
                self._ended.append((self.waiting.popleft(), None, error))
        trip.add_done_callback(lambda _: self._tell())
        return trip

    def _work(self) -> None:
        """Run what is waiting. In a thread; taking from a deque is atomic."""
        while True:
            try:
                read = self.waiting.popleft()
            except IndexError:
                return
            if read.done.cancelled():
                continue
            try:
                result = read.context.run(read.call, *read.arguments)
            except BaseException as error:
                self._ended.append((read, None, error))
            else:
                self._ended.append((read, result, None))

    def _tell(self) -> None:
        while self._ended:
            read, result, error = self._ended.popleft()
            if read.done.done():
                continue
            if error is None:
                read.done.set_result(result)
            else:
                read.done.set_exception(error)
