"""How a user puts wishes: what counts as a wish, and when nothing is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from persona_agent.agent.chat.mediate import HABIT_CASES, learn_habits, wishes
from persona_agent.schema import Episode, Query
from persona_agent.testing import ScriptedModel

START = datetime(2024, 1, 1, tzinfo=UTC)
HABIT = {"guidelines": [{"text": "Quiet is meant.", "records": [1, 2]}]}


def said(text: str, *options: str, outcome: str | None = None, thread: str = "") -> Episode:
    query = Query(text=text, options=options)
    metadata: dict[str, str | int | float | bool] = {"thread": thread} if thread else {}
    return Episode(user_id="ana", query=query, outcome=outcome, at=START, metadata=metadata)


def test_what_is_rated_or_labelled_is_no_wish() -> None:
    films, notes = ("1", "2", "3"), ("now", "later")
    flats = ("A flat by the quiet park.", "A flat above the loud bar.")
    found = wishes([
        said("A storm at sea.", *films, outcome="3"),
        said("The bin is full.", *notes, outcome="later"),
        said("Which flat?", *flats, outcome=flats[0]),
        said("A toast, please.", outcome="Short one."),
    ])  # fmt: skip
    assert [(one.query, one.outcome) for one in found] == [
        ("Which flat?", flats[0]), ("A toast, please.", "Short one.")]  # fmt: skip


def test_the_next_message_of_its_thread_tells_what_was_left_out() -> None:
    found = wishes([
        said("find a flat", thread="a"),
        said("a train", thread="b"),
        said("no stairs", thread="a"),
        said("thanks"),
        said("write it", outcome="In two lines.", thread="b"),
    ])  # fmt: skip
    assert [(one.query, one.outcome) for one in found] == [
        ("find a flat", "then: no stairs"),
        ("a train", "then: write it"),
        ("write it", "In two lines."),
    ]


async def test_the_latest_wishes_are_read_and_one_is_not_enough() -> None:
    model = ScriptedModel({"lab_refine": HABIT})
    ratings = [said(f"film {n}", "1", "2", outcome="1") for n in range(5)]
    assert await learn_habits(model, [*ratings, said("a flat", outcome="quiet")]) == []
    assert not model.requests, "there is nothing to compare"
    many = [
        said(f"flat {n}", outcome="quiet").model_copy(update={"at": START + timedelta(n)})
        for n in range(HABIT_CASES + 2)
    ]
    assert await learn_habits(model, many) == ["Quiet is meant."]
    asked = model.requests[0][1].model_dump()["records"]
    assert [asked[0]["query"], len(asked)] == ["flat 2", HABIT_CASES]
