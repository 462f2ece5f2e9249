"""Blocking reads off the event loop: those that are asked for together share a trip to a thread.

A trip to a thread and back takes about as long as a recall. Reads of concurrent tasks tend to come
in one turn of the event loop, because the last ones came back in one.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

LOOK_SECONDS = 0.02
"""How often it is looked whether reads get on."""

FEWEST = 4
"""Where fewer reads than this ended since the last look, the others get threads of their own."""

TELL_SECONDS = 0.005
"""How long a result waits at most for those behind it."""


class ReadQueue:
    """Runs reads in threads. To be used from any number of event loops.

    The reads of one loop are run one after the other, in their order, by one thread: several would
    only wait for each other's turn of the interpreter and of the store. Slow ones (a large user's
    first recall, a server: some milliseconds) hold up the others for no longer than
    ``LOOK_SECONDS``. What one read raises is its own caller's alone; one whose caller is cancelled
    before it begins is not run.
    """

    def __init__(self) -> None:
        self._lanes: dict[asyncio.AbstractEventLoop, _Lane] = {}

    async def run(self, read: Callable[..., T], *arguments: Any) -> T:
        """Return ``read(*arguments)``, called in a thread and in the context of the caller.

        Raises:
            Exception: what the read raises.
        """
        loop = asyncio.get_running_loop()
        lane = self._lanes.get(loop)
        if lane is None:
            lane = self._lanes[loop] = _Lane(loop, lambda: self._lanes.pop(loop))
        done: asyncio.Future[T] = loop.create_future()
        lane.ask(_Read(done, contextvars.copy_context(), read, arguments))
        return await done


class _Read(NamedTuple):
    done: asyncio.Future[Any]
    context: contextvars.Context
    call: Callable[..., Any]
    arguments: tuple[Any, ...]


class _Lane:
    """What is read for one loop, until nothing is left to read. All but ``_work`` runs on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, over: Callable[[], object]) -> None:
        self._loop = loop
        self._over = over
        self._waiting: deque[_Read] = deque()
        self._ended: deque[tuple[_Read, Any, BaseException | None]] = deque()
        self._workers = 0
        self._finished = 0
        self._look = loop.call_soon(self._begin)  # what is asked for in this turn goes together

    def ask(self, read: _Read) -> None:
        """Put a read behind the others."""
        self._waiting.append(read)

    def _begin(self) -> None:
        self._work_on(1)
        self._look_later()

    def _look_later(self) -> None:
        self._look = self._loop.call_later(LOOK_SECONDS, self._looked, self._finished)

    def _looked(self, before: int) -> None:
        """See that slow reads do not hold up the others."""
        if self._finished - before < FEWEST:
            self._work_on(len(self._waiting))
        self._look_later()
        self._tell()

    def _work_on(self, workers: int) -> None:
        for _ in range(workers):
            try:
                trip = self._loop.run_in_executor(None, self._work)
            except RuntimeError as error:  # the loop or the interpreter is shutting down
                while self._waiting:
                    self._ended.append((self._waiting.popleft(), None, error))
                trip = self._loop.create_future()
                trip.set_result(None)
            self._workers += 1
            trip.add_done_callback(self._left)

    def _left(self, _: object) -> None:
        """A thread found nothing more to do: tell, and end with the last one."""
        self._workers -= 1
        self._tell()
        if self._workers:
            return
        if self._waiting:  # asked for after the thread had looked
            self._work_on(1)
        else:
            self._look.cancel()
            self._over()

    def _work(self) -> None:
        """Run what is waiting. In a thread; taking from a deque is atomic."""
        told = time.monotonic()
        while True:
            try:
                read = self._waiting.popleft()
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
            self._finished += 1
            if time.monotonic() - told > TELL_SECONDS and self._waiting:
                self._loop.call_soon_threadsafe(self._tell)
                told = time.monotonic()

    def _tell(self) -> None:
        while self._ended:
            read, result, error = self._ended.popleft()
            if read.done.done():
                continue
            if error is None:
                read.done.set_result(result)
            else:
                read.done.set_exception(error)
