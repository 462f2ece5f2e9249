"""Which episodes overtake earlier ones, and which of them show that the user changed."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from persona_agent.persona.overtaking import changes_of_taste, first_changes, overtakes
from persona_agent.schema import Episode, Query

START = datetime(2026, 1, 1, tzinfo=UTC)
TEA, NAP = (1.0, 0.0), (0.0, 1.0)


def episode(day: int, outcome: str, options: tuple[str, ...] = ("green", "black")) -> Episode:
    return Episode(
        id=f"e{day}",
        user_id="ann",
        query=Query(text="which?", options=options, task="tea"),
        outcome=outcome,
        at=START + timedelta(days=day),
    )


def changes(outcomes: str, places: list[tuple[float, float]] | None = None) -> list[str]:
    words = {"g": "green", "b": "black"}
    history = [episode(day, words[one]) for day, one in enumerate(outcomes)]
    vectors = np.array(places or [TEA] * len(history), dtype=np.float32)
    return sorted(first_changes(history, vectors))


@pytest.mark.parametrize(
    ("later", "earlier", "found"),
    [
        (episode(1, "black"), episode(0, "green"), True),
        (episode(1, "green"), episode(0, "green"), False),
        (episode(0, "black"), episode(1, "green"), False),
        (episode(1, "black", ("black", "white")), episode(0, "green"), False),
    ],
    ids=["another answer", "the same answer", "before it", "not on offer any more"],
)
def test_what_overtakes(later: Episode, earlier: Episode, found: bool) -> None:
    assert overtakes(later, earlier) is found


def test_only_the_first_of_another_answer_is_a_change() -> None:
    assert changes("ggbb") == ["e2"]
    assert changes("gggg") == []


def test_whoever_goes_back_and_forth_is_fickle_and_does_not_change_each_time() -> None:
    assert changes("gbgbgb") == ["e1"]
    assert changes("gbbg") == ["e1", "e3"]


def test_what_is_like_a_change_alone_and_not_like_what_was_before_it_is_not_settled() -> None:
    near = [(math.cos(angle), math.sin(angle)) for angle in (0.0, 0.4, 0.8)]
    assert changes("gbg", near) == ["e1"], "the first and the third are not alike"


def test_other_situations_are_left_alone() -> None:
    assert changes("gb", [TEA, NAP]) == []
    assert changes("gbb", [TEA, NAP, TEA]) == ["e2"]


def test_nothing_is_known_of_nobody() -> None:
    assert first_changes([], np.zeros((0, 2), dtype=np.float32)) == frozenset()


# --- a change of taste as a whole ---------------------------------------------------------------


def moment(answers: str, asked: list[int]) -> int | None:
    """Return the day since which taste is another one; ``asked`` are the questions, by day."""
    words = {"g": "green", "b": "black"}
    history = [episode(day, words[one]) for day, one in enumerate(answers)]
    _, at = changes_of_taste(history, np.eye(20, dtype=np.float32)[asked])
    return None if at is None else (at - START).days


ONCE = list(range(10))


def test_taste_changed_where_most_of_what_came_again_was_answered_otherwise() -> None:
    assert moment("g" * 10 + "bbgbgbbgbb", [*ONCE, *ONCE]) == 10
    assert moment("g" * 10 + "bbbb", [*ONCE, 0, 1, 2, 3]) == 10


def test_the_moment_is_that_of_the_change_whatever_stayed_before_and_after() -> None:
    steady = [*ONCE[:4], *ONCE, 0, 1, 2, 3, 4, *ONCE[:5]]
    assert moment("g" * 4 + "g" * 10 + "bbbbb" + "bbbbb", steady) == 14


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        ("g" * 10 + "bbb", [*ONCE, 0, 1, 2]),
        ("g" * 10 + "bggbggbggb", [*ONCE, *ONCE]),
        ("g" * 20, [*ONCE, *ONCE]),
        ("gb" * 5, ONCE),
        ("gbgbgbgbgb", [0] * 10),
        ("", []),
    ],
    ids=["too few", "most stayed", "all stayed", "nothing came again", "fickle", "nobody"],
)
def test_otherwise_it_did_not_change(answers: str, asked: list[int]) -> None:
    assert moment(answers, asked) is None
