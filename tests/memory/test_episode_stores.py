"""Every store against the conformance suite and the dict oracle."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, settings

from persona_agent.memory.chroma import ChromaEpisodeStore
from persona_agent.memory.episodes import InMemoryEpisodeStore
from persona_agent.memory.sqlite import SQLiteEpisodeStore
from persona_agent.protocols import EpisodeStore
from persona_agent.testing.conformance import EpisodeStoreConformance, episode_store_machine


def in_memory(folder: Path) -> EpisodeStore:
    return InMemoryEpisodeStore()


def sqlite(folder: Path) -> EpisodeStore:
    return SQLiteEpisodeStore(folder / "memory.db", embedder="test")


def sqlite_without_cache(folder: Path) -> EpisodeStore:
    return SQLiteEpisodeStore(folder / "memory.db", embedder="test", cache_bytes=0)


def chroma(folder: Path) -> EpisodeStore:
    return ChromaEpisodeStore(path=folder / "chroma", embedder="test")


class TestInMemory(EpisodeStoreConformance):
    persistent = False

    def make_store(self, folder: Path) -> EpisodeStore:
        return in_memory(folder)


class TestSQLite(EpisodeStoreConformance):
    def make_store(self, folder: Path) -> EpisodeStore:
        return sqlite(folder)


class TestSQLiteWithoutCache(EpisodeStoreConformance):
    def make_store(self, folder: Path) -> EpisodeStore:
        return sqlite_without_cache(folder)


class TestChromaEmbedded(EpisodeStoreConformance):
    def make_store(self, folder: Path) -> EpisodeStore:
        return chroma(folder)


def quick(examples: int, steps: int) -> settings:
    checks = [HealthCheck.too_slow]
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=checks,
    )


TestInMemoryMachine = episode_store_machine(in_memory, persistent=False).TestCase
TestInMemoryMachine.settings = quick(25, 20)

TestSQLiteMachine = episode_store_machine(sqlite).TestCase
TestSQLiteMachine.settings = quick(20, 20)

TestChromaMachine = episode_store_machine(chroma).TestCase
TestChromaMachine.settings = quick(3, 8)
