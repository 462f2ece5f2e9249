"""Blocking twins of the async methods, made in one place.

All of them run on one background event loop of the agent, so that connections and locks that
belong to a loop live as long as the agent does.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from persona_agent.errors import StoreUnavailableError

P = ParamSpec("P")
T = TypeVar("T")


class LoopThread:
    """An event loop in a daemon thread, started on first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end and return its result.

        A caller that is interrupted meanwhile (Ctrl-C) cancels it and waits until it has ended,
        so that nothing of it goes on when the caller cleans up.

        Raises:
            RuntimeError: called by what runs on this loop, such as a tool of a chat; it would wait
                for itself.
            StoreUnavailableError: the loop was closed meanwhile.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError(
                "a blocking twin (..._sync) was called by what the agent itself runs, such as a "
                "tool, and would wait for itself: await the async method there"
            )
        ended = threading.Event()
        tasks: list[asyncio.Task[T]] = []

        def start() -> None:
            tasks.append(loop.create_task(work))
            tasks[0].add_done_callback(lambda task: ended.set())

        with self._lock:  # so that a loop that is being closed gets nothing that it would not end
            loop = self._started()
            loop.call_soon_threadsafe(start)
        try:
            ended.wait()
        except BaseException:
            loop.call_soon_threadsafe(lambda: tasks[0].cancel())
            ended.wait()
            raise
        if tasks[0].cancelled() and loop is not self._loop:
            raise StoreUnavailableError("the agent was closed during this call: open it again")
        return tasks[0].result()

    def close(self) -> None:
        """Stop the loop, and end what is still under way on it. Idempotent."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(_end_others(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._loop.run_forever, name="persona-agent", daemon=True
            )
            self._thread.start()
        return self._loop


async def _end_others() -> None:
    """Cancel all other tasks of the running loop, and wait until they have ended."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class HasLoop(Protocol):
    """Anything with a background loop."""

    _background: LoopThread


S = TypeVar("S", bound=HasLoop)


def blocking(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], T]:
    """Return the blocking twin of an async method; within an event loop it holds up that loop."""

    def twin(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._background.run(method(self, *args, **kwargs))

    _present(twin, method)
    return twin


def blocking_iterator(
    method: Callable[Concatenate[S, P], AsyncIterator[T]],
) -> Callable[Concatenate[S, P], Iterator[T]]:
    """Return the blocking twin of an async generator method."""

    def twin(self: S, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        stream = aiter(method(self, *args, **kwargs))
        end = object()

        async def step() -> T | object:
            return await anext(stream, end)

        try:
            while (item := self._background.run(step())) is not end:
                yield item  # type: ignore[misc]
        finally:  # also when the reader stops early
            if isinstance(stream, AsyncGenerator):
                self._background.run(stream.aclose())

    _present(twin, method)
    return twin


def _present(twin: Callable[..., Any], method: Callable[..., Any]) -> None:
    """Have ``help`` and editors show a twin with the arguments and the text of its method."""
    signature = inspect.signature(method)
    returned = str(signature.return_annotation).removeprefix("Async")
    twin.__name__ = f"{method.__name__}_sync"
    twin.__qualname__ = f"{method.__qualname__}_sync"
    twin.__doc__ = f"Blocking twin of :meth:`{method.__name__}`.\n\n{inspect.getdoc(method) or ''}"
    twin.__signature__ = signature.replace(return_annotation=returned)  # type: ignore[attr-defined]
