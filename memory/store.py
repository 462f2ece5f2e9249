"""What every episode store does alike: it checks a call and turns it into a question."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from persona_agent.errors import NotFoundError
from persona_agent.memory.codec import check_limit, check_vector, copied, micros, unchecked
from persona_agent.memory.coded import Coded
from persona_agent.memory.recall import Hit, rank
from persona_agent.memory.rows import Rows
from persona_agent.memory.selection import Metadata, Selection
from persona_agent.protocols import Vectors
from persona_agent.schema import Episode, RecallBlend, Recalled

_ALL_OF_RECALLED = set(Recalled.model_fields)


class Question(NamedTuple):
    """A checked call of ``recall``; ``now`` is in microseconds since 1970."""

    vector: npt.NDArray[np.float32]
    limit: int
    blend: RecallBlend | None
    now: int | None
    selection: Selection

    def hits(self, rows: Rows, column: Callable[[str], Coded]) -> list[Hit]:
        """Return the best of a user's rows; ``column`` returns their metadata under a key."""
        return rank(
            rows,
            self.vector,
            limit=self.limit,
            blend=self.blend,
            now=self.now,
            mask=self.selection.mask(rows, column),
        )


def recalled(episode: Episode, hit: Hit) -> Recalled:
    """Return a copy of an episode with its scores."""
    values = {"episode": copied(episode), "score": hit.score, "similarity": hit.similarity}
    return unchecked(Recalled, values, _ALL_OF_RECALLED)


class CheckedEpisodeStore(ABC):
    """The reading calls of an :class:`~persona_agent.protocols.EpisodeStore`, checked once here."""

    def recall(
        self,
        user_id: str,
        vector: npt.NDArray[np.float32],
        *,
        limit: int,
        blend: RecallBlend | None = None,
        now: datetime | None = None,
        before: datetime | None = None,
        since: datetime | None = None,
        task: str | None = None,
        with_outcome: bool = False,
        where: Metadata | None = None,
    ) -> list[Recalled]:
        """Return the best episodes, best first, exact over the user's rows, ties by newest."""
        check_limit(limit)
        selection = Selection.of(
            before=before, since=since, task=task, with_outcome=with_outcome, where=where
        )
        moment = selection.before if now is None else micros(now)
        question = Question(check_vector(vector), limit, blend, moment, selection)
        return self._recall(user_id, question)

    def timeline(
        self,
        user_id: str,
        *,
        before: datetime | None = None,
        since: datetime | None = None,
        task: str | None = None,
        with_outcome: bool = False,
        limit: int | None = None,
    ) -> list[Episode]:
        """Return episodes in time order (ties by id); with ``limit`` the latest ones."""
        check_limit(limit)
        selection = Selection.of(before=before, since=since, task=task, with_outcome=with_outcome)
        return self._timeline(user_id, selection, limit)

    def vectors(self, user_id: str, ids: Sequence[str]) -> Vectors:
        """Return the stored vectors of episodes, in the order asked for. Raises NotFoundError."""
        found, dimension = self._vectors(user_id, ids)
        for id_ in ids:
            if id_ not in found:
                raise no_episode(user_id, id_)
        rows = [found[id_] for id_ in ids]
        return np.stack(rows) if rows else np.zeros((0, dimension), dtype=np.float32)

    @abstractmethod
    def _recall(self, user_id: str, question: Question) -> list[Recalled]: ...

    @abstractmethod
    def _timeline(self, user_id: str, selection: Selection, limit: int | None) -> list[Episode]: ...

    @abstractmethod
    def _vectors(
        self, user_id: str, ids: Sequence[str]
    ) -> tuple[Mapping[str, npt.NDArray[np.float32]], int]:
        """Return those of the named vectors that exist, and the dimension of the store's."""


def no_episode(user_id: str, episode_id: str) -> NotFoundError:
    """Return the error for an episode that a user does not have."""
    return NotFoundError(f"user {user_id!r} has no episode {episode_id!r}")
