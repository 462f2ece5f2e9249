"""Episodes in memory: the reference that the other stores are compared with."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from persona_agent.memory.codec import (
    attach,
    check_batch,
    completed,
    copied,
    encode,
    ids_by_user,
    micros,
    mismatch,
)
from persona_agent.memory.coded import Coded
from persona_agent.memory.rows import Rows
from persona_agent.memory.selection import Selection
from persona_agent.memory.store import CheckedEpisodeStore, Question, no_episode, recalled
from persona_agent.protocols import Completed, Vectors
from persona_agent.schema import Episode, Feedback, Recalled


class InMemoryEpisodeStore(CheckedEpisodeStore):
    """An :class:`~persona_agent.protocols.EpisodeStore` that lives as long as the process."""

    def __init__(self) -> None:
        self._users: dict[str, _User] = {}
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
            changed: dict[str, _User] = {}
            for episode, vector in zip(episodes, matrix, strict=True):
                user_id = episode.user_id
                mine = changed.get(user_id) or self._mine(user_id).copied()
                changed[user_id] = mine
                if episode.id not in mine.episodes:
                    mine.episodes[episode.id] = copied(episode)
                    mine.vectors[episode.id] = vector.copy()
                    new.append(episode.id)
            self._users |= changed
        return new

    def complete(
        self, episodes: Sequence[Episode], vectors: Vectors, late: Sequence[Episode]
    ) -> Completed:
        """Store episodes, together with outcomes of earlier ones that had none."""
        named = ids_by_user(late)
        with self._lock:
            stored = {(user, one.id): one for user in named for one in self.get(user, named[user])}
            told, other = completed(late, stored)
            new = self.add(episodes, vectors)
            for episode in told:
                self._replace(episode)
        return Completed(new, list(map(copied, told)), other)

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
            mine = self._mine(user_id).episodes
            if episode_id not in mine:
                raise no_episode(user_id, episode_id)
            episode = attach(mine[episode_id], outcome, feedback)
            self._replace(episode)
        return copied(episode)

    def _replace(self, episode: Episode) -> None:
        mine = self._mine(episode.user_id).copied()
        mine.episodes[episode.id] = episode
        self._users[episode.user_id] = mine

    def delete(self, user_id: str, ids: Sequence[str]) -> int:
        """Remove episodes; return how many there were."""
        with self._lock:
            mine = self._mine(user_id).copied()
            gone = [id_ for id_ in dict.fromkeys(ids) if mine.episodes.pop(id_, None) is not None]
            for id_ in gone:
                del mine.vectors[id_]
            if mine.episodes:
                self._users[user_id] = mine
            else:
                self._users.pop(user_id, None)
        return len(gone)

    def forget(self, user_id: str) -> int:
        """Remove everything of a user; return how many episodes there were."""
        with self._lock:
            gone = self._users.pop(user_id, None)
        return 0 if gone is None else len(gone.episodes)

    def get(self, user_id: str, ids: Sequence[str]) -> list[Episode]:
        """Return those of the named episodes that exist, in the order asked for."""
        mine = self._mine(user_id).episodes
        return [copied(mine[id_]) for id_ in ids if id_ in mine]

    def users(self) -> list[str]:
        """Return the ids of all users with episodes, sorted."""
        with self._lock:
            return sorted(self._users)

    def count(self, user_id: str) -> int:
        """Return the number of a user's episodes."""
        return len(self._mine(user_id).episodes)

    def close(self) -> None:
        """Do nothing: there are no files."""

    def _timeline(self, user_id: str, selection: Selection, limit: int | None) -> list[Episode]:
        return [copied(one) for one in self._mine(user_id).timeline(selection, limit)]

    def _recall(self, user_id: str, question: Question) -> list[Recalled]:
        self._check_dimension(question.vector.shape[0])
        mine = self._mine(user_id)
        if not mine.episodes:
            return []
        hits = question.hits(mine.rows, mine.column)
        return [recalled(mine.episodes[mine.rows.ids[hit.row]], hit) for hit in hits]

    def _vectors(
        self, user_id: str, ids: Sequence[str]
    ) -> tuple[Mapping[str, npt.NDArray[np.float32]], int]:
        return self._mine(user_id).vectors, self._dimension or 0

    def _mine(self, user_id: str) -> _User:
        return self._users.get(user_id) or _User({}, {})

    @property
    def _dimension(self) -> int | None:
        with self._lock:
            first = next(iter(self._users.values()), None)
        return None if first is None else len(next(iter(first.vectors.values())))

    def _check_dimension(self, dimension: int) -> None:
        stored = self._dimension
        if stored is not None and stored != dimension:
            raise mismatch(
                "this store", f"an embedder of dimension {stored}", f"one of dimension {dimension}"
            )


class _User:
    """One user's episodes and vectors by id; a write replaces the whole object.

    So readers need no lock, and what is derived for them is derived once.
    """

    def __init__(
        self, episodes: dict[str, Episode], vectors: dict[str, npt.NDArray[np.float32]]
    ) -> None:
        self.episodes = episodes
        self.vectors = vectors
        self._columns: dict[str, Coded] = {}
        self._timelines: dict[tuple[str | None, bool], tuple[list[Episode], list[int]]] = {}

    def copied(self) -> _User:
        """Return another one to write to."""
        return _User(dict(self.episodes), dict(self.vectors))

    @cached_property
    def rows(self) -> Rows:
        """All episodes as arrays."""
        return Rows.of_episodes(list(self.episodes.values()), np.stack(list(self.vectors.values())))

    def column(self, key: str) -> Coded:
        """Return the metadata of all rows under a key."""
        if key not in self._columns:
            values = [self.episodes[id_].metadata.get(key) for id_ in self.rows.ids]
            self._columns[key] = Coded.of(values)
        return self._columns[key]

    def timeline(self, selection: Selection, limit: int | None) -> list[Episode]:
        """Return the selected episodes in time order, the latest ``limit`` ones."""
        kind = (selection.task, selection.with_outcome)
        if kind not in self._timelines:
            self._timelines[kind] = self._timeline(*kind)
        chosen, moments = self._timelines[kind]
        end = len(chosen)
        if selection.before is not None:
            end = bisect_left(moments, selection.before)
        begin = 0 if selection.since is None else bisect_left(moments, selection.since)
        if limit is not None:
            begin = max(begin, end - limit)
        return chosen[begin:end]

    def _timeline(self, task: str | None, with_outcome: bool) -> tuple[list[Episode], list[int]]:
        chosen = [
            one
            for one in self.episodes.values()
            if (task is None or one.query.task_name == task)
            and (one.outcome is not None or not with_outcome)
        ]
        chosen.sort(key=lambda one: (one.at, one.id))
        return chosen, [micros(one.at) for one in chosen]
