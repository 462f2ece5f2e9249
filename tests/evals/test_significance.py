"""Tests, corrections, pooling and calibration against what can be worked out by hand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.errors import InputError
from persona_agent.evals.scores.calibration import calibration
from persona_agent.evals.scores.pooling import compare_pooled, losses, user_gains
from persona_agent.evals.scores.results import ArmResult, ArmUsage, EvalResult
from persona_agent.evals.scores.scoring import AnswerRecord
from persona_agent.evals.scores.significance import holm, sign_flip_test
from persona_agent.schema import TaskKind

NO_USAGE = ArmUsage(calls=0, prompt_tokens=0, completion_tokens=0, seconds=0)


def result(
    name: str,
    rows: Sequence[tuple[str, str, dict[str, str | None]]],
    *,
    kind: TaskKind = "choice",
    labels: tuple[str, ...] = ("a", "b"),
    model: str = "m",
    seed: int = 0,
) -> EvalResult:
    """Return a result with these records (user, gold, answers); its metrics are left out."""
    bare = ArmResult(metrics={}, usage=NO_USAGE, unparsed=0, harmed_users_share=None)
    records = tuple(
        AnswerRecord(user_id=user, query_id=str(n), gold=gold, answers=answers)
        for n, (user, gold, answers) in enumerate(rows)
    )
    return EvalResult(
        dataset=name,
        task="t",
        model=model,
        embedder="e",
        seed=seed,
        users=1,
        queries=len(rows),
        arms={arm: bare for arm in rows[0][2]},
        records=records,
        kind=kind,
        labels=labels,
    )


# --- Holm ---------------------------------------------------------------------------------------


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(min_value=1e-6, max_value=1), min_size=1, max_size=12))
def test_holm_lies_between_no_correction_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, corrected in zip(p_values, adjusted, strict=True):
        assert p <= corrected <= min(1.0, len(p_values) * p) + 1e-12
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    assert [adjusted[index] for index in order] == sorted(adjusted)


# --- sign flips ---------------------------------------------------------------------------------


def exact(values: Sequence[float]) -> float:
    sums = [
        abs(float(np.dot(signs, values)))
        for signs in itertools.product((-1, 1), repeat=len(values))
    ]
    return sum(one >= abs(sum(values)) - 1e-9 for one in sums) / len(sums)


@pytest.mark.parametrize("values", [[1, 1, 1, 1, 1, 1], [0.5, -0.2, 0.9, 0.1, 0.4], [1, -1, 2]])
def test_the_test_agrees_with_all_sign_flips(values: list[float]) -> None:
    found = sign_flip_test(np.array(values))
    assert found == pytest.approx(exact(values), abs=0.015)
    assert found == sign_flip_test(np.array(values)), "equal arguments, equal p"
    assert sign_flip_test(-np.array(values)) == found, "two-sided"


def test_no_difference_is_no_evidence() -> None:
    assert sign_flip_test(np.zeros(5)) == 1.0


def test_under_the_null_small_p_are_as_rare_as_they_say() -> None:
    draw = np.random.default_rng(7)
    found = [sign_flip_test(draw.normal(size=15), flips=400) for _ in range(300)]
    assert 0.02 < np.mean([p <= 0.05 for p in found]) < 0.09


# --- pooling ------------------------------------------------------------------------------------


def test_losses_are_between_0_and_1_for_any_metric() -> None:
    films = result(
        "films", [("u", "a", {"x": "a"}), ("u", "a", {"x": "b"}), ("u", "b", {"x": None})]
    )
    assert losses(films, "x").tolist() == [0, 1, 1]
    stars = result(
        "stars",
        [("u", "5", {"x": "5"}), ("u", "5", {"x": "4"}), ("u", "4", {"x": None})],
        kind="rating",
        labels=("1", "2", "3", "4", "5"),
    )
    assert losses(stars, "x").tolist() == [0, 0.25, 0.75]


def pair(user: str, gold: str, ours: str, theirs: str) -> tuple[str, str, dict[str, str | None]]:
    return (user, gold, {"ours": ours, "theirs": theirs})


def test_each_set_counts_alike_however_large_it_is() -> None:
    large = result("large", [pair(f"u{n % 9}", "a", "a", "b") for n in range(90)])
    small = result(
        "small",
        [pair("u1", "5", "4", "5"), pair("u2", "5", "4", "5")],
        kind="rating",
        labels=("1", "2", "3", "4", "5"),
    )
    (gain,) = compare_pooled([large, small], [("ours", "theirs")])
    assert gain.gain == pytest.approx((1.0 - 0.25) / 2)
    assert (gain.sets, gain.users, gain.queries) == (("large", "small"), 11, 92)
    assert gain.ci95 == (0.375, 0.375), "all users agree within each set"
    assert user_gains(small, "ours", "theirs") == {"u1": -0.25, "u2": -0.25}


def test_seeds_of_one_set_are_one_set_with_the_same_users() -> None:
    rows = [pair("u1", "a", "a", "b"), pair("u2", "a", "b", "a"), pair("u3", "a", "a", "b")]
    once = compare_pooled([result("s", rows)], [("ours", "theirs")])[0]
    twice = compare_pooled([result("s", rows), result("s", rows, seed=1)], [("ours", "theirs")])[0]
    assert (twice.users, twice.queries) == (3, 6)
    assert (twice.ci95, twice.p_value) == (once.ci95, once.p_value), "no certainty from copies"


def test_the_interval_is_that_of_users_not_of_queries() -> None:
    """Ten users of ten equal queries each are ten observations, not a hundred."""
    rows = [
        pair(f"u{n // 10}", "a", *(("a", "b") if n // 10 < 7 else ("b", "a"))) for n in range(100)
    ]
    (gain,) = compare_pooled([result("s", rows)], [("ours", "theirs")])
    assert gain.gain == pytest.approx(0.4)
    assert gain.ci95 is not None and gain.ci95[1] - gain.ci95[0] > 0.9
    assert gain.p_value > 0.2


def test_a_pair_is_compared_where_both_arms_are() -> None:
    both = result("both", [pair("u1", "a", "a", "b"), pair("u2", "a", "a", "a")])
    one = result("one", [("u1", "a", {"ours": "a"})])
    found = compare_pooled([both, one], [("ours", "theirs"), ("ours", "absent")])
    assert [(gain.versus, gain.sets) for gain in found] == [("theirs", ("both",))]


def test_a_single_user_gives_no_interval() -> None:
    (gain,) = compare_pooled([result("s", [pair("u", "a", "a", "b")])], [("ours", "theirs")])
    assert gain.ci95 is None


def test_models_are_not_mixed() -> None:
    rows = [pair("u", "a", "a", "b")]
    with pytest.raises(InputError, match="one model"):
        compare_pooled([result("s", rows), result("t", rows, model="n")], [("ours", "theirs")])


# --- calibration --------------------------------------------------------------------------------


def test_calibration_by_hand() -> None:
    found = calibration([0.95, 0.95, 0.25, 1.0], [True, False, False, True])
    assert found is not None
    assert [(one.low, one.high, one.queries) for one in found.bins] == [(0.2, 0.3, 1), (0.9, 1, 3)]
    assert found.ece == pytest.approx(0.25 * 0.25 + 0.75 * abs(2.9 / 3 - 2 / 3), abs=1e-6)
    assert found.brier == pytest.approx((0.05**2 + 0.95**2 + 0.25**2 + 0) / 4, abs=1e-6)
    assert (found.confidence, found.accuracy) == (0.7875, 0.5)
    assert calibration([], []) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_calibration_stays_in_its_bounds(answers: list[tuple[float, bool]]) -> None:
    found = calibration([one for one, _ in answers], [right for _, right in answers])
    assert found is not None
    assert 0 <= found.ece <= 1 and 0 <= found.brier <= 1
    assert sum(one.queries for one in found.bins) == found.queries == len(answers)
    assert found.ece >= abs(found.confidence - found.accuracy) - 2e-6
