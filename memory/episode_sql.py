"""The statements on a user's episodes in ``memory.db``. Each runs in its caller's transaction."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from persona_agent.errors import StoreDamagedError
from persona_agent.memory.codec import encode, micros, mismatch, outcome_code
from persona_agent.memory.coded import Coded
from persona_agent.memory.row_cache import CachedUser
from persona_agent.memory.rows import Rows
from persona_agent.memory.selection import Selection
from persona_agent.protocols import Vectors
from persona_agent.schema import Episode

_IDS_AT_ONCE = 500
_ROWS_AT_ONCE = 1_000
_BEGINNING, _END_OF_TIME = -(2**63), 2**63 - 1

_INSERT = """
    INSERT INTO episodes (user_id, id, at, task, outcome, vector, metadata, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_TIMELINE = """
    SELECT body FROM episodes
    WHERE user_id = :user AND at >= :since AND at < :before AND (:task IS NULL OR task = :task)
        AND (NOT :with_outcome OR outcome <> 0)
    ORDER BY at DESC, id DESC LIMIT :limit
"""
_ORDER = "SELECT id, at FROM episodes WHERE user_id = ? ORDER BY at DESC, id"
_ROWS = "SELECT id, outcome, task, vector FROM episodes WHERE user_id = ?"
STAMP_OF = "SELECT stamp FROM users WHERE user_id = ?"
_STAMP = """
    INSERT INTO users (user_id, stamp) VALUES (?, ?)
    ON CONFLICT (user_id) DO UPDATE SET stamp = excluded.stamp
"""
_NOTE = """
    INSERT INTO meta (key, value) VALUES (?, ?)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value
"""

Row = tuple[str, str, int, str, int, bytes, str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """A write to one user's episodes: the stamps before and after it, and what it did to them."""

    user_id: str
    before: int | None
    after: int
    apply: Callable[[CachedUser], CachedUser]


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


def change(
    connection: sqlite3.Connection, user_id: str, apply: Callable[[CachedUser], CachedUser]
) -> Change:
    """Give a user's episodes a new stamp, after a write to them."""
    before = stamp(connection, user_id)
    after = random.getrandbits(62)  # not a counter: it must not come back after a user is forgotten
    connection.execute(_STAMP, (user_id, after))
    return Change(user_id, before, after, apply)


def stamp(connection: sqlite3.Connection, user_id: str) -> int | None:
    """Return the stamp of a user's episodes, None for a user who never had any."""
    found = connection.execute(STAMP_OF, (user_id,)).fetchone()
    return None if found is None else int(found[0])


def bodies(connection: sqlite3.Connection, user_id: str, ids: Sequence[str]) -> dict[str, str]:
    """Return the JSON of those of the named episodes that exist."""
    found: dict[str, str] = {}
    for some, marks in _chunks(ids):
        query = f"SELECT id, body FROM episodes WHERE user_id = ? AND id IN ({marks})"
        found.update(connection.execute(query, (user_id, *some)).fetchall())
    return found


def vectors(
    connection: sqlite3.Connection, path: Path, user_id: str, ids: Sequence[str]
) -> tuple[dict[str, npt.NDArray[np.float32]], int]:
    """Return the vectors of those of the named episodes that exist, and the dimension of all."""
    dimension = _dimension(connection)
    found: dict[str, npt.NDArray[np.float32]] = {}
    for some, marks in _chunks(ids):
        query = f"SELECT id, vector FROM episodes WHERE user_id = ? AND id IN ({marks})"
        lot = connection.execute(query, (user_id, *some)).fetchall()
        matrix = _matrix([blob for _, blob in lot], dimension, path)
        found.update(zip([id_ for id_, _ in lot], matrix, strict=True))
    return found, dimension


def timeline(
    connection: sqlite3.Connection, user_id: str, selection: Selection, limit: int | None
) -> list[str]:
    """Return the JSON of the latest episodes, oldest of them first."""
    values = {
        "user": user_id,
        "before": _END_OF_TIME if selection.before is None else selection.before,
        "since": _BEGINNING if selection.since is None else selection.since,
        "task": selection.task,
        "with_outcome": selection.with_outcome,
        "limit": -1 if limit is None else limit,
    }
    return [body for (body,) in reversed(connection.execute(_TIMELINE, values).fetchall())]


def rows(connection: sqlite3.Connection, path: Path, user_id: str) -> Rows:
    """Return all rows of a user. Raises StoreDamagedError.

    The index has the order, so that each vector is put where it belongs as it is read: sorting
    afterwards would hold all of them twice.
    """
    order = connection.execute(_ORDER, (user_id,)).fetchall()
    places = {id_: place for place, (id_, _) in enumerate(order)}
    outcomes = np.zeros(len(order), dtype=np.int64)
    tasks = [""] * len(order)
    vectors = np.empty((len(order), _dimension(connection)), dtype=np.float32)
    found = connection.execute(_ROWS, (user_id,))
    while lot := found.fetchmany(_ROWS_AT_ONCE):
        ids, known, names, blobs = zip(*lot, strict=True)
        index = [places[id_] for id_ in ids]
        outcomes[index] = known
        vectors[index] = _matrix(blobs, vectors.shape[1], path)
        for place, name in zip(index, names, strict=True):
            tasks[place] = name
    return Rows(
        ids=list(places),
        at=np.asarray([at for _, at in order], dtype=np.int64),
        outcomes=outcomes,
        tasks=Coded.of(tasks),
        vectors=vectors,
    )


def columns(
    connection: sqlite3.Connection, user_id: str, ids: Sequence[str], keys: Sequence[str]
) -> dict[str, Coded]:
    """Return what a user's metadata has under these keys, for the rows in this order."""
    found = connection.execute("SELECT id, metadata FROM episodes WHERE user_id = ?", (user_id,))
    metadata = {id_: json.loads(text) for id_, text in found}
    return {key: Coded.of(metadata[id_].get(key) for id_ in ids) for key in keys}


def _matrix(blobs: Sequence[bytes], dimension: int, path: Path) -> Vectors:
    """Return stored vectors as float32, shape (n, dimension). Raises StoreDamagedError."""
    if any(len(blob) != 4 * dimension for blob in blobs):
        raise StoreDamagedError(
            f"{path} holds a vector that is not of dimension {dimension}; the texts are intact: "
            "export the data and import it into an empty data directory"
        )
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


def _dimension(connection: sqlite3.Connection) -> int:
    return int(_meta(connection).get("dimension", 0))


def _meta(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT key, value FROM meta").fetchall())


def _chunks(ids: Sequence[str]) -> list[tuple[Sequence[str], str]]:
    """Return the ids in lots that fit into one statement, each with its placeholders."""
    lots = [ids[start : start + _IDS_AT_ONCE] for start in range(0, len(ids), _IDS_AT_ONCE)]
    return [(lot, ",".join("?" * len(lot))) for lot in lots]
