"""What happened in a turn, end to end: what was recalled, what steered, what ran, what it cost.

A trace names episodes and claims; it holds no text of the user. The file is bounded: the oldest
traces make room for new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, Field

from persona_agent.memory.database import Database, Migrations
from persona_agent.schema import Usage, UserId, new_id
from persona_agent.schema.base import Record

TRACES_FILE = "traces.db"
MOST_TRACES = 20_000
_CACHE_KIB = 2 * 1024  # traces are written in order and seldom read: pages in memory help nobody

_TABLES: Migrations = (
    (
        "CREATE TABLE traces (position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, "
        "user_id TEXT NOT NULL, body TEXT NOT NULL)",
        "CREATE INDEX traces_of_user ON traces (user_id)",
    ),
)


class RecalledTrace(Record):
    """A memory that the model got to see, with its scores."""

    episode_id: str
    score: float
    similarity: float


class Trace(Record):
    """One turn.

    ``id`` is that of its episode. ``claims`` are the ids of the persona's claims that the model
    got to see, ``tools_called`` what it asked the host to run. ``seconds`` holds the time of each
    step, ``first_piece`` the time until the first piece of a streamed answer. ``costs`` are the
    parts of ``usage`` by step, for a chat turn with its repairs.
    """

    id: str = Field(default_factory=new_id)
    user_id: UserId
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    thread: str = ""
    model: str = ""
    streamed: bool = False
    persona_version: str = ""
    claims: tuple[str, ...] = ()
    recalled: tuple[RecalledTrace, ...] = ()
    tools_offered: tuple[str, ...] = ()
    tools_called: tuple[str, ...] = ()
    usage: Usage = Usage()
    costs: dict[str, Usage] = Field(default_factory=dict)
    seconds: dict[str, float] = Field(default_factory=dict)
    remembered: bool = False
    error: str = ""


class TraceStore:
    """The traces of one data directory. Blocking, thread-safe."""

    def __init__(self, path: Path, *, most: int = MOST_TRACES) -> None:
        """Open the file. Raises StoreError."""
        self._db = Database(path, _TABLES)
        self._most = most
        with self._db.reading() as connection:
            connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")

    def add(self, traces: Sequence[Trace]) -> None:
        """Store traces; one with an id that is there replaces the old one of the same user."""
        rows = [(trace.id, trace.user_id, trace.model_dump_json()) for trace in traces]
        with self._db.writing() as connection:
            connection.executemany(
                "INSERT INTO traces (id, user_id, body) VALUES (?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET body = excluded.body "
                "WHERE user_id = excluded.user_id",
                rows,
            )
            connection.execute(
                "DELETE FROM traces WHERE position <= (SELECT max(position) FROM traces) - ?",
                (self._most,),
            )

    def get(self, trace_id: str, *, user_id: str | None = None) -> Trace | None:
        """Return a trace, or None; with ``user_id`` only one of this user's."""
        with self._db.reading() as connection:
            row = connection.execute(
                "SELECT body FROM traces WHERE id = ?1 AND (?2 IS NULL OR user_id = ?2)",
                (trace_id, user_id),
            ).fetchone()
        return None if row is None else Trace.model_validate_json(row[0])

    def forget(self, user_id: str) -> int:
        """Remove the traces of a user; return how many there were."""
        with self._db.writing() as connection:
            removed = connection.execute(
                "DELETE FROM traces WHERE user_id = ?", (user_id,)
            ).rowcount
        self._db.purge()
        return removed

    def close(self) -> None:
        """Release the file. Idempotent."""
        self._db.close()


def forget_traces(data_dir: Path, user_id: str) -> int:
    """Remove the traces of a user where there are any; return how many there were."""
    path = data_dir / TRACES_FILE
    if not path.exists():
        return 0
    store = TraceStore(path)
    try:
        return store.forget(user_id)
    finally:
        store.close()
