"""The conformance suite of episode stores: what the protocol promises, as tests.

Inherit :class:`EpisodeStoreConformance` in a test module and say how a store is made; add the state
machine of :func:`episode_store_machine`, which compares any sequence of calls with a plain dict.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from persona_agent.protocols import EpisodeStore
from persona_agent.testing.conformance_machine import episode_store_machine
from persona_agent.testing.conformance_reading import ReadingConformance
from persona_agent.testing.conformance_writing import WritingConformance
from persona_agent.testing.samples import POOL, START, ids, make_episode

__all__ = [
    "POOL",
    "START",
    "EpisodeStoreConformance",
    "episode_store_machine",
    "ids",
    "make_episode",
]


class EpisodeStoreConformance(ReadingConformance, WritingConformance):
    """What every store must do. Set ``make_store`` (and ``persistent``) in a subclass."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[EpisodeStore]:
        """An empty store."""
        store = self.make_store(tmp_path)
        yield store
        store.close()
