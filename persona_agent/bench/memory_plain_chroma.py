"""The naive store that ours is compared with: one Chroma collection, filtered by user."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from persona_agent.bench.memory_data import Population, user_id
from persona_agent.bench.memory_results import Fill, Latency, PlainChroma
from persona_agent.memory.chroma_client import ChromaClient
from persona_agent.protocols import Vectors
from persona_agent.schema import Episode

_CALLS = 50
_FORGOTTEN = 5
_COLLECTION = "plain"

Progress = Callable[[str, int, int], None]


def measure_plain_chroma(population: Population, folder: Path, progress: Progress) -> PlainChroma:
    """Fill one collection with a population and measure what a naive store would do."""
    client = ChromaClient(path=folder, url=None)
    try:
        collection = client.collection(_COLLECTION, "bench", population.dimension)
        fill = _fill(collection, population, client.raw.get_max_batch_size(), progress)
        return PlainChroma(
            episodes=fill.episodes,
            fill=fill,
            recall=_timed(lambda i: _search(collection, population, i)),
            two_filters=_timed(lambda i: _search(collection, population, i, {"task": "film"})),
            add=_timed(lambda i: _add_one(collection, population, i)),
            forget=_timed(
                lambda i: collection.delete(where={"user_id": user_id(i)}),
                min(_FORGOTTEN, population.users),
            ),
        )
    finally:
        client.close()


def _timed(call: Callable[[int], object], count: int = _CALLS) -> Latency:
    seconds = []
    for number in range(count):
        start = time.perf_counter()
        call(number)
        seconds.append(time.perf_counter() - start)
    return Latency.of(seconds)


def _fill(collection: Any, population: Population, batch: int, progress: Progress) -> Fill:
    seconds, done, total = 0.0, 0, population.users * population.per_user
    for episodes, vectors in population.batches("mixed", batch):
        start = time.perf_counter()
        _add(collection, episodes, vectors)
        seconds += time.perf_counter() - start
        done += len(episodes)
        progress("filling plain Chroma", done, total)
    return Fill(order="mixed", episodes=total, batch=batch, seconds=seconds)


def _add(collection: Any, episodes: list[Episode], vectors: Vectors) -> None:
    collection.add(
        ids=[f"{episode.user_id}/{episode.id}" for episode in episodes],
        embeddings=vectors,
        documents=[episode.model_dump_json() for episode in episodes],
        metadatas=[
            {"user_id": episode.user_id, "task": episode.query.task, **episode.metadata}
            for episode in episodes
        ],
    )


def _add_one(collection: Any, population: Population, number: int) -> None:
    user = number % population.users
    new = population.per_user + number
    import numpy as np

    users, numbers = np.array([user]), np.array([new])
    _add(collection, population.episodes(users, numbers), population.vectors(users, numbers))


def _search(
    collection: Any, population: Population, number: int, also: dict[str, str] | None = None
) -> None:
    user = number % population.users
    where: dict[str, object] = {"user_id": user_id(user)}
    if also:
        where = {"$and": [where, *({key: value} for key, value in also.items()), {"tag": "home"}]}
    collection.query(
        query_embeddings=population.queries(user, 1),
        n_results=10,
        where=where,
        include=["documents", "distances"],
    )
