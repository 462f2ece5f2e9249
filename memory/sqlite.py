"""Episodes in SQLite: the record by default. Recall is exact over the one user's own rows."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from persona_agent.memory import episode_sql as sql
from persona_agent.memory.codec import (
    attach,
    check_batch,
    completed,
    decode,
    encode,
    ids_by_user,
    outcome_code,
    shared,
)
from persona_agent.memory.database import Database
from persona_agent.memory.row_cache import CachedUser, RowCache
from persona_agent.memory.rows import Rows
from persona_agent.memory.selection import Selection
from persona_agent.memory.store import CheckedEpisodeStore, Question, no_episode, recalled
from persona_agent.memory.tables import MEMORY_TABLES
from persona_agent.protocols import Completed, Vectors
from persona_agent.schema import Episode, Feedback, Recalled

CACHE_BYTES = 64 * 1024 * 1024
LARGEST_USER_BYTES = 256 * 1024 * 1024
_KEPT_WHEN_ADDED = 4  # more at once are a record of the past, of which few will be recalled


class SQLiteEpisodeStore(CheckedEpisodeStore):
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
        self._cache = RowCache(cache_bytes, largest_bytes=LARGEST_USER_BYTES)
        self._db = Database(path, MEMORY_TABLES)
        try:
            with self._db.reading() as connection:
                sql.check_embedder(connection, self._db.path, embedder)
        except Exception:
            self._db.close()
            raise

    @property
    def cached_bytes(self) -> int:
        """Memory that rows and episodes take in the cache, about."""
        return self._cache.nbytes

    # --- writing ------------------------------------------------------------------------------

    def add(self, episodes: Sequence[Episode], vectors: Vectors) -> list[str]:
        """Store episodes in one transaction; return the ids that were new."""
        if not episodes:
            return []
        matrix = check_batch(episodes, vectors)
        with self._db.lock:
            with self._db.writing() as connection:
                new, changes = self._insert(connection, episodes, matrix)
            self._follow(changes)
        return new

    def complete(
        self, episodes: Sequence[Episode], vectors: Vectors, late: Sequence[Episode]
    ) -> Completed:
        """Store episodes, with outcomes of earlier ones that had none, in one transaction."""
        named = ids_by_user(late)
        matrix = check_batch(episodes, vectors) if episodes else vectors
        with self._db.lock:
            with self._db.writing() as connection:
                stored = {
                    (user, id_): decode(body, self._db.path)
                    for user, ids in named.items()
                    for id_, body in sql.bodies(connection, user, ids).items()
                }
                told, other = completed(late, stored)
                new, changes = self._insert(connection, episodes, matrix) if episodes else ([], [])
                changes += [self._replace(connection, episode) for episode in told]
            self._follow(changes)
        return Completed(new, told, other)

    def _insert(
        self, connection: sqlite3.Connection, episodes: Sequence[Episode], matrix: Vectors
    ) -> tuple[list[str], list[sql.Change]]:
        """Store what is new of a batch; return its ids, and what changed for whom."""
        # In the order of the table, so that a large batch touches each page once.
        order = sorted(range(len(episodes)), key=lambda i: (episodes[i].user_id, episodes[i].id))
        sql.claim(connection, self._db.path, self._embedder, matrix.shape[1])
        bodies: dict[int, str] = {}
        for index in order:
            row = sql.row(episodes[index], matrix[index])
            if sql.insert(connection, row):
                bodies[index] = row[-1]
        new = sorted(bodies)
        by_user: dict[str, list[int]] = defaultdict(list)
        for index in new:
            by_user[episodes[index].user_id].append(index)
        changes = [
            sql.change(connection, user_id, self._adding(episodes, matrix, added, bodies))
            for user_id, added in by_user.items()
        ]
        return [episodes[index].id for index in new], changes

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
                    raise no_episode(user_id, episode_id)
                episode = attach(decode(body, self._db.path), outcome, feedback)
                change = self._replace(connection, episode)
            self._follow([change])
        return episode

    def _replace(self, connection: sqlite3.Connection, episode: Episode) -> sql.Change:
        """Store an episode with another outcome or feedback in place of the same one."""
        user_id, id_, code = episode.user_id, episode.id, outcome_code(episode.outcome)
        connection.execute(
            "UPDATE episodes SET outcome = ?, body = ? WHERE user_id = ? AND id = ?",
            (code, encode(episode), user_id, id_),
        )
        return sql.change(connection, user_id, lambda user: user.after_outcome(id_, code))

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
                change = sql.change(connection, user_id, lambda user: user.after_delete(gone))
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

    def _timeline(self, user_id: str, selection: Selection, limit: int | None) -> list[Episode]:
        if self._holds_none(user_id, selection):
            return []
        with self._db.reading() as connection:
            found = sql.timeline(connection, user_id, selection, limit)
        return [decode(body, self._db.path) for body in found]

    def _recall(self, user_id: str, question: Question) -> list[Recalled]:
        # Other calls run while this one computes. A write in between shows in the user's stamp.
        while True:
            user = self._user(user_id, question)
            hits = question.hits(user.rows, user.columns.__getitem__)
            ids = [user.rows.ids[hit.row] for hit in hits]
            found = [user.episodes[id_] for id_ in ids if id_ in user.episodes]
            if len(found) < len(ids):
                whole = self._read(user_id, user, [i for i in ids if i not in user.episodes])
                if whole is None:
                    continue
                found = [whole.episodes[id_] for id_ in ids]
            return list(map(recalled, found, hits))

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

    def _vectors(
        self, user_id: str, ids: Sequence[str]
    ) -> tuple[Mapping[str, npt.NDArray[np.float32]], int]:
        with self._db.reading() as connection:
            return sql.vectors(connection, self._db.path, user_id, ids)

    def close(self) -> None:
        """Release files. Idempotent."""
        self._cache.clear()
        self._db.close()

    # --- rows in memory -------------------------------------------------------------------------

    def _user(self, user_id: str, question: Question) -> CachedUser:
        """Return what recall needs of a user as of now, from memory if it is there."""
        user = self._cached(user_id, self._db.number(sql.STAMP_OF, (user_id,)), question)
        if user is not None and all(key in user.columns for key in question.selection.keys):
            return user
        with self._db.reading() as connection:
            stamp = sql.stamp(connection, user_id)
            user = self._cached(user_id, stamp, question)
            if user is None:
                dimension = question.vector.shape[0]
                sql.check_embedder(connection, self._db.path, self._embedder, dimension)
                user = CachedUser(stamp or 0, sql.rows(connection, self._db.path, user_id))
            keys = [key for key in question.selection.keys if key not in user.columns]
            if keys:
                columns = sql.columns(connection, user_id, user.rows.ids, keys)
                user = user.with_columns(columns)
            if stamp is not None:
                self._cache.put(user_id, user)
        return user

    def _holds_none(self, user_id: str, selection: Selection) -> bool:
        """Tell whether memory is enough to know that a user has no such episode."""
        stamp = self._db.number(sql.STAMP_OF, (user_id,))
        user = None if stamp is None else self._cache.get(user_id, stamp)
        if user is None or any(key not in user.columns for key in selection.keys):
            return False
        mask = selection.mask(user.rows, user.columns.__getitem__)
        return mask is not None and not mask.any()

    def _cached(self, user_id: str, stamp: int | None, question: Question) -> CachedUser | None:
        user = None if stamp is None else self._cache.get(user_id, stamp)
        if user is None or user.rows.vectors.shape[1:] != question.vector.shape:
            return None
        return user

    def _read(self, user_id: str, user: CachedUser, ids: Sequence[str]) -> CachedUser | None:
        """Return the user with these episodes too; None if the user was written to meanwhile."""
        with self._db.reading() as connection:
            if sql.stamp(connection, user_id) != user.stamp:
                return None
            bodies = sql.bodies(connection, user_id, ids)
            user = user.with_episodes(*self._decoded(user_id, bodies))
            # Before the lock is given back, or it could come after the user was forgotten.
            self._cache.put(user_id, user)
        return user

    def _adding(
        self,
        episodes: Sequence[Episode],
        matrix: Vectors,
        added: Sequence[int],
        bodies: Mapping[int, str],
    ) -> Callable[[CachedUser], CachedUser]:
        """Return what a cached user becomes by new episodes; of a few, the episodes are kept too.

        What was just said tends to be recalled soon. They are kept as the file would give them.
        """

        def apply(user: CachedUser) -> CachedUser:
            new = [episodes[index] for index in added]
            user = user.after_add(Rows.of_episodes(new, matrix[added]))
            if len(new) > _KEPT_WHEN_ADDED:
                return user
            found = {episodes[index].id: bodies[index] for index in added}
            return user.with_episodes(*self._decoded(new[0].user_id, found))

        return apply

    def _decoded(self, user_id: str, bodies: Mapping[str, str]) -> tuple[dict[str, Episode], int]:
        """Return episodes by id, and the length of their JSON."""
        found = {id_: shared(decode(body, self._db.path), user_id) for id_, body in bodies.items()}
        return found, sum(map(len, bodies.values()))

    def _follow(self, changes: Iterable[sql.Change]) -> None:
        for change in changes:
            self._cache.change(change.user_id, change.before, change.after, change.apply)
