"""Sweeps: what a value changes, and that nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from persona_agent.errors import InputError
from persona_agent.evals.data.lamp import load_dataset
from persona_agent.evals.report.inputs import load_input
from persona_agent.evals.runner import make_bench
from persona_agent.evals.scores.results import save_result
from persona_agent.evals.sweeps import ARMS, SWEEPS, run_sweep
from persona_agent.schema import ContextPolicy, Persona
from persona_agent.settings import Settings
from tests.evals.test_lamp_run import Write, film_users

OFFLINE = Settings(embedder="hash")


@pytest.fixture
def films(write: Write) -> Path:
    return write(film_users(users=3, history=30, queries=2), "films.json")


def test_a_shorter_history_is_the_latest_part_of_the_longer_one(films: Path) -> None:
    data = load_dataset(films)
    for length in (0, 3, 10, 30, 99):
        cut = SWEEPS["history"].data(data, length, 0)
        for whole, user in zip(data.users, cut.users, strict=True):
            assert len(user.history) == min(length, 30)
            assert user.history == whole.history[30 - len(user.history) :]
            assert user.queries == whole.queries


def test_noise_changes_the_share_that_it_says_and_no_gold(films: Path) -> None:
    data = load_dataset(films)
    before = [e for user in data.users for e in user.history]

    def changed(share: float, seed: int) -> list[int]:
        noisy = SWEEPS["noise"].data(data, share, seed)
        assert noisy.queries == data.queries
        after = [e for user in noisy.users for e in user.history]
        assert all(e.outcome in e.query.options for e in after)
        return [n for n, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]

    assert changed(0, 0) == []
    assert len(changed(1, 0)) == len(before), "a flipped outcome is another one"
    assert 0.1 * len(before) < len(changed(0.2, 0)) < 0.35 * len(before)
    assert changed(0.2, 0) == changed(0.2, 0) != changed(0.2, 1)


def test_values_reach_both_optimizers_and_the_policy(films: Path) -> None:
    bench = make_bench(load_dataset(films), OFFLINE)
    batch = SWEEPS["batch"].bench(bench, 5)
    assert (batch.config.batch_size, batch.paper.batch) == (5, 5)
    rounds = SWEEPS["iterations"].bench(bench, 7)
    assert (rounds.config.epochs, rounds.config.patience, rounds.paper.iterations) == (7, 7, 7)
    recall = SWEEPS["memories"].bench(bench, 2).view
    assert recall(Persona(user_id="u")).policy.recalled == 2
    plain = Persona(user_id="u", policy=ContextPolicy.generic())
    assert recall(plain) == plain, "generic stays generic"


def test_a_sweep_runs_every_value_with_every_seed(films: Path, tmp_path: Path) -> None:
    steps: list[int] = []
    found = run_sweep(
        "noise",
        films,
        OFFLINE,
        values=[0.3, 0],
        seeds=[0, 4],
        arms=["generic", "last"],
        users=2,
        progress=lambda what, done, total: steps.append(done),
    )
    assert [(one.value, one.seed) for one in found.points] == [(0, 0), (0, 4), (0.3, 0), (0.3, 4)]
    assert steps == [0, 1, 2, 3, 4]
    for point in found.points:
        assert list(point.result.arms) == ["generic", "last"]
        assert point.result.settings["users"] == point.result.users == 2
    save_result(found, tmp_path / "sweep.json")
    save_result(found.points[0].result, tmp_path / "result.json")
    assert load_input(tmp_path / "sweep.json") == found
    assert load_input(tmp_path / "result.json") == found.points[0].result


def test_by_default_only_what_is_random_has_several_seeds(films: Path) -> None:
    found = run_sweep("memories", films, OFFLINE, values=[0, 1], arms=["rag"], users=1)
    assert [one.seed for one in found.points] == [0, 0]
    noisy = run_sweep("noise", films, OFFLINE, values=[0.2], arms=["last"], users=1)
    assert [one.seed for one in noisy.points] == [0, 1, 2]


def test_without_a_history_every_arm_is_generic(films: Path) -> None:
    (point,) = run_sweep("history", films, OFFLINE, values=[0]).points
    assert tuple(point.result.arms) == ARMS
    for record in point.result.records:
        assert len(set(record.answers.values())) == 1


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("mood", None, "unknown sweep 'mood'; known: batch"),
        ("noise", [1.5], "between 0 and 1"),
        ("batch", [0], "a whole number from 1"),
        ("history", [2.5], "a whole number from 0"),
    ],
)
def test_what_cannot_be_swept_is_said(
    films: Path, name: str, values: list[float] | None, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        run_sweep(name, films, OFFLINE, values=values)
