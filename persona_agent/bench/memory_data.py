"""Invented episodes for the memory benchmark: any number, the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from persona_agent.protocols import Vectors
from persona_agent.schema import Episode, Query

TASKS = ("film", "dinner", "reading")
TAGS = ("home", "work")
Order = Literal["mixed", "by user"]
Indices = npt.NDArray[np.int64]

_START = datetime(2024, 1, 1, tzinfo=UTC)
_BANKS = 3
_ROWS_OF_A_BANK = 1_024


@dataclass(frozen=True)
class Population:
    """Users and their episodes, each a function of its two numbers.

    A vector is the normalised sum of one row from each of three banks of Gaussian vectors, picked
    by a hash: no two are near-duplicates, and none needs to be kept.
    """

    users: int
    per_user: int
    dimension: int
    seed: int

    def batches(self, order: Order, size: int) -> Iterator[tuple[list[Episode], Vectors]]:
        """Yield all episodes: one user after the other, or mixed as they would arrive in time."""
        total = self.users * self.per_user
        for start in range(0, total, size):
            place = np.arange(start, min(start + size, total))
            if order == "mixed":
                users, numbers = place % self.users, place // self.users
            else:
                users, numbers = place // self.per_user, place % self.per_user
            yield self.episodes(users, numbers), self.vectors(users, numbers)

    def episodes(self, users: Indices, numbers: Indices) -> list[Episode]:
        """Return the named episodes of the named users, pairwise."""
        return [self._episode(u, n) for u, n in zip(users.tolist(), numbers.tolist(), strict=True)]

    def vectors(self, users: Indices, numbers: Indices) -> Vectors:
        """Return their vectors, shape (n, dimension)."""
        mixed = _hashed(users.astype(np.uint64) << np.uint64(32) | numbers.astype(np.uint64))
        total = np.zeros((len(users), self.dimension), dtype=np.float32)
        for number, bank in enumerate(self._banks):
            total += bank[(mixed >> np.uint64(16 * number)) % np.uint64(_ROWS_OF_A_BANK)]
        total /= np.linalg.norm(total, axis=1, keepdims=True)
        return total

    def matrix(self, user: int) -> Vectors:
        """Return all vectors of a user, oldest first."""
        return self.vectors(np.full(self.per_user, user), np.arange(self.per_user))

    def queries(self, user: int, count: int) -> Vectors:
        """Return vectors that are none of the user's, shape (count, dimension)."""
        return self.vectors(np.full(count, user), self.per_user + 1_000_000 + np.arange(count))

    def _episode(self, user: int, number: int) -> Episode:
        task = TASKS[number % len(TASKS)]
        return Episode(
            id=episode_id(number),
            user_id=user_id(user),
            query=Query(
                text=f"Request {number} of person {user}: what suits me for {task} this time?",
                options=("the first", "the second", "the third"),
                task=task,
            ),
            outcome=("the first", "the second", None)[number % 7 % 3],
            at=_START + timedelta(minutes=37 * number),
            metadata={"tag": TAGS[number // len(TASKS) % len(TAGS)], "number": number},
        )

    @cached_property
    def _banks(self) -> Vectors:
        made = np.random.default_rng(self.seed).standard_normal(
            (_BANKS, _ROWS_OF_A_BANK, self.dimension), dtype=np.float32
        )
        return made


def user_id(user: int) -> str:
    """Return the id of a user."""
    return f"person-{user:06d}"


def episode_id(number: int) -> str:
    """Return the id of a user's episode."""
    return f"episode-{number:08d}"


def _hashed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Mix the bits of integers (the finaliser of SplitMix64)."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
