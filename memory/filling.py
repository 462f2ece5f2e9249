"""Embedding and storing many episodes, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from persona_agent.protocols import Embedder, EpisodeStore
from persona_agent.schema import Episode

_BATCH = 256


def add_episodes(
    store: EpisodeStore,
    episodes: Sequence[Episode],
    embedder: Embedder,
    progress: Callable[[int, int], None],
) -> int:
    """Embed and store episodes; return how many were new. Raises StoreError.

    ``progress`` is told after every batch how many of how many are stored.
    """
    new = 0
    for start in range(0, len(episodes), _BATCH):
        batch = episodes[start : start + _BATCH]
        vectors = embedder.embed([episode.query.text for episode in batch])
        new += len(store.add(batch, vectors))
        progress(start + len(batch), len(episodes))
    return new
