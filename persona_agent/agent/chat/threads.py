"""Where the threads of the chat are kept, and who may work on one at a time.

The file is written by LangGraph's checkpointer (see :mod:`persona_agent.agent.chat.graph`). It is
separate from the other data, because a checkpointer keeps its own locks and its own schema.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path

from persona_agent.agent.alone import alone
from persona_agent.errors import ConflictError, StoreDamagedError, StoreUnavailableError

SECONDS_TO_WAIT = 30.0
"""How long a connection waits for another one's write."""

_LOCK = ".lock"


def user_prefix(user: str) -> str:
    """Return what the ids of all threads of a user begin with, and no other user's."""
    return f"{_hash(user)}:"


def thread_id(user: str, thread: str) -> str:
    """Return the checkpointer's id of a user's thread.

    Both parts are hashed, so that no name, whatever it contains, leads to another user's thread.
    """
    return user_prefix(user) + _hash(thread)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


class ThreadLocks:
    """One turn at a time in each thread, across event loops and processes.

    Within one object turns come in the order of arrival. Others are kept out by a locked file for
    each turn under way, which the operating system frees when its process ends.
    """

    def __init__(self, folder: Path, *, timeout: float) -> None:
        """Take the folder of the locked files and how many seconds to wait for other processes."""
        self._folder = folder
        self._timeout = timeout
        self._guard = threading.Lock()
        self._last: dict[str, Future[None]] = {}

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Wait until it is this one's turn. Cancelling the wait gives the place up.

        Raises:
            ConflictError: a turn of another process in this thread did not end in time.
            StoreUnavailableError: the folder cannot be written.
        """
        async with self._place(key), self._file(key):
            yield

    @asynccontextmanager
    async def _file(self, key: str) -> AsyncIterator[None]:
        """Keep other processes out of a thread."""
        path = self._folder / f"{key.replace(':', '-')}{_LOCK}"
        async with AsyncExitStack() as held:
            try:
                await held.enter_async_context(alone(path, patience=self._timeout))
            except TimeoutError:
                raise ConflictError(
                    "another process is still answering in this chat thread: nothing was done; "
                    "send the message again when it has answered"
                ) from None
            yield

    @asynccontextmanager
    async def _place(self, key: str) -> AsyncIterator[None]:
        """Wait for the turns of this object that came before."""
        mine: Future[None] = Future()
        with self._guard:
            previous = self._last.get(key)
            self._last[key] = mine

        def leave(_: object = None) -> None:
            with self._guard:
                if self._last.get(key) is mine:
                    del self._last[key]
            mine.set_result(None)

        try:
            if previous is not None:
                # Shielded: cancelling this wait must not mark the other one's turn as over.
                await asyncio.shield(asyncio.wrap_future(previous))
            yield
        finally:
            if previous is None or previous.done():
                leave()
            else:
                previous.add_done_callback(leave)

    @asynccontextmanager
    async def hold_all(self, prefix: str, *, timeout: float) -> AsyncIterator[None]:
        """Hold every busy thread of a user.

        Raises:
            TimeoutError: one stays busy.
            ConflictError: one stays busy in another process.
        """
        with self._guard:
            here = {key for key in self._last if key.startswith(prefix)}
        files = self._folder.glob(f"{prefix.replace(':', '-')}*{_LOCK}")
        elsewhere = {path.name.removesuffix(_LOCK).replace("-", ":") for path in files}
        busy = sorted(here | elsewhere)
        async with AsyncExitStack() as held:
            async with asyncio.timeout(timeout):
                for key in busy:
                    await held.enter_async_context(self.hold(key))
            yield


class ThreadFile:
    """The SQLite file with the checkpoints of all threads. Blocking."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._ready = False

    def prepare(self) -> None:
        """Create the file where it is missing. Raises StoreError.

        Done once and under a lock: several connections that switch a new file to WAL at the
        same moment get "database is locked" at once, without waiting.
        """
        with self._lock, self.errors():
            if self._ready and self.path.exists():
                return
            self._make_folder()
            with closing(sqlite3.connect(self.path, timeout=SECONDS_TO_WAIT)) as connection:
                connection.execute("PRAGMA journal_mode=WAL").fetchone()
            self._ready = True

    def forget(self, user: str) -> int:
        """Remove all threads of a user; return how many there were. Raises StoreError."""
        if not self.path.exists():
            return 0
        with self.errors(), closing(sqlite3.connect(self.path, timeout=SECONDS_TO_WAIT)) as file:
            file.execute("PRAGMA secure_delete=ON")
            tables = {row[0] for row in file.execute("SELECT name FROM sqlite_master")}
            if "checkpoints" not in tables:
                return 0
            pattern = (f"{user_prefix(user)}%",)
            with file:
                found = file.execute(
                    "SELECT count(DISTINCT thread_id) FROM checkpoints WHERE thread_id LIKE ?",
                    pattern,
                ).fetchone()
                file.execute("DELETE FROM checkpoints WHERE thread_id LIKE ?", pattern)
                file.execute("DELETE FROM writes WHERE thread_id LIKE ?", pattern)
            # What is deleted must not live on in the write-ahead log.
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return int(found[0])

    def _make_folder(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailableError(
                f"the folder {self.path.parent} cannot be made: {error}"
            ) from error

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the errors of SQLite into this library's."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StoreUnavailableError(
                f"the chat threads in {self.path} cannot be used ({error}): "
                "check that the folder can be written and the disk has room"
            ) from error
        except sqlite3.DatabaseError as error:
            raise StoreDamagedError(
                f"the chat threads in {self.path} are damaged ({error}): let 'persona-agent memory "
                "rebuild' keep those that are readable, or move that file away to start new "
                "threads; episodes, facts and personas are in other files and intact"
            ) from error
