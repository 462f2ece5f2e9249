"""The timed calls of the memory benchmark, on one open store of a population."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from persona_agent.bench.memory_data import TAGS, TASKS, Population, episode_id, user_id
from persona_agent.bench.memory_results import Latency, Throughput
from persona_agent.memory.read_queue import ReadQueue
from persona_agent.protocols import EpisodeStore, Vectors
from persona_agent.schema import Recalled

K = 10
"""How many episodes a recall asks for."""

TASKS_AT_ONCE = 32

_WARMING = 80
_TURNS = 20
_WRITES = 200
_ROUNDS = 5


class Calls:
    """An open store, called as an agent would."""

    def __init__(self, population: Population, store: EpisodeStore) -> None:
        self._of = population
        self._store = store

    def recall(self, user: int, query: npt.NDArray[np.float32]) -> list[Recalled]:
        """Recall without filters."""
        return self._store.recall(user_id(user), query, limit=K)

    def filtered(self, user: int, query: npt.NDArray[np.float32], turn: int) -> list[Recalled]:
        """Recall one task of three, and of it one tag of two."""
        return self._store.recall(
            user_id(user),
            query,
            limit=K,
            task=TASKS[turn % len(TASKS)],
            where={"tag": TAGS[turn % len(TAGS)]},
        )

    def warm(self, users: Sequence[int]) -> dict[str, Latency]:
        """Time recall of users in the cache, with and without filters, and bare NumPy.

        Each takes turns over all users, so that none finds the rows that it needs in the
        processor's cache because another one has just used them.
        """
        rows = {user: self._of.matrix(user) for user in users}
        queries = {user: self._of.queries(user, _WARMING + _TURNS) for user in users}
        calls: dict[str, Callable[[int, npt.NDArray[np.float32], int], object]] = {
            "recall_warm": lambda user, query, turn: self.recall(user, query),
            "numpy_product": lambda user, query, turn: rows[user] @ query,
            "recall_filtered": self.filtered,
            "numpy_top": lambda user, query, turn: top(rows[user], query),
        }
        times: dict[str, list[float]] = {name: [] for name in calls}
        for turn, (name, call) in itertools.product(range(_WARMING + _TURNS), calls.items()):
            for user in users:
                query = queries[user][turn]
                seconds = _seconds(lambda: call(user, query, turn))  # noqa: B023 - called at once
                if turn >= _WARMING:
                    times[name].append(seconds)
        return {name: Latency.of(some) for name, some in times.items()}

    def first_recalls(self, users: Iterable[int]) -> list[float]:
        """Return the seconds of one recall for each user."""
        return [self._first(user) for user in users]

    def _first(self, user: int) -> float:
        query = self._of.queries(user, 1)[0]
        return _seconds(lambda: self.recall(user, query))

    def recall_at_10(self, users: Sequence[int]) -> float:
        """Return the share of the truly most similar episodes that recall finds."""
        found, wanted = 0, 0
        for user in users:
            query = self._of.queries(user, 1)[0]
            similarity = self._of.matrix(user).astype(np.float64) @ query
            truth = {episode_id(i) for i in np.argsort(-similarity)[:K].tolist()}
            found += len(truth & {one.episode.id for one in self.recall(user, query)})
            wanted += len(truth)
        return found / wanted

    def throughput(self, users: Sequence[int]) -> Throughput:
        """Recall once for each user, off the event loop and through what the agent does it with.

        One task and many take turns, each with a part of the users; medians are returned.
        """
        queries = {user: self._of.queries(user, 1)[0] for user in users}
        reads = ReadQueue()

        async def work(mine: Sequence[int]) -> None:
            for user in mine:
                await reads.run(self.recall, user, queries[user])

        async def rate(some: Sequence[int], tasks: int) -> float:
            start = time.perf_counter()
            await asyncio.gather(*(work(some[number::tasks]) for number in range(tasks)))
            return len(some) / (time.perf_counter() - start)

        async def measured() -> Throughput:
            parts = [part.tolist() for part in np.array_split(users, 2 * _ROUNDS)]
            pairs = [
                (await rate(one, 1), await rate(many, TASKS_AT_ONCE))
                for one, many in zip(parts[::2], parts[1::2], strict=True)
            ]
            one, many = np.median(pairs, axis=0).tolist()
            return Throughput(tasks=TASKS_AT_ONCE, one=one, many=many)

        return asyncio.run(measured())

    def writes(self, users: Sequence[int]) -> dict[str, Latency]:
        """Time adding, changing and deleting one episode; what was added is deleted again."""
        of, store = self._of, self._store
        chosen = np.array([users[i % len(users)] for i in range(_WRITES)])
        new = of.per_user + np.arange(_WRITES)
        episodes, vectors = of.episodes(chosen, new), of.vectors(chosen, new)
        add = [
            _seconds(lambda: store.add([episode], vector[None]))  # noqa: B023 - called at once
            for episode, vector in zip(episodes, vectors, strict=True)
        ]
        update = [
            _seconds(lambda: store.set_outcome(one.user_id, one.id, outcome=one.query.options[2]))  # noqa: B023
            for one in episodes
        ]
        delete = [
            _seconds(lambda: store.delete(one.user_id, [one.id]))  # noqa: B023
            for one in episodes
        ]
        return {"add": Latency.of(add), "update": Latency.of(update), "delete": Latency.of(delete)}

    def forget(self, users: Sequence[int]) -> Latency:
        """Time forgetting users, each until recall finds nothing."""

        def forget(user: int) -> None:
            self._store.forget(user_id(user))
            assert not self._store.recall(user_id(user), self._of.queries(user, 1)[0], limit=1)

        return Latency.of([_seconds(lambda: forget(user)) for user in users])  # noqa: B023


def top(matrix: Vectors, query: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """Return the best ``K`` rows in order, by nothing but NumPy."""
    scores = matrix @ query
    best = np.argpartition(scores, -min(K, len(scores)))[-K:]
    order: npt.NDArray[np.intp] = best[np.argsort(-scores[best])]
    return order


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
