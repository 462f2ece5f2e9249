"""Values that a host keeps for its users under namespaces: what is behind LangGraph's store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from persona_agent.errors import StoreDamagedError
from persona_agent.memory.codec import mismatch
from persona_agent.memory.database import Database, Migrations
from persona_agent.protocols import Vectors

ITEMS_FILE = "store.db"

Space = tuple[str, ...]
"""A namespace: labels without periods."""

_TABLES: Migrations = (
    (
        "CREATE TABLE embedder (name TEXT NOT NULL)",
        """
        CREATE TABLE items (
            user_id TEXT NOT NULL,
            space TEXT NOT NULL,          -- labels, a period after each
            key TEXT NOT NULL,
            value TEXT NOT NULL,          -- JSON
            created_at INTEGER NOT NULL,  -- microseconds since 1970
            updated_at INTEGER NOT NULL,
            PRIMARY KEY (user_id, space, key)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE vectors (
            user_id TEXT NOT NULL,
            space TEXT NOT NULL,
            key TEXT NOT NULL,
            place INTEGER NOT NULL,
            vector BLOB NOT NULL,         -- float32
            PRIMARY KEY (user_id, space, key, place)
        ) WITHOUT ROWID
        """,
    ),
)
_UNDER = "user_id = ? AND space >= ? AND space < ?"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Item:
    """A stored value."""

    space: Space
    key: str
    value: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Put:
    """A write: ``value`` is JSON, None deletes; ``vectors`` are what a search finds it by."""

    user_id: str
    space: Space
    key: str
    value: str | None
    vectors: Vectors


class ItemStore:
    """The items of one data directory. Blocking, thread-safe.

    Every call names one user and sees that user's items; the same namespace of another user is
    another place.
    """

    def __init__(self, path: Path, *, embedder: str) -> None:
        """Open the file. Raises StoreError, EmbedderMismatchError."""
        self._db = Database(path, _TABLES)
        self._embedder = embedder
        try:
            with self._db.reading() as connection:
                self._check(connection)
        except Exception:
            self._db.close()
            raise

    def get(self, user_id: str, space: Space, key: str) -> Item | None:
        """Return one item, or None."""
        with self._db.reading() as connection:
            row = connection.execute(
                "SELECT space, key, value, created_at, updated_at FROM items "
                "WHERE user_id = ? AND space = ? AND key = ?",
                (user_id, _joined(space), key),
            ).fetchone()
        return None if row is None else self._item(row)

    def under(self, user_id: str, prefix: Space, *, limit: int = -1, offset: int = 0) -> list[Item]:
        """Return the items in a namespace and below it, the one that was written last first."""
        with self._db.reading() as connection:
            rows = connection.execute(
                f"SELECT space, key, value, created_at, updated_at FROM items WHERE {_UNDER} "
                "ORDER BY updated_at DESC, space, key LIMIT ? OFFSET ?",
                (*_range(user_id, prefix), limit, offset),
            ).fetchall()
        return [self._item(row) for row in rows]

    def vectors(self, user_id: str, prefix: Space) -> tuple[list[tuple[Space, str]], Vectors]:
        """Return the vectors in a namespace and below it, with the items that they lead to."""
        with self._db.reading() as connection:
            rows = connection.execute(
                f"SELECT space, key, vector FROM vectors WHERE {_UNDER}", _range(user_id, prefix)
            ).fetchall()
        found = [np.frombuffer(vector, dtype=np.float32) for _, _, vector in rows]
        matrix = np.stack(found) if found else np.zeros((0, 0), dtype=np.float32)
        return [(_split(space), key) for space, key, _ in rows], matrix

    def spaces(self, user_id: str) -> list[Space]:
        """Return the namespaces that hold an item, sorted."""
        with self._db.reading() as connection:
            rows = connection.execute(
                "SELECT DISTINCT space FROM items WHERE user_id = ?", (user_id,)
            ).fetchall()
        return sorted(_split(space) for (space,) in rows)

    def write(self, puts: Sequence[Put]) -> None:
        """Store and delete items, all or none; they are durable when this returns.

        Raises:
            EmbedderMismatchError: another process stored vectors of another embedder.
            StoreError: nothing was written.
        """
        now = (datetime.now(UTC) - _BEGINNING) // timedelta(microseconds=1)
        with self._db.writing() as connection:
            for put in puts:
                place = (put.user_id, _joined(put.space), put.key)
                connection.execute(
                    "DELETE FROM vectors WHERE user_id = ? AND space = ? AND key = ?", place
                )
                if put.value is None:
                    connection.execute(
                        "DELETE FROM items WHERE user_id = ? AND space = ? AND key = ?", place
                    )
                    continue
                connection.execute(
                    "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                    "value = excluded.value, updated_at = excluded.updated_at",
                    (*place, put.value, now, now),
                )
                self._add_vectors(connection, place, put.vectors)
        if any(put.value is None for put in puts):
            self._db.purge()

    def close(self) -> None:
        """Release the file. Idempotent."""
        self._db.close()

    def _add_vectors(
        self, connection: sqlite3.Connection, place: tuple[str, str, str], vectors: Vectors
    ) -> None:
        if not len(vectors):
            return
        if not self._check(connection):
            connection.execute("DELETE FROM embedder")
            connection.execute("INSERT INTO embedder VALUES (?)", (self._embedder,))
        connection.executemany(
            "INSERT INTO vectors VALUES (?, ?, ?, ?, ?)",
            [(*place, number, vector.tobytes()) for number, vector in enumerate(vectors)],
        )

    def _check(self, connection: sqlite3.Connection) -> bool:
        """Tell whether the embedder in use is noted; a file without vectors takes any.

        Raises EmbedderMismatchError.
        """
        row = connection.execute("SELECT name FROM embedder").fetchone()
        if row is None or row[0] == self._embedder:
            return row is not None
        if connection.execute("SELECT 1 FROM vectors LIMIT 1").fetchone():
            raise mismatch(self._db.path, row[0], self._embedder)
        return False

    def _item(self, row: tuple[str, str, str, int, int]) -> Item:
        space, key, value, created, updated = row
        try:
            told = json.loads(value)
        except ValueError as error:
            raise StoreDamagedError(
                f"{self._db.path} holds a value that is not JSON under {space!r}, {key!r}: "
                "delete that item, or restore a backup"
            ) from error
        return Item(_split(space), key, told, _moment(created), _moment(updated))


def forget_items(data_dir: Path, user_id: str) -> int:
    """Remove the items of a user where there are any; return how many there were."""
    path = data_dir / ITEMS_FILE
    if not path.exists():
        return 0
    database = Database(path, _TABLES)
    try:
        return _forget(database, user_id)
    finally:
        database.close()


def _forget(database: Database, user_id: str) -> int:
    with database.writing() as connection:
        connection.execute("DELETE FROM vectors WHERE user_id = ?", (user_id,))
        removed = connection.execute("DELETE FROM items WHERE user_id = ?", (user_id,)).rowcount
    database.purge()
    return removed


def _joined(space: Space) -> str:
    return "".join(f"{label}." for label in space)


def _split(space: str) -> Space:
    return tuple(space.split(".")[:-1])


def _range(user_id: str, prefix: Space) -> tuple[str, str, str | bytes]:
    """Return the user, and the bounds of what begins with the labels.

    The character after the period is "/"; in SQLite every blob comes after every text.
    """
    start = _joined(prefix)
    return user_id, start, f"{start[:-1]}/" if start else b""


def _moment(micros: int) -> datetime:
    return _BEGINNING + timedelta(microseconds=micros)
