"""The comparison behind every acceptance."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.optimizer.gates import compare, mean_score, score
from persona_agent.schema import Trial


def trials(losses: list[float], confidence: float | None = None) -> list[Trial]:
    return [
        Trial(episode_id=str(n), answer="a", loss=loss, confidence=confidence)
        for n, loss in enumerate(losses)
    ]


def test_a_certain_gain_passes_and_a_certain_loss_does_not() -> None:
    good, bad = trials([0.0] * 20), trials([1.0] * 20)
    assert compare("g", good, bad, confidence_weight=0, margin_errors=2).passed
    assert not compare("g", bad, good, confidence_weight=0, margin_errors=0).passed


def test_one_lucky_episode_is_no_certain_gain() -> None:
    result = compare("g", trials([0.0]), trials([1.0]), confidence_weight=0, margin_errors=2)
    assert result.difference == -1.0
    assert not result.passed


def test_no_difference_is_no_gain() -> None:
    same = trials([0.0, 1.0])
    assert not compare("g", same, same, confidence_weight=0.5, margin_errors=0).passed
    assert not compare("g", [], [], confidence_weight=0.5, margin_errors=0).passed


def test_a_negative_margin_tolerates_a_small_loss_only() -> None:
    incumbent = trials([0.0] * 19 + [1.0])
    slightly, much = trials([0.0] * 18 + [1.0] * 2), trials([1.0] * 20)
    assert compare("g", slightly, incumbent, confidence_weight=0, margin_errors=-1).passed
    assert not compare("g", much, incumbent, confidence_weight=0, margin_errors=-1).passed


def test_the_numbers_of_the_formula() -> None:
    # d = -1, 0, 0, 0 and three of 0: mean -1/7, variance 1/7 - 1/49
    result = compare(
        "g", trials([0.0] * 4), trials([1.0, 0.0, 0.0, 0.0]), confidence_weight=0, margin_errors=0.5
    )
    assert result.standard_error == pytest.approx(((6 / 49 + 0.05) / 7) ** 0.5)
    assert result.passed == (-1 / 7 < -0.5 * ((6 / 49 + 0.05) / 7) ** 0.5)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30),
    st.floats(-2, 2),
)
def test_a_reason_tells_the_difference_and_what_it_had_to_be_below(
    losses: list[tuple[float, float]], errors: float
) -> None:
    candidate, incumbent = (trials([pair[side] for pair in losses]) for side in (0, 1))
    result = compare("g", candidate, incumbent, confidence_weight=0, margin_errors=errors)
    told = re.fullmatch(r"difference (\S+) is not below (\S+)", result.reason)
    assert result.passed == (told is None)
    if told:
        assert told[1] == f"{result.difference:+.3f}"
        assert float(told[1]) >= float(told[2]) - 0.0011


def test_confidence_tells_candidates_apart_that_are_equally_right() -> None:
    sure, unsure = trials([0.0] * 20, 0.9), trials([0.0] * 20, 0.4)
    assert compare("g", sure, unsure, confidence_weight=0.5, margin_errors=1).passed


def test_a_failed_answer_scores_its_loss_alone() -> None:
    failed = Trial(episode_id="1", answer=None, loss=1.0, confidence=0.9, error="time-out")
    assert score(failed, 0.5) == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 1))
def test_scores_stay_between_0_and_1(losses: list[float], weight: float) -> None:
    assert 0 <= mean_score(trials(losses, 0.7), weight) <= 1


def test_episodes_must_pair() -> None:
    with pytest.raises(ValueError, match="zip"):
        compare("g", trials([0.0]), trials([0.0, 1.0]), confidence_weight=0, margin_errors=0)
