"""One user's episodes as arrays: all that recall needs to score them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from persona_agent.memory.codec import micros, outcome_code
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
        tasks: task names, as objects.
        vectors: float32, shape (n, dimension).
    """

    ids: list[str]
    at: npt.NDArray[np.int64]
    outcomes: npt.NDArray[np.int64]
    tasks: npt.NDArray[np.object_]
    vectors: Vectors

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        at: Sequence[int] | npt.NDArray[np.int64],
        outcomes: Sequence[int] | npt.NDArray[np.int64],
        tasks: Sequence[str] | npt.NDArray[np.object_],
        vectors: Vectors,
    ) -> Rows:
        """Return columns, given in any order, sorted."""
        moments = np.asarray(at, dtype=np.int64)
        newest_first = (-moments).tolist()
        order = sorted(range(len(ids)), key=lambda i: (newest_first[i], ids[i]))
        index = np.asarray(order, dtype=np.intp)
        return cls(
            ids=[ids[i] for i in order],
            at=moments[index],
            outcomes=np.asarray(outcomes, dtype=np.int64)[index],
            tasks=np.asarray(tasks, dtype=np.object_)[index],
            vectors=vectors[index],
        )

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
        arrays = self.vectors.nbytes + self.at.nbytes + self.outcomes.nbytes + self.tasks.nbytes
        return arrays + _BYTES_OF_AN_ID * len(self.ids)

    def merged(self, other: Rows) -> Rows:
        """Return these rows and others, whose ids must be new."""
        return Rows.of(
            self.ids + other.ids,
            np.concatenate([self.at, other.at]),
            np.concatenate([self.outcomes, other.outcomes]),
            np.concatenate([self.tasks, other.tasks]),
            np.concatenate([self.vectors, other.vectors]),
        )

    def with_outcome(self, episode_id: str, code: int) -> Rows:
        """Return the rows with one outcome changed."""
        outcomes = self.outcomes.copy()
        outcomes[self.ids.index(episode_id)] = code
        return replace(self, outcomes=outcomes)

    def without(self, ids: Collection[str]) -> Rows:
        """Return the rows that are left when some are deleted."""
        gone = frozenset(ids)
        keep = np.asarray([id_ not in gone for id_ in self.ids], dtype=np.bool_)
        return Rows(
            ids=[id_ for id_ in self.ids if id_ not in gone],
            at=self.at[keep],
            outcomes=self.outcomes[keep],
            tasks=self.tasks[keep],
            vectors=self.vectors[keep],
        )
