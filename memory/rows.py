"""One user's episodes as arrays: all that recall needs to score and to filter them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from persona_agent.memory.codec import micros, outcome_code
from persona_agent.memory.coded import Coded, Indices
from persona_agent.memory.growing import Room, grown
from persona_agent.protocols import Vectors
from persona_agent.schema import Episode

_BYTES_OF_AN_ID = 96  # string object and list slot, about


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Columns of equal length n, newest episode first, then by id. Never changed in place.

    Attributes:
        ids: episode ids.
        at: moments in microseconds since 1970, int64.
        outcomes: codes of the outcomes, int64, 0 where unknown.
        tasks: task names.
        vectors: float32, shape (n, dimension).
        room: the memory that holds the vectors, where more can go before them.
    """

    ids: list[str]
    at: npt.NDArray[np.int64]
    outcomes: npt.NDArray[np.int64]
    tasks: Coded
    vectors: Vectors
    room: Room | None = None

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        at: Sequence[int],
        outcomes: Sequence[int],
        tasks: Sequence[str],
        vectors: Vectors,
    ) -> Rows:
        """Return columns, given in any order, sorted."""
        return cls(
            ids=list(ids),
            at=np.asarray(at, dtype=np.int64),
            outcomes=np.asarray(outcomes, dtype=np.int64),
            tasks=Coded.of(tasks),
            vectors=vectors,
        )._sorted()

    @classmethod
    def of_episodes(cls, episodes: Sequence[Episode], vectors: Vectors) -> Rows:
        """Return the rows of episodes."""
        return cls.of(
            [episode.id for episode in episodes],
            [micros(episode.at) for episode in episodes],
            [outcome_code(episode.outcome) for episode in episodes],
            [episode.query.task_name for episode in episodes],
            vectors,
        )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """Memory taken, about."""
        vectors = self.vectors.nbytes if self.room is None else self.room.nbytes
        arrays = vectors + self.at.nbytes + self.outcomes.nbytes + self.tasks.nbytes
        return arrays + _BYTES_OF_AN_ID * len(self.ids)

    def merged(self, other: Rows) -> Rows:
        """Return these rows and others, whose ids must be new."""
        vectors, room = grown(other.vectors, self.vectors, self.room)
        both = Rows(
            ids=other.ids + self.ids,
            at=np.concatenate([other.at, self.at]),
            outcomes=np.concatenate([other.outcomes, self.outcomes]),
            tasks=other.tasks.followed_by(self.tasks),
            vectors=vectors,
            room=room,
        )
        newer = len(self) == 0 or len(other) == 0 or other.at[-1] > self.at[0]
        return both if newer else both._sorted()

    def with_outcome(self, episode_id: str, code: int) -> Rows:
        """Return the rows with one outcome changed."""
        outcomes = self.outcomes.copy()
        outcomes[self.ids.index(episode_id)] = code
        return replace(self, outcomes=outcomes)

    def without(self, ids: Collection[str]) -> Rows:
        """Return the rows that are left when some are deleted."""
        gone = frozenset(ids)
        return self._taken(
            np.asarray([i for i, id_ in enumerate(self.ids) if id_ not in gone], int)
        )

    def _sorted(self) -> Rows:
        newest_first = (-self.at).tolist()
        order = sorted(range(len(self)), key=lambda i: (newest_first[i], self.ids[i]))
        return self._taken(np.asarray(order, dtype=np.intp))

    def _taken(self, order: Indices) -> Rows:
        return Rows(
            ids=[self.ids[i] for i in order.tolist()],
            at=self.at[order],
            outcomes=self.outcomes[order],
            tasks=self.tasks.take(order),
            vectors=self.vectors[order],
        )
