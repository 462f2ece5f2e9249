"""The statistics of the verdict, on data whose answers are known."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.evals.atlas.claim_space import unit
from persona_agent.evals.atlas.records import Vectors
from persona_agent.evals.atlas.separation import paired_gain, separation


def noisy(users: int, draws: int, noise: float, seed: int = 0) -> tuple[Vectors, Vectors]:
    """Return halves: each user's own direction plus noise; infinite noise is no user at all."""
    random = np.random.default_rng(seed)
    own = random.normal(size=(1, users, 16)) * (noise < np.inf)
    spread = noise if noise < np.inf else 1.0
    halves = [own + spread * random.normal(size=(draws, users, 16)) for _ in range(2)]
    return unit(halves[0].astype(np.float32)), unit(halves[1].astype(np.float32))


def test_each_user_a_direction_of_its_own_separates_perfectly() -> None:
    rows = np.broadcast_to(np.eye(6, dtype=np.float32), (3, 6, 6))
    found, own = separation(rows, rows, permutations=999)
    assert (found.auc, found.own_auc, found.retrieval) == (1.0, 1.0, 1.0)
    assert found.own_auc_ci95 == (1.0, 1.0)
    # Only the identity reaches it: 1 of 720 permutations.
    assert found.p < 0.02
    assert own.tolist() == [1.0] * 6


def test_personas_that_are_all_alike_give_exactly_chance() -> None:
    for value in (0.0, 0.5):
        rows = np.full((3, 5, 4), value, dtype=np.float32)
        found, _ = separation(rows, rows, permutations=99)
        assert (found.auc, found.own_auc, found.p) == (0.5, 0.5, 1.0)
        assert found.retrieval == pytest.approx(found.chance) == pytest.approx(0.2)


def test_a_worked_example() -> None:
    # Angles in degrees: user 0's halves are 10 apart, user 1's 20; between users 30 and 60.
    def at(*degrees: float) -> Vectors:
        turn = np.radians(degrees)
        return np.stack([np.cos(turn), np.sin(turn)], axis=1)[None].astype(np.float32)

    found, _ = separation(at(0, 40), at(10, 60), permutations=99)
    # d(0,0)=10, d(1,1)=20 are within; d(0,1)=60, d(1,0)=30 are between: all four comparisons won.
    assert found.auc == 1.0
    crossed, _ = separation(at(0, 40), at(35, 60), permutations=99)
    # Within 35 and 20; between d(0,1)=60 and d(1,0)=5: 60 > 35, 60 > 20, 5 < 35, 5 < 20.
    assert crossed.auc == 0.5
    # User 0: 60 > 35 from the first half, but 5 < 35 from the second; user 1: 5 < 20, 60 > 20.
    assert crossed.own_auc == 0.5
    assert crossed.retrieval == 0.5
    assert found.retrieval == 1.0


@given(st.integers(3, 7), st.integers(1, 3), st.integers(0, 10_000))
def test_the_pooled_auc_is_the_share_of_won_comparisons(users: int, draws: int, seed: int) -> None:
    first, second = noisy(users, draws, 1.0, seed)
    first[0, 0] = 0  # a persona of which nothing is known
    found, _ = separation(first, second, permutations=9)
    distance = [np.round(1 - a @ b.T, 5) for a, b in zip(first, second, strict=True)]
    within = [d[u, u] for d in distance for u in range(users)]
    between = [d[u, v] for d in distance for u, v in product(range(users), repeat=2) if u != v]
    won = np.mean([(b > w) + (b == w) / 2 for w, b in product(within, between)])
    assert found.auc == pytest.approx(won, abs=1e-6)


@given(st.permutations(range(6)), st.integers(0, 100))
def test_the_order_of_users_does_not_matter(order: list[int], seed: int) -> None:
    first, second = noisy(6, 3, 1.5, seed)
    here, _ = separation(first, second, permutations=9)
    there, _ = separation(first[:, order], second[:, order], permutations=9)
    assert (here.auc, here.own_auc, here.retrieval) == pytest.approx(
        (there.auc, there.own_auc, there.retrieval)
    )


def test_noise_is_not_taken_for_structure_more_often_than_said() -> None:
    values = [separation(*noisy(12, 3, np.inf, seed), permutations=199)[0].p for seed in range(100)]
    assert sum(p <= 0.05 for p in values) <= 11  # 5 expected; more than 11 once in 200 suites
    assert 0.35 < float(np.mean(values)) < 0.65


def test_more_noise_separates_less() -> None:
    values = [separation(*noisy(20, 3, noise), permutations=199)[0] for noise in (0.3, 1, 3)]
    assert values[0].own_auc > values[1].own_auc > values[2].own_auc > 0.5
    assert values[0].p < 0.01


def test_a_persona_near_to_everybody_is_no_structure() -> None:
    # One user of whom much is known lies in the middle of all, in both halves.
    random = np.random.default_rng(1)
    halves = random.normal(size=(2, 3, 30, 16))
    middle = halves.mean(axis=(1, 2), keepdims=True)
    halves[:, :, 0] = middle[:, :, 0]
    first, second = unit(halves[0].astype(np.float32)), unit(halves[1].astype(np.float32))
    assert separation(first, second, permutations=499)[0].p > 0.05


def test_users_without_claims_count_as_chance_and_do_not_find_each_other() -> None:
    first, second = noisy(10, 3, 0.1)
    first[:, :5] = 0
    second[:, :5] = 0
    _, own = separation(first, second, permutations=9)
    assert all(abs(value - 0.5) < 0.3 for value in own[:5])
    assert all(value > 0.9 for value in own[5:])


def test_one_user_cannot_be_compared() -> None:
    rows = np.ones((3, 1, 2), np.float32)
    assert separation(rows, rows)[0].p == 1.0


def test_a_gain_is_paired_by_user() -> None:
    low = np.array([0.2, 0.5, 0.8])
    high = np.array([0.3, 0.6, 0.9])
    assert paired_gain(high, low, seed=0) == pytest.approx((0.1, 0.1, 0.1))
    assert paired_gain(low, low, seed=0) == (0.0, 0.0, 0.0)
