"""Losses of a persona that does not hold: their ends, and what is missing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.errors import InputError, ModelAnswerError
from persona_agent.llm.critic import (
    Conflict,
    check_drafts,
    heard_loss,
    listener_votes,
    relations,
)
from persona_agent.persona.losses import (
    KNOWN,
    Relations,
    invention_loss,
    listener_loss,
    reporting_apart,
)
from persona_agent.persona.rivals import NEAR, contradicted_twin, flipped, nearest
from persona_agent.prompts.lab import REPLY_LISTEN
from persona_agent.testing import ScriptedModel
from tests.scripted import Sampling


def test_a_listener_who_cannot_tell_costs_one() -> None:
    assert listener_loss([2, 2]) == pytest.approx(1.0)
    assert listener_loss([0, 0, 0]) == pytest.approx(1.0)
    assert listener_loss([9, 0]) < 0.1 < 1 < listener_loss([0, 9])
    with pytest.raises(ValueError, match="second person"):
        listener_loss([3])


@given(st.lists(st.integers(0, 9), min_size=2, max_size=5))
def test_one_more_vote_for_the_speaker_costs_less(votes: list[int]) -> None:
    assert listener_loss([votes[0] + 1, *votes[1:]]) < listener_loss(votes)


def test_what_is_invented_is_neither_known_nor_denied() -> None:
    said: list[Relations] = [
        (["neutral"], ["entailment"]), (["neutral"], ["neutral"]), (["contradiction"], ["neutral"])
    ]  # fmt: skip
    assert invention_loss(said) == pytest.approx(1 / 3)
    assert invention_loss([(["neutral"], ["contradiction"])]) == 1  # no claim is contradicted
    assert invention_loss([([], [])]) == 1  # asserted, where nothing is known
    assert invention_loss([KNOWN]) == 0 and invention_loss([]) == 0


def test_a_judge_is_in_the_loss_or_reports() -> None:
    reporting_apart({"a"}, ["b", "c"])
    with pytest.raises(InputError, match=r"'b'.*reported by another"):
        reporting_apart(["a", "b"], ["b", "c"])


@pytest.mark.parametrize(
    ("statement", "turned"),
    [
        ("I love tea.", "I hate tea."),
        ("never eats meat", "eats meat"),
        ("I never buy leather or fast fashion.", "I buy leather and fast fashion."),
        ("I do not plan, nor do I save.", "I plan, and do I save."),
        ("dislikes crowds or noise", "likes crowds and noise"),
        ("takes the bus or walks; does not drive", "takes the bus or walks; does drive"),
        ("I have an allotment.", "I have no allotment."),
        ("I have no car.", "I have car."),
        ("has two children", "has no children"),
        ("wants one line, never a list", "avoids one line, never a list"),
        ("often reads tea or coffee blogs", "never reads tea or coffee blogs"),
        ("prefers comedies when tired", "avoids comedies when tired"),
        ("Blue.", "It is not true that blue."),
        ("", ""),
    ],
)
def test_a_claim_in_the_third_person_is_turned_round_too(statement: str, turned: str) -> None:
    assert flipped(statement) == turned


def test_a_twin_differs_in_one_claim() -> None:
    assert contradicted_twin(["likes tea", "likes rain"], 1) == "likes tea avoids rain"


def test_the_nearest_claim_is_turned_round_if_any_is_near() -> None:
    assert nearest([0.1, NEAR, 0.9, 0.9]) == 2
    assert nearest([0.1, NEAR]) == 1
    assert nearest([0.1, NEAR - 0.01]) is None and nearest([]) is None


# --- asking the critic --------------------------------------------------------------------------


async def test_the_votes_of_a_listener_are_mapped_back() -> None:
    def first_is_right(inputs: object) -> dict[str, object]:
        persons = inputs.persons  # type: ignore[attr-defined]
        return {"reason": "", "speaker": persons.index("own") + 1}

    model = Sampling({"lab_listen": first_is_right, "reply_listen": first_is_right})
    assert await listener_votes(model, "hi", ["own", "a", "b"], votes=5) == [5, 0, 0]
    loss = await heard_loss(model, "hi", ["own", "a"], votes=4, prompt=REPLY_LISTEN)
    assert loss == pytest.approx(-math.log(4.5 / 5) / math.log(2))
    assert await listener_votes(ScriptedModel({"lab_listen": first_is_right}), "hi", ["own", "a"]
                                ) == [1, 0]  # fmt: skip


async def test_a_listener_who_cannot_tell_is_at_chance() -> None:
    model = ScriptedModel({"reply_listen": {"reason": "", "speaker": 0}, "lab_listen":
                           {"reason": "", "speaker": 0}})  # fmt: skip
    votes = await listener_votes(model, "hi", ["own", "a", "b"], prompt=REPLY_LISTEN)
    assert votes == [0, 0, 0] and listener_loss(votes) == pytest.approx(1.0)
    with pytest.raises(ModelAnswerError):
        await listener_votes(model, "hi", ["own", "a", "b"])  # who says a line is always named


async def test_drafts_are_checked_in_one_call_and_mapped_back() -> None:
    conflict = {"contradictions": [{"draft": 2, "statement": 3, "evidence": "x"}]}
    model = ScriptedModel({"reply_check": conflict})
    found = await check_drafts(
        model, ["a", "b"], message="?", request="Tea?", of_user=["u1", "u2"], of_assistant=["said"]
    )
    assert found.conflicts == [[], [Conflict("said", "x", of_user=False)]]
    assert len(model.requests) == 1
    asked = model.requests[0][1].model_dump()
    assert (asked["message"], asked["request"]) == ("?", "Tea?")
    assert asked["statements"] == ("The user: u1", "The user: u2", "The assistant: said")
    assert (await check_drafts(model, ["a"], message="?")).conflicts == [[]]
    assert len(model.requests) == 1, "nothing known, nothing asked"


async def test_relations_come_in_the_order_of_the_statements() -> None:
    answer = {"relations": [{"statement": 2, "relation": "contradiction"},
                            {"statement": 1, "relation": "entailment"}]}  # fmt: skip
    model = ScriptedModel({"lab_relate": answer})
    assert await relations(model, "x", ["a", "b"]) == ["entailment", "contradiction"]
    assert await relations(model, "x", []) == []
