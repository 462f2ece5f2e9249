"""Validated answers kept on disk by the content of the request, so that none is paid for twice."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from persona_agent.errors import SettingsError
from persona_agent.protocols import ChatMessage, Prompt

logger = logging.getLogger(__name__)

_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, user_id TEXT NOT NULL, answer TEXT NOT NULL
) WITHOUT ROWID
"""


_DRAW: ContextVar[int] = ContextVar("persona_agent_draw", default=0)


@contextmanager
def of_draw(draw: int) -> Iterator[None]:
    """Keep answers that are asked for inside apart from those of other draws, from 0.

    Whoever asks the same again to see how answers vary must not get the first one from here.
    """
    token = _DRAW.set(draw)
    try:
        yield
    finally:
        _DRAW.reset(token)


def current_draw() -> int:
    """Return which draw is asked for here; 0 for the first."""
    return _DRAW.get()


def request_key(
    model: str,
    messages: Sequence[ChatMessage],
    prompt: Prompt[Any, Any],
    *,
    temperature: float | None,
) -> str:
    """Return the content hash of a request. The API's address is no part of it; the draw is."""
    content: list[Any] = [
        model,
        [message.model_dump(mode="json") for message in messages],
        prompt.output.model_json_schema(),
        prompt.digest,
        temperature,
    ]
    content += [current_draw()] if current_draw() else []
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class ResponseCache:
    """Answers in one SQLite file. Blocking; safe for several threads and processes.

    A cache that cannot be read or written costs calls, never answers: after it was opened, its
    troubles are logged and count as misses.
    """

    def __init__(self, directory: Path) -> None:
        """Open or create the cache. Raises SettingsError when that fails."""
        path = directory / "answers.sqlite"
        self._lock = threading.Lock()
        connection: sqlite3.Connection | None = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=5.0, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA secure_delete=ON")  # answers are personal; see forget()
            connection.execute(_TABLE)
            connection.commit()
        except (OSError, sqlite3.Error) as error:
            if connection is not None:
                connection.close()
            raise SettingsError(
                f"the cache {path} cannot be opened ({error}): delete that file or set "
                "PERSONA_AGENT_CACHE_DIR to a folder that can be written"
            ) from None
        self._connection = connection

    def get(self, key: str) -> str | None:
        """Return the stored answer, or None."""
        row = self._run("SELECT answer FROM answers WHERE key = ?", (key,))
        return str(row[0][0]) if row else None

    def put(self, key: str, answer: str, *, user_id: str) -> None:
        """Store an answer, remembering whose it is."""
        self._run("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, user_id, answer))

    def forget(self, user_id: str) -> int:
        """Remove a user's answers; return how many there were."""
        found = self._run("DELETE FROM answers WHERE user_id = ? RETURNING key", (user_id,))
        self._run("PRAGMA wal_checkpoint(TRUNCATE)", ())
        return len(found)

    def close(self) -> None:
        """Release the file. Idempotent."""
        with self._lock:
            self._connection.close()

    def _run(self, statement: str, values: tuple[str, ...]) -> list[Any]:
        try:
            with self._lock, self._connection:
                return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            logger.warning("the response cache failed and is skipped: %s", error)
            return []
