"""Long work beside the pages: in a thread with an event loop of its own, and it can be stopped."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Literal, TypeVar

from persona_agent.errors import PersonaAgentError

T = TypeVar("T")
Work = Callable[["Job[T]"], Coroutine[Any, Any, T]]
State = Literal["running", "stopping", "done", "stopped", "failed"]

logger = logging.getLogger("persona_agent.ui")


class Job(Generic[T]):
    """One piece of work. It never touches Streamlit, which knows no session in a thread."""

    def __init__(self, work: Work[T], *, name: str = "work") -> None:
        """Start the work at once; it is handed this job, to tell how far it is."""
        self.state: State = "running"
        self.problem = ""
        self.note = ""
        self.share = 0.0
        self._result: list[T] = []
        self._began = time.monotonic()
        self._ended: float | None = None
        self._lock = threading.Lock()
        self._cancel: Callable[[], object] | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it is under way, or about to stop."""
        return self.state in ("running", "stopping")

    @property
    def seconds(self) -> float:
        """How long it has taken so far, or took."""
        return (self._ended or time.monotonic()) - self._began

    @property
    def result(self) -> T | None:
        """What came of it; None while it runs, and where nothing did."""
        return self._result[0] if self._result else None

    @property
    def failed(self) -> bool:
        """Whether it ended, and nothing came of it."""
        return not self.running and self.result is None

    def progress(self, what: str, done: int, total: int) -> None:
        """Take a note of how far it is; to be called by the work."""
        self.note = f"{what}: {done} of {total}" if total > 1 else what
        self.share = done / total if total else 0.0

    def stop(self) -> None:
        """Cancel the work where it waits. Idempotent; does nothing once it has ended."""
        with self._lock:
            if self.state == "running":
                self.state = "stopping"
                if self._cancel is not None:
                    self._cancel()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most so long; tell whether it came."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self, work: Work[T]) -> None:
        try:
            self._result.append(asyncio.run(self._main(work)))
            end: State = "done"
        except asyncio.CancelledError:
            end = "stopped"
        except PersonaAgentError as error:
            self.problem, end = str(error), "failed"
        except Exception as error:  # a page must say that it ended, whatever it was
            logger.exception("work beside the pages failed")
            self.problem, end = f"{type(error).__name__}; the log of the app has more", "failed"
        self._ended = time.monotonic()
        self.state = end

    async def _main(self, work: Work[T]) -> T:
        task = asyncio.ensure_future(work(self))
        loop = asyncio.get_running_loop()
        with self._lock:
            self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
            if self.state == "stopping":
                task.cancel()
        try:
            return await task
        finally:
            with self._lock:
                self._cancel = None
