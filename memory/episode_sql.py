"""The statements on a user's episodes in ``memory.db``. Each runs in its caller's transaction."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from persona_agent.errors import StoreDamagedError
from persona_agent.memory.codec import encode, micros, mismatch, outcome_code
from persona_agent.memory.rows import Rows
from persona_agent.memory.selection import Metadata
from persona_agent.protocols import Vectors
from persona_agent.schema import Episode

_IDS_AT_ONCE = 500
_END_OF_TIME = 2**63 - 1

_INSERT = """
    INSERT INTO episodes (user_id, id, at, task, outcome, vector, metadata, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_TIMELINE = """
    SELECT body FROM episodes
    WHERE user_id = :user AND at < :before AND (:task IS NULL OR task = :task)
        AND (NOT :with_outcome OR outcome <> 0)
    ORDER BY at DESC, id DESC LIMIT :limit
"""
_STAMP = """
    INSERT INTO users (user_id, stamp) VALUES (?, ?)
    ON CONFLICT (user_id) DO UPDATE SET stamp = excluded.stamp
"""
_NOTE = """
    INSERT INTO meta (key, value) VALUES (?, ?)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value
"""

Row = tuple[str | int | bytes, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A write to one user's episodes: the stamps before and after it, and what it did to rows."""

    user_id: str
    before: int | None
    after: int
    apply: Callable[[Rows], Rows]


def row(episode: Episode, vector: npt.NDArray[np.float32]) -> Row:
    """Return the columns of an episode. Raises InputError for what cannot be stored."""
    body = encode(episode)
    return (
        episode.user_id,
        episode.id,
        micros(episode.at),
        episode.query.task_name,
        outcome_code(episode.outcome),
        vector.astype("<f4", copy=False).tobytes(),
        json.dumps(episode.metadata),
        body,
    )


def insert(connection: sqlite3.Connection, columns: Row) -> bool:
    """Store a row unless the user has its id; tell whether it was new."""
    return connection.execute(_INSERT, columns).rowcount == 1


def change(connection: sqlite3.Connection, user_id: str, apply: Callable[[Rows], Rows]) -> Change:
    """Give a user's episodes a new stamp, after a write to them."""
    before = stamp(connection, user_id)
    after = random.getrandbits(62)  # not a counter: it must not come back after a user is forgotten
    connection.execute(_STAMP, (user_id, after))
    return Change(user_id, before, after, apply)


def stamp(connection: sqlite3.Connection, user_id: str) -> int | None:
    """Return the stamp of a user's episodes, None for a user who never had any."""
    found = connection.execute("SELECT stamp FROM users WHERE user_id = ?", (user_id,)).fetchone()
    return None if found is None else int(found[0])


def bodies(connection: sqlite3.Connection, user_id: str, ids: Sequence[str]) -> dict[str, str]:
    """Return the JSON of those of the named episodes that exist."""
    found: dict[str, str] = {}
    for some, marks in _chunks(ids):
        query = f"SELECT id, body FROM episodes WHERE user_id = ? AND id IN ({marks})"
        found.update(connection.execute(query, (user_id, *some)).fetchall())
    return found


def vectors(connection: sqlite3.Connection, user_id: str, ids: Sequence[str]) -> dict[str, bytes]:
    """Return the vectors of those of the named episodes that exist."""
    found: dict[str, bytes] = {}
    for some, marks in _chunks(ids):
        query = f"SELECT id, vector FROM episodes WHERE user_id = ? AND id IN ({marks})"
        found.update(connection.execute(query, (user_id, *some)).fetchall())
    return found


def timeline(
    connection: sqlite3.Connection,
    user_id: str,
    *,
    before: datetime | None,
    task: str | None,
    with_outcome: bool,
    limit: int | None,
) -> list[str]:
    """Return the JSON of the latest episodes, oldest of them first."""
    values = {
        "user": user_id,
        "before": _END_OF_TIME if before is None else micros(before),
        "task": task,
        "with_outcome": with_outcome,
        "limit": -1 if limit is None else limit,
    }
    return [body for (body,) in reversed(connection.execute(_TIMELINE, values).fetchall())]


def rows(connection: sqlite3.Connection, path: Path, user_id: str) -> Rows:
    """Return all rows of a user."""
    found = connection.execute(
        "SELECT id, at, outcome, task, vector FROM episodes WHERE user_id = ?", (user_id,)
    ).fetchall()
    ids, at, outcomes, tasks, blobs = zip(*found, strict=True) if found else ((),) * 5
    return Rows.of(ids, at, outcomes, tasks, matrix(connection, path, blobs))


def metadata(connection: sqlite3.Connection, user_id: str) -> tuple[dict[str, Metadata], int]:
    """Return the metadata of all episodes of a user by id, and the memory it takes, about."""
    found = connection.execute(
        "SELECT id, metadata FROM episodes WHERE user_id = ?", (user_id,)
    ).fetchall()
    size = sum(300 + 3 * len(text) for _, text in found)
    return {id_: json.loads(text) for id_, text in found}, size


def matrix(connection: sqlite3.Connection, path: Path, blobs: Sequence[bytes]) -> Vectors:
    """Return stored vectors as float32, shape (n, dimension). Raises StoreDamagedError."""
    dimension = int(_meta(connection).get("dimension", 0))
    if any(len(blob) != 4 * dimension for blob in blobs):
        raise StoreDamagedError(
            f"{path} holds a vector that is not of dimension {dimension}; the texts are intact: "
            "export the data and import it into an empty data directory"
        )
    if not blobs:
        return np.zeros((0, dimension), dtype=np.float32)
    return np.frombuffer(b"".join(blobs), dtype="<f4").reshape(len(blobs), dimension)


def check_embedder(
    connection: sqlite3.Connection, path: Path, embedder: str, dimension: int | None = None
) -> None:
    """Raise EmbedderMismatchError when stored vectors are of another embedder or dimension."""
    meta = _meta(connection)
    if not meta:
        return
    if meta["embedder"] == embedder and dimension in (None, int(meta["dimension"])):
        return
    if connection.execute("SELECT 1 FROM episodes LIMIT 1").fetchone():
        used = embedder if dimension is None else f"{embedder} (dimension {dimension})"
        raise mismatch(path, f"{meta['embedder']} (dimension {meta['dimension']})", used)


def claim(connection: sqlite3.Connection, path: Path, embedder: str, dimension: int) -> None:
    """Note whose vectors these are; an empty store takes those of any embedder."""
    check_embedder(connection, path, embedder, dimension)
    connection.executemany(_NOTE, [("embedder", embedder), ("dimension", str(dimension))])


def _meta(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT key, value FROM meta").fetchall())


def _chunks(ids: Sequence[str]) -> list[tuple[Sequence[str], str]]:
    """Return the ids in lots that fit into one statement, each with its placeholders."""
    lots = [ids[start : start + _IDS_AT_ONCE] for start in range(0, len(ids), _IDS_AT_ONCE)]
    return [(lot, ",".join("?" * len(lot))) for lot in lots]
