"""The memory benchmark on small populations: what it makes, measures and writes down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from persona_agent.bench.memory_calls import top
from persona_agent.bench.memory_data import Order, Population
from persona_agent.bench.memory_results import MemoryBenchmark
from persona_agent.cli.main import main
from persona_agent.schema import Episode


def stored(population: Population, order: Order, size: int) -> dict[tuple[str, str], np.ndarray]:
    return {
        (episode.user_id, episode.id): vector
        for episodes, vectors in population.batches(order, size)
        for episode, vector in zip(episodes, vectors, strict=True)
    }


def test_every_order_has_the_same_episodes() -> None:
    population = Population(users=7, per_user=11, dimension=16, seed=3)
    mixed, by_user = stored(population, "mixed", 10), stored(population, "by user", 100)
    assert len(mixed) == 77
    assert mixed.keys() == by_user.keys()
    for key, vector in mixed.items():
        np.testing.assert_array_equal(vector, by_user[key])
    np.testing.assert_allclose(np.linalg.norm(population.matrix(2), axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(
        population.matrix(2)[4], mixed["person-000002", "episode-00000004"]
    )


def test_mixed_is_the_order_of_time_and_users_take_turns() -> None:
    population = Population(users=3, per_user=2, dimension=8, seed=0)
    episodes: list[Episode] = []
    for batch, _ in population.batches("mixed", 4):
        episodes += batch
    assert [one.user_id[-1] for one in episodes] == list("012012")
    assert [one.at for one in episodes] == sorted(one.at for one in episodes)


def test_no_two_episodes_are_near_duplicates() -> None:
    vectors = Population(users=1, per_user=600, dimension=64, seed=0).matrix(0)
    assert np.sort(vectors @ vectors.T, axis=1)[:, -2].max() < 0.98


def test_the_ten_best() -> None:
    matrix = np.eye(20, dtype=np.float32)
    query = np.arange(20, dtype=np.float32)
    assert top(matrix, query).tolist() == list(range(19, 9, -1))


@pytest.mark.parametrize("store", ["sqlite", "memory"])
def test_the_command(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    size = ["--users", "12", "--per-user", "40", "--dimension", "16"]
    where = ["--dir", str(tmp_path), "--json", str(out)]
    assert main(["bench", "memory", "--no-chroma", "--store", store, *size, *where]) == 0
    shown = capsys.readouterr().out
    assert "480 episodes of 12 users" in shown
    assert "recall@10 against brute force: 1.000" in shown
    result = MemoryBenchmark.model_validate_json(out.read_text(encoding="utf-8"))
    assert (result.users, result.per_user, result.plain_chroma) == (12, 40, None)
    assert [fill.order for fill in result.fills] == ["mixed", "by user"]
    assert (result.recall_cold is None) == (store == "memory")
    assert 0 < result.recall_warm.p50 <= result.recall_warm.p95 <= result.recall_warm.p99
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


@pytest.mark.slow
def test_beside_plain_chroma(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # no line is broken, however wide the terminal
    size = ["--users", "6", "--per-user", "20", "--dimension", "8", "--chroma-rows", "60"]
    assert main(["bench", "memory", "--store", "chroma", *size, "--dir", str(tmp_path)]) == 0
    assert "plain Chroma, 60 episodes" in capsys.readouterr().out
