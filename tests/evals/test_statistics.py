"""Bootstrap and tests: properties, and exactness against brute force."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_agent.evals.scores.metrics import scorer_for
from persona_agent.evals.scores.statistics import (
    Floats,
    bootstrap,
    draw_users,
    harmed_users_share,
    interval,
    paired_bootstrap,
    sign_flip_p_value,
    significantly_harmed_users_share,
    sum_by_user,
)

LABELS = ["a", "b", "c"]
SCORER = scorer_for("choice", LABELS)

answers = st.lists(
    st.tuples(st.sampled_from("uvwxyz"), st.sampled_from(LABELS), st.sampled_from(LABELS)),
    min_size=1,
    max_size=30,
)
Drawn = list[tuple[str, str, str]]


def user_sums(drawn: Drawn) -> Floats:
    columns = SCORER.columns([one[1] for one in drawn], [one[2] for one in drawn])
    return sum_by_user([one[0] for one in drawn], columns)


def test_sums_by_user() -> None:
    sums = sum_by_user(["b", "a", "b"], np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    assert sums.tolist() == [[3, 4], [6, 8]]


def test_draws() -> None:
    draws = draw_users(7, resamples=50, seed=1)
    assert draws.shape == (50, 7)
    assert (draws.sum(axis=1) == 7).all()
    assert (draws == draw_users(7, resamples=50, seed=1)).all()
    assert (draws != draw_users(7, resamples=50, seed=2)).any()


@settings(max_examples=50)
@given(answers, st.randoms())
def test_the_order_of_users_and_queries_does_not_matter(
    drawn: Drawn, shuffler: random.Random
) -> None:
    mixed = list(drawn)
    shuffler.shuffle(mixed)
    sums = user_sums(drawn)
    draws = draw_users(len(sums), resamples=200, seed=0)
    first = bootstrap(sums, SCORER.metrics, draws)
    assert first == bootstrap(user_sums(mixed), SCORER.metrics, draws)


@settings(max_examples=50)
@given(answers)
def test_intervals_are_ordered_and_within_the_range(drawn: Drawn) -> None:
    sums = user_sums(drawn)
    found = bootstrap(sums, SCORER.metrics, draw_users(len(sums), resamples=200))
    for ends in found.values():
        assert (ends is None) == (len(sums) == 1)
        assert ends is None or 0 <= ends[0] <= ends[1] <= 1


@given(st.integers(2, 9), st.integers(1, 9), st.booleans())
def test_constant_data_have_no_spread(users: int, queries: int, right: bool) -> None:
    drawn = [(str(user), "a", "a" if right else "b") for user in range(users)] * queries
    sums = user_sums(drawn)
    found = bootstrap(sums, SCORER.metrics, draw_users(users, resamples=100))
    assert found["accuracy"] == (float(right), float(right))


def test_each_resample_is_the_metric_of_its_queries() -> None:
    """The sums of a draw give what scoring the drawn users' queries from scratch gives."""
    rng = random.Random(5)
    drawn = [(rng.choice("uvwx"), rng.choice(LABELS), rng.choice(LABELS)) for _ in range(40)]
    sums = user_sums(drawn)
    for draw in draw_users(len(sums), resamples=20):
        picked = [one for one in drawn for _ in range(int(draw["uvwx".index(one[0])]))]
        columns = SCORER.columns([one[1] for one in picked], [one[2] for one in picked])
        expected = SCORER.metrics(columns.sum(axis=0))
        found = SCORER.metrics(draw @ sums)
        assert found["macro_f1"] == pytest.approx(expected["macro_f1"])
        assert found["accuracy"] == pytest.approx(expected["accuracy"])


def test_the_interval_covers_as_often_as_it_says() -> None:
    """95 % of intervals over users hold the true accuracy, though queries of a user are alike."""
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        chances = rng.beta(2, 2, size=40)
        right = rng.binomial(20, chances)
        sums = np.zeros((40, 2 + 3 * len(LABELS)))
        sums[:, 0], sums[:, 1] = 20, right
        draws = draw_users(40, resamples=500, seed=trial)
        ends = bootstrap(sums, SCORER.metrics, draws)["accuracy"]
        assert ends is not None
        hits += ends[0] <= 0.5 <= ends[1]
    assert 0.89 <= hits / 200 <= 0.99


def test_interval() -> None:
    assert interval(np.arange(101.0)) == pytest.approx((2.5, 97.5))


@settings(max_examples=50)
@given(answers)
def test_an_arm_does_not_differ_from_itself(drawn: Drawn) -> None:
    sums = user_sums(drawn)
    found = paired_bootstrap(sums, sums, SCORER.metrics, draw_users(len(sums), resamples=50))
    for value, ends in found.values():
        assert value == 0
        assert ends in (None, (0, 0))


def test_a_paired_difference_is_narrower_than_an_unpaired_one() -> None:
    """Hard users are hard for both arms; a constant gain of one query each has no spread."""
    second = user_sums([(user, "a", "b") for user in "uvwxyz" for _ in range(4)])
    first = second.copy()
    first[:, 1] += 1
    draws = draw_users(6, resamples=200)
    value, ends = paired_bootstrap(first, second, SCORER.metrics, draws)["accuracy"]
    assert value == 0.25
    assert ends == (0.25, 0.25)


def brute_force(differences: list[float]) -> float:
    observed = sum(differences)
    sizes = [abs(one) for one in differences]
    sums = [
        sum(sign * size for sign, size in zip(signs, sizes, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(sizes))
    ]
    return sum(one <= observed + 1e-9 for one in sums) / len(sums)


@given(st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=10))
def test_the_sign_flip_test_is_exact(differences: list[float]) -> None:
    assert sign_flip_p_value(differences) == pytest.approx(brute_force(differences))


@given(st.lists(st.integers(-16, 16).map(lambda n: n / 4), min_size=1, max_size=8))
def test_the_sign_flip_test_is_exact_for_fractions(differences: list[float]) -> None:
    assert sign_flip_p_value(differences) == pytest.approx(brute_force(differences))


def test_the_sign_flip_test_on_known_cases() -> None:
    assert sign_flip_p_value([]) == 1
    assert sign_flip_p_value([0, 0]) == 1
    assert sign_flip_p_value([-1] * 4) == 1 / 16
    assert sign_flip_p_value([-1] * 5) == 1 / 32
    assert sign_flip_p_value([1] * 5) == 1
    assert sign_flip_p_value([-1.0] * 300) < 1e-50


def test_harm() -> None:
    users = ["a"] * 5 + ["b"] * 5 + ["c"]
    base = np.array([1.0] * 5 + [1.0] * 5 + [0.0])
    ours = np.array([0.0] * 5 + [0.0, 1, 1, 1, 1] + [1.0])
    assert harmed_users_share(users, ours, base) == pytest.approx(2 / 3)
    assert significantly_harmed_users_share(users, ours, base) == pytest.approx(1 / 3)
    assert harmed_users_share(users, base, base) == 0
    assert significantly_harmed_users_share(users, base, base) == 0


@settings(max_examples=50)
@given(answers)
def test_significant_harm_is_harm(drawn: Drawn) -> None:
    users = [one[0] for one in drawn]
    ours = np.array([float(one[1] == one[2]) for one in drawn])
    base = np.array([float(one[1] == "a") for one in drawn])
    strict = significantly_harmed_users_share(users, ours, base)
    assert 0 <= strict <= harmed_users_share(users, ours, base) <= 1
