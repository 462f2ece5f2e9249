"""The memory benchmark: fill a store with invented users, time every call, compare in one run."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from persona_agent import __version__
from persona_agent.bench.memory_calls import Calls
from persona_agent.bench.memory_data import Order, Population, user_id
from persona_agent.bench.memory_plain_chroma import measure_plain_chroma
from persona_agent.bench.memory_results import (
    Fill,
    Latency,
    MemoryBenchmark,
    PlainChroma,
    Throughput,
)
from persona_agent.bench.memory_stores import (
    StoreUnderTest,
    disk_mb,
    drop_file_cache,
    peak_mb,
    resident_mb,
)

Progress = Callable[[str, int, int], None]

BATCH = 20_000
"""Episodes that are stored at once."""

_WARM_USERS = 50
_WARM_ROUNDS = 40
_COLD_USERS = 500
_REOPENED = 10  # times that the store is opened again, where it has fewer users than that
_FORGOTTEN = 20


def benchmark_memory(
    population: Population,
    target: StoreUnderTest,
    *,
    chroma_rows: int,
    progress: Progress,
    folder: Path | None = None,
) -> MemoryBenchmark:
    """Fill a store, time its calls and those of the alternatives, all in one run.

    Args:
        population: whose episodes are stored.
        target: the store.
        chroma_rows: how many episodes one plain Chroma collection gets, about; 0: none is made.
        progress: is told what is under way, how much of it is done, and how much there is.
        folder: where the data lie meanwhile; default: the system's folder for temporary files.

    Raises:
        InputError: the server that was named is not empty.
        StoreError: the store cannot be opened or written.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix="bench-memory-") as made:
        place = Path(made)
        with closing(_Run(population, target, place / "mixed", progress)) as run:
            fills = [run.fill("mixed")]
            cold, disk = run.cold(), run.from_disk()
            warm = run.warm()
            throughput_warm, throughput_cold = run.throughput()
            resident, peak = resident_mb(), peak_mb()
            recall_at_10 = run.recall_at_10()
            writes = run.writes()
            size = disk_mb(place)
            forget = run.forget()
            run.clear()
        with closing(_Run(population, target, place / "by user", progress)) as run:
            fills.append(run.fill("by user"))
            run.clear()
        return MemoryBenchmark(
            store=target.name,
            users=population.users,
            per_user=population.per_user,
            dimension=population.dimension,
            seed=population.seed,
            version=__version__,
            cpus=os.cpu_count() or 1,
            fills=tuple(fills),
            recall_cold=cold,
            recall_disk=disk,
            throughput_warm=throughput_warm,
            throughput_cold=throughput_cold,
            forget=forget,
            recall_at_10=recall_at_10,
            resident_mb=resident,
            peak_mb=peak,
            disk_mb=size,
            plain_chroma=_plain_chroma(population, place / "plain", chroma_rows, progress),
            **warm,
            **writes,
        )


class _Run:
    """A store that is filled, opened again where a cold one is needed, and called."""

    def __init__(
        self, population: Population, target: StoreUnderTest, folder: Path, progress: Progress
    ) -> None:
        folder.mkdir()
        self._of = population
        self._target = target
        self._folder = folder
        self._progress = progress
        self._users = list(range(population.users))
        random.Random(population.seed).shuffle(self._users)
        self._open = target.open_empty(folder)

    def close(self) -> None:
        self._open.close()

    def clear(self) -> None:
        """Take back what was written to a server; a folder is deleted by its owner."""
        for user in self._users if self._target.url else ():
            self._open.forget(user_id(user))

    def fill(self, order: Order) -> Fill:
        total, done, seconds = self._of.users * self._of.per_user, 0, 0.0
        for episodes, vectors in self._of.batches(order, BATCH):
            start = time.perf_counter()
            self._open.add(episodes, vectors)
            seconds += time.perf_counter() - start
            done += len(episodes)
            self._progress(f"filling, {order}", done, total)
        return Fill(order=order, episodes=total, batch=BATCH, seconds=seconds)

    def cold(self) -> Latency | None:
        """Time the first recall of users after the store was opened."""
        return self._first_recalls(before=lambda: None)

    def from_disk(self) -> Latency | None:
        """Time the same with nothing of the files in memory."""
        if self._target.url or not drop_file_cache(self._folder):
            return None
        return self._first_recalls(before=lambda: drop_file_cache(self._folder))

    def _first_recalls(self, before: Callable[[], object]) -> Latency | None:
        if not self._target.reopens:
            return None
        seconds: list[float] = []
        for users in self._cold_users():
            self._reopen()
            before()
            seconds += self._calls.first_recalls(users)
            self._progress("cold recall", len(seconds), max(_REOPENED, len(users)))
        return Latency.of(seconds)

    def _cold_users(self) -> Iterator[Sequence[int]]:
        users = self._users[:_COLD_USERS]
        return iter([users] if len(users) >= _REOPENED else [users[:1]] * _REOPENED)

    def warm(self) -> dict[str, Latency]:
        self._progress("warm recall", 0, 0)
        return self._calls.warm(self._users[:_WARM_USERS])

    def throughput(self) -> tuple[Throughput | None, Throughput | None]:
        """Recall for users in the cache, and for as many others, by one task and by many."""
        self._progress("concurrent recall", 0, 0)
        if len(self._users) < 2 * _WARM_USERS:
            return None, None
        warm = self._calls.throughput(self._users[:_WARM_USERS] * _WARM_ROUNDS)
        if not self._target.reopens:
            return warm, None
        self._reopen()
        return warm, self._calls.throughput(self._users[: 2 * _COLD_USERS])

    def recall_at_10(self) -> float:
        self._progress("recall@10", 0, 0)
        return self._calls.recall_at_10(self._users[-_WARM_USERS:])

    def writes(self) -> dict[str, Latency]:
        self._progress("writes", 0, 0)
        return self._calls.writes(self._users[:_COLD_USERS])

    def forget(self) -> Latency:
        self._progress("forget", 0, 0)
        return self._calls.forget(self._users[:_FORGOTTEN])

    @property
    def _calls(self) -> Calls:
        return Calls(self._of, self._open)

    def _reopen(self) -> None:
        if self._target.reopens:
            self._open.close()
            self._open = self._target.open(self._folder)


def _plain_chroma(
    population: Population, folder: Path, rows: int, progress: Progress
) -> PlainChroma | None:
    if not rows:
        return None
    per_user = min(population.per_user, rows)
    some = replace(population, users=min(population.users, rows // per_user), per_user=per_user)
    return measure_plain_chroma(some, folder, progress)
