"""Episodes in SQLite: the record by default. Recall is exact over the one user's own rows."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from persona_agent.errors import NotFoundError
from persona_agent.memory import episode_sql as sql
from persona_agent.memory.codec import (
    attach,
    check_batch,
    check_limit,
    check_vector,
    decode,
    encode,
    micros,
    outcome_code,
)
from persona_agent.memory.database import Database
from persona_agent.memory.recall import rank
from persona_agent.memory.row_cache import CachedUser, RowCache
from persona_agent.memory.rows import Rows
from persona_agent.memory.selection import Selection
from persona_agent.memory.tables import MEMORY_TABLES
from persona_agent.protocols import Vectors
from persona_agent.schema import Episode, Feedback, RecallBlend, Recalled

CACHE_BYTES = 64 * 1024 * 1024


class SQLiteEpisodeStore:
    """An :class:`~persona_agent.protocols.EpisodeStore` in one file.

    What a user's recall needs is held in memory, up to ``cache_bytes`` over all users; writes of
    other connections and processes are noticed.
    """

    def __init__(self, path: Path | str, *, embedder: str, cache_bytes: int = CACHE_BYTES) -> None:
        """Open the file, creating it where it is missing.

        Args:
            path: the database file.
            embedder: name of the embedder that makes the vectors.
            cache_bytes: bound of the cache.

        Raises:
            EmbedderMismatchError: the file holds vectors of another embedder.
            StoreUnavailableError: the file cannot be opened or written.
            StoreDamagedError: the file is not a database.
        """
        self._embedder = embedder
        self._cache = RowCache(cache_bytes)
        self._db = Database(path, MEMORY_TABLES)
        try:
            with self._db.reading() as connection:
                sql.check_embedder(connection, self._db.path, embedder)
        except Exception:
            self._db.close()
            raise

    # --- writing ------------------------------------------------------------------------------

    def add(self, episodes: Sequence[Episode], vectors: Vectors) -> list[str]:
        """Store episodes in one transaction; return the ids that were new."""
        if not episodes:
            return []
        matrix = check_batch(episodes, vectors)
        rows = [sql.row(episode, vector) for episode, vector in zip(episodes, matrix, strict=True)]
        with self._db.lock:
            with self._db.writing() as connection:
                sql.claim(connection, self._db.path, self._embedder, matrix.shape[1])
                # In the order of the table, so that a large batch touches each page once.
                order = sorted(range(len(rows)), key=lambda i: rows[i][:2])
                new = sorted(i for i in order if sql.insert(connection, rows[i]))
                by_user: dict[str, list[int]] = defaultdict(list)
                for index in new:
                    by_user[episodes[index].user_id].append(index)
                changes = [
                    sql.change(connection, user_id, _merging(episodes, matrix, added))
                    for user_id, added in by_user.items()
                ]
            self._follow(changes)
        return [episodes[index].id for index in new]

    def set_outcome(
        self,
        user_id: str,
        episode_id: str,
        *,
        outcome: str | None = None,
        feedback: Feedback | None = None,
    ) -> Episode:
        """Attach an outcome or feedback, return the episode. Raises NotFoundError, InputError."""
        with self._db.lock:
            with self._db.writing() as connection:
                body = sql.bodies(connection, user_id, [episode_id]).get(episode_id)
                if body is None:
                    raise NotFoundError(f"user {user_id!r} has no episode {episode_id!r}")
                episode = attach(decode(body, self._db.path), outcome, feedback)
                code = outcome_code(episode.outcome)
                connection.execute(
                    "UPDATE episodes SET outcome = ?, body = ? WHERE user_id = ? AND id = ?",
                    (code, encode(episode), user_id, episode_id),
                )
                change = sql.change(
                    connection, user_id, lambda rows: rows.with_outcome(episode_id, code)
                )
            self._follow([change])
        return episode

    def delete(self, user_id: str, ids: Sequence[str]) -> int:
        """Remove episodes; return how many there were."""
        with self._db.lock:
            with self._db.writing() as connection:
                gone = list(sql.bodies(connection, user_id, ids))
                connection.executemany(
                    "DELETE FROM episodes WHERE user_id = ? AND id = ?",
                    [(user_id, id_) for id_ in gone],
                )
                if not gone:
                    return 0
                change = sql.change(connection, user_id, lambda rows: rows.without(gone))
            self._follow([change])
            self._db.purge()
        return len(gone)

    def forget(self, user_id: str) -> int:
        """Remove everything of a user; return how many episodes there were."""
        with self._db.lock:
            with self._db.writing() as connection:
                deleted = connection.execute("DELETE FROM episodes WHERE user_id = ?", (user_id,))
                connection.execute("DELETE FROM users WHERE user_id = ?", (user_id,))
            self._cache.drop(user_id)
            self._db.purge()
        return deleted.rowcount

    # --- reading ------------------------------------------------------------------------------

    def get(self, user_id: str, ids: Sequence[str]) -> list[Episode]:
        """Return those of the named episodes that exist, in the order asked for."""
        with self._db.reading() as connection:
            found = sql.bodies(connection, user_id, ids)
        return [decode(found[id_], self._db.path) for id_ in ids if id_ in found]

    def timeline(
        self,
        user_id: str,
        *,
        before: datetime | None = None,
        task: str | None = None,
        with_outcome: bool = False,
        limit: int | None = None,
    ) -> list[Episode]:
        """Return episodes in time order (ties by id); with ``limit`` the latest ones."""
        check_limit(limit)
        with self._db.reading() as connection:
            found = sql.timeline(
                connection,
                user_id,
                before=before,
                task=task,
                with_outcome=with_outcome,
                limit=limit,
            )
        return [decode(body, self._db.path) for body in found]

    def recall(
        self,
        user_id: str,
        vector: npt.NDArray[np.float32],
        *,
        limit: int,
        blend: RecallBlend | None = None,
        now: datetime | None = None,
        before: datetime | None = None,
        task: str | None = None,
        with_outcome: bool = False,
        where: Mapping[str, str | int | float | bool] | None = None,
    ) -> list[Recalled]:
        """Return the best episodes, best first, exact over the user's rows, ties by newest."""
        check_limit(limit)
        query = check_vector(vector)
        selection = Selection(before=before, task=task, with_outcome=with_outcome, where=where)
        moment = now or before
        with self._db.reading() as connection:
            sql.check_embedder(connection, self._db.path, self._embedder, query.shape[0])
            user = self._user(connection, user_id, with_metadata=bool(where))
            hits = rank(
                user.rows,
                query,
                limit=limit,
                blend=blend,
                now=None if moment is None else micros(moment),
                mask=selection.mask(user.rows, user.metadata or {}),
            )
            ids = [user.rows.ids[hit.index] for hit in hits]
            found = sql.bodies(connection, user_id, ids)
        return [
            Recalled(
                episode=decode(found[id_], self._db.path),
                score=hit.score,
                similarity=hit.similarity,
            )
            for id_, hit in zip(ids, hits, strict=True)
        ]

    def users(self) -> list[str]:
        """Return the ids of all users with episodes, sorted."""
        with self._db.reading() as connection:
            found = connection.execute(
                "SELECT user_id FROM users WHERE EXISTS "
                "(SELECT 1 FROM episodes WHERE episodes.user_id = users.user_id) ORDER BY user_id"
            ).fetchall()
        return [user_id for (user_id,) in found]

    def count(self, user_id: str) -> int:
        """Return the number of a user's episodes."""
        with self._db.reading() as connection:
            found = connection.execute(
                "SELECT COUNT(*) FROM episodes WHERE user_id = ?", (user_id,)
            ).fetchone()
        return int(found[0])

    def vectors(self, user_id: str, ids: Sequence[str]) -> Vectors:
        """Return the stored vectors of episodes, in the order asked for. Raises NotFoundError."""
        with self._db.reading() as connection:
            found = sql.vectors(connection, user_id, ids)
            missing = [id_ for id_ in ids if id_ not in found]
            if missing:
                raise NotFoundError(f"user {user_id!r} has no episode {missing[0]!r}")
            stored = sql.matrix(connection, self._db.path, [found[id_] for id_ in ids])
        return stored.copy()

    def close(self) -> None:
        """Release files. Idempotent."""
        self._cache.clear()
        self._db.close()

    # --- rows in memory -------------------------------------------------------------------------

    def _user(
        self, connection: sqlite3.Connection, user_id: str, *, with_metadata: bool
    ) -> CachedUser:
        """Return what recall needs of a user as of this transaction, from memory if it is there."""
        stamp = sql.stamp(connection, user_id)
        user = self._cache.get(user_id, stamp) if stamp is not None else None
        if user is not None and (user.metadata is not None or not with_metadata):
            return user
        if user is None:
            rows = sql.rows(connection, self._db.path, user_id)
            user = CachedUser(stamp=stamp or 0, rows=rows)
        if with_metadata:
            metadata, size = sql.metadata(connection, user_id)
            user = replace(user, metadata=metadata, metadata_bytes=size)
        if stamp is not None:
            self._cache.put(user_id, user)
        return user

    def _follow(self, changes: Iterable[sql.Change]) -> None:
        for change in changes:
            self._cache.change(change.user_id, change.before, change.after, change.apply)


def _merging(
    episodes: Sequence[Episode], matrix: Vectors, added: Sequence[int]
) -> Callable[[Rows], Rows]:
    return lambda rows: rows.merged(Rows.of_episodes([episodes[i] for i in added], matrix[added]))
