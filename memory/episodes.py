"""Episodes in memory: the reference that the other stores are compared with."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from persona_agent.errors import NotFoundError
from persona_agent.memory import scan
from persona_agent.memory.codec import (
    attach,
    check_batch,
    check_limit,
    check_vector,
    copied,
    encode,
    mismatch,
)
from persona_agent.memory.selection import Selection
from persona_agent.protocols import Vectors
from persona_agent.schema import Episode, Feedback, RecallBlend, Recalled

_Stored = tuple[Episode, npt.NDArray[np.float32]]


class InMemoryEpisodeStore:
    """An :class:`~persona_agent.protocols.EpisodeStore` that lives as long as the process."""

    def __init__(self) -> None:
        self._users: dict[str, dict[str, _Stored]] = {}
        self._lock = threading.RLock()

    def add(self, episodes: Sequence[Episode], vectors: Vectors) -> list[str]:
        """Store episodes with their vectors; return the ids that were new."""
        if not episodes:
            return []
        matrix = check_batch(episodes, vectors)
        for episode in episodes:
            encode(episode)  # what other stores cannot keep is refused here too
        new = []
        with self._lock:
            self._check_dimension(matrix.shape[1])
            for episode, vector in zip(episodes, matrix, strict=True):
                mine = self._users.setdefault(episode.user_id, {})
                if episode.id not in mine:
                    mine[episode.id] = (copied(episode), vector.copy())
                    new.append(episode.id)
        return new

    def get(self, user_id: str, ids: Sequence[str]) -> list[Episode]:
        """Return those of the named episodes that exist, in the order asked for."""
        with self._lock:
            mine = self._users.get(user_id, {})
            return [copied(mine[id_][0]) for id_ in ids if id_ in mine]

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
        selection = Selection(before=before, task=task, with_outcome=with_outcome)
        with self._lock:
            mine = [episode for episode, _ in self._users.get(user_id, {}).values()]
        return scan.timeline(mine, selection, limit)

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
        with self._lock:
            self._check_dimension(query.shape[0])
            mine = list(self._users.get(user_id, {}).values())
        if not mine:
            return []
        episodes, vectors = zip(*mine, strict=True)
        return scan.recall(
            episodes, np.stack(vectors), query, selection, limit=limit, blend=blend, now=now
        )

    def set_outcome(
        self,
        user_id: str,
        episode_id: str,
        *,
        outcome: str | None = None,
        feedback: Feedback | None = None,
    ) -> Episode:
        """Attach an outcome or feedback, return the episode. Raises NotFoundError, InputError."""
        with self._lock:
            mine = self._users.get(user_id, {})
            if episode_id not in mine:
                raise NotFoundError(f"user {user_id!r} has no episode {episode_id!r}")
            old, vector = mine[episode_id]
            mine[episode_id] = (attach(old, outcome, feedback), vector)
            return copied(mine[episode_id][0])

    def delete(self, user_id: str, ids: Sequence[str]) -> int:
        """Remove episodes; return how many there were."""
        with self._lock:
            mine = self._users.get(user_id, {})
            gone = [id_ for id_ in dict.fromkeys(ids) if mine.pop(id_, None) is not None]
            if not mine:
                self._users.pop(user_id, None)
            return len(gone)

    def forget(self, user_id: str) -> int:
        """Remove everything of a user; return how many episodes there were."""
        with self._lock:
            return len(self._users.pop(user_id, {}))

    def users(self) -> list[str]:
        """Return the ids of all users with episodes, sorted."""
        with self._lock:
            return sorted(self._users)

    def count(self, user_id: str) -> int:
        """Return the number of a user's episodes."""
        with self._lock:
            return len(self._users.get(user_id, {}))

    def vectors(self, user_id: str, ids: Sequence[str]) -> Vectors:
        """Return the stored vectors of episodes, in the order asked for. Raises NotFoundError."""
        with self._lock:
            mine = self._users.get(user_id, {})
            missing = [id_ for id_ in ids if id_ not in mine]
            if missing:
                raise NotFoundError(f"user {user_id!r} has no episode {missing[0]!r}")
            rows = [mine[id_][1] for id_ in ids]
            return np.stack(rows) if rows else np.zeros((0, self._dimension or 0), np.float32)

    def close(self) -> None:
        """Do nothing: there are no files."""

    @property
    def _dimension(self) -> int | None:
        stored = (vector for mine in self._users.values() for _, vector in mine.values())
        first = next(stored, None)
        return None if first is None else len(first)

    def _check_dimension(self, dimension: int) -> None:
        stored = self._dimension
        if stored is not None and stored != dimension:
            raise mismatch(
                "this store", f"an embedder of dimension {stored}", f"one of dimension {dimension}"
            )
