"""What distillation is shown of an episode: a comment stands behind what it is about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from persona_agent.prompts import DistilInputs
from persona_agent.schema import Episode, Feedback, Query

AT = datetime(2026, 1, 1, tzinfo=UTC)
START = "[E1] 2026-01-01 (mail) A note to the host ->"


def line(comment: str = "", thumb: int | None = None, **more: Any) -> str:
    said = Feedback.model_validate({"comment": comment, "thumb": thumb})
    query = Query(text="A note to the host", task="mail")
    episode = Episode(user_id="ana", query=query, response="Hand it\nover.", at=AT, feedback=said)
    shown = DistilInputs(episodes=(episode.model_copy(update=more),)).sections()["episodes"]
    assert shown.startswith(START) and "\n" not in shown
    return shown.removeprefix(START).strip()


@pytest.mark.parametrize(("thumb", "judged"), [(-1, "disliked"), (1, "liked")])
def test_an_answer_that_was_judged_is_shown(thumb: int, judged: str) -> None:
    answer = f"(not known) (the user {judged} this answer: Hand it over.)"
    assert line(thumb=thumb) == answer
    assert line("too pushy", thumb=thumb) == f"{answer} (comment: too pushy)"


def test_a_comment_without_a_judgement_stands_behind_the_answer() -> None:
    assert line("hm") == "(not known) (the assistant answered: Hand it over.) (comment: hm)"
    assert line() == "(not known)", "the assistant's own words say nothing of the user"
    assert line("hm", response=None) == "(not known) (comment: hm)"


def test_a_comment_beside_an_outcome_is_on_that() -> None:
    assert line("hm", thumb=-1, outcome="Please.") == "Please. (comment: hm)"


def test_a_reply_stands_behind_the_question_it_replies_to() -> None:
    shown = line("The train.", metadata={"question": "Kind or\nbrief?"})
    assert shown == "(not known) (the assistant asked: Kind or brief?) (comment: The train.)"
