"""How a past case and a query stand in a prompt: what was turned down, and when it was."""

from __future__ import annotations

from itertools import permutations

import pytest

from persona_agent.prompts import (
    DECIDE,
    DECIDE_BRIEF,
    Case,
    DecideInputs,
    DecideOutput,
    Failure,
    ProposeInputs,
    TypedPrompt,
)
from persona_agent.prompts.clarify import CLARIFY, ClarifyInputs
from persona_agent.prompts.parts import LABELS_COME, MOST_RIVALS, RIVALS_LENGTH, cases_text
from persona_agent.schema import Episode, Feedback, Query

MANY = tuple(f"label {n}" for n in range(MOST_RIVALS + 2))


def test_what_the_user_said_of_a_case_stands_behind_its_outcome() -> None:
    query = Query(text="Munich, one day", options=("train", "flight"))
    said = Feedback(comment="Only because\nof the strike." + "!" * 500)
    episode = Episode(user_id="ann", query=query, outcome="flight", feedback=said)
    line = cases_text([Case.of(episode)])
    assert "-> flight (comment: Only because of the strike.!" in line
    assert line.endswith("\u2026) (not: train)") and len(line) < 300
    silent = Case.of(episode.model_copy(update={"feedback": Feedback(thumb=1)}))
    assert cases_text([silent]).endswith("-> flight (not: train)")


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (("tea", "milk"), " (not: milk)"),
        (("milk", "tea", "black coffee"), " (not: milk; black coffee)"),
        (("tea", *MANY[: MOST_RIVALS - 1]), f" (not: {'; '.join(MANY[: MOST_RIVALS - 1])})"),
        (("tea", *MANY), ""),
        (("tea",), ""),
        ((), ""),
    ],
    ids=["two", "three", "a few", "labels", "no other", "free"],
)
def test_what_was_turned_down_is_shown_however_short_it_is(
    options: tuple[str, ...], shown: str
) -> None:
    assert cases_text([Case(query="q", outcome="tea", options=options)]) == f"- q -> tea{shown}"


def test_other_grades_of_a_scale_are_not_shown_as_turned_down() -> None:
    assert cases_text([Case(query="q", outcome="4", options=("2", "4", "5"))]) == "- q -> 4"


@pytest.mark.parametrize("others", range(1, MOST_RIVALS + 1))
def test_long_options_share_the_room_for_what_was_turned_down(others: int) -> None:
    told = [f"{n} {'a long tale ' * 60}" for n in range(others)]
    shown = Case(query="q", outcome="tea", options=("tea", *told)).rivals()
    assert RIVALS_LENGTH - 20 <= len(shown) <= RIVALS_LENGTH + 20
    assert all(f"{n} a long tale" in shown for n in range(others))


def test_labels_that_come_with_case_after_case_are_not_shown_as_turned_down() -> None:
    drinks = [Case(query="q", outcome="tea", options=order) for order in permutations(DRINKS)]
    other = Case(query="r", outcome="oats", options=("oats", "rye"))
    assert cases_text(drinks[:LABELS_COME]).count("not:") == 0
    assert cases_text([*drinks[: LABELS_COME - 1], other]).count("not:") == LABELS_COME
    proposed = ProposeInputs(
        failures=(Failure(case=drinks[0], answer="milk"),), correct=(drinks[1],), history=(other,)
    )
    assert str(proposed.sections()).count("not:") == 3
    more = proposed.model_copy(update={"history": (other, drinks[2])})
    assert str(more.sections()).count("not:") == 1


def test_the_options_of_the_query_itself_are_not_shown_as_turned_down() -> None:
    case = Case(query="q", outcome="tea", options=DRINKS)
    asked = DecideInputs(query=Query(text="r", options=DRINKS[::-1]), recalled=(case,))
    assert "not:" not in asked.sections()["recalled"]
    fewer = DecideInputs(query=Query(text="r", options=DRINKS[1:]), recalled=(case,))
    assert "(not: milk; rye)" in fewer.sections()["recalled"]


DRINKS = ("tea", "milk", "rye")
QUERY = Query(text="Which one?", options=("a", "b"), task="drinks")


@pytest.mark.parametrize("prompt", [DECIDE, DECIDE_BRIEF])
def test_a_query_stands_with_its_day_and_task_like_the_cases(
    prompt: TypedPrompt[DecideInputs, DecideOutput],
) -> None:
    case = Case(query="And here?", outcome="a", task="drinks", date="2026-03-01")
    inputs = DecideInputs(query=QUERY, recalled=(case,), date="2026-03-09")
    shown = prompt.render(inputs)[1].content
    assert "<query>\n2026-03-09 (drinks) Which one?\n</query>" in shown
    assert "- 2026-03-01 (drinks) And here? -> a" in shown


def test_where_the_day_is_not_known_none_is_shown() -> None:
    undated = DecideInputs(query=Query(text="Which one?", options=("a", "b")))
    assert "<query>\nWhich one?\n</query>" in DECIDE.render(undated)[1].content
    asked = ClarifyInputs(query=QUERY, date="2026-03-09")
    assert "<query>\n2026-03-09 (drinks) Which one?" in CLARIFY.render(asked)[1].content
