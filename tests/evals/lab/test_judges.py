"""Votes, their orders, what is missing, and what is invalid before anybody judges."""

from __future__ import annotations

import pytest

from persona_agent.errors import BudgetExceededError, ModelCannotError
from persona_agent.evals.lab.consistency import (
    check_lines,
    line_to_line,
    pairs_in_conflict,
    prompt_to_line,
    verdicts,
)
from persona_agent.evals.lab.judges import Opinion, Panel, disagreement, invalid, majority
from persona_agent.persona.losses import evidence_weight
from persona_agent.prompts.lab import Line, ListenInputs
from persona_agent.testing.models import ScriptedModel
from tests.evals.lab.actors import ANA, FAILS, judge


@pytest.mark.parametrize(
    "line", ["", "  ", "| | |", "...", "42", "xxxx", "ha ha ha ha ha ha ha", "\u2026\n--"]
)
def test_what_says_nothing_is_invalid(line: str) -> None:
    assert invalid(line)


@pytest.mark.parametrize("line", ["No.", "I do, I do!", "Nein, danke.", "да", "a b a b c d"])
def test_what_says_something_is_valid(line: str) -> None:
    assert invalid(line) == ""


def test_a_tie_and_no_vote_are_missing() -> None:
    assert majority([("a", ""), ("b", "")]).answer is None
    assert majority([]) == Opinion(None)
    best = majority([("b", "x"), ("a", "why"), ("a", "later")])
    assert (best.answer, best.evidence, best.votes) == ("a", "why", ("b", "a", "a"))
    assert disagreement([best, majority([("a", "")])]) == [1.0, None]


async def test_every_vote_sees_another_order_and_is_mapped_back() -> None:
    model = judge()
    opinions = await Panel((model,), votes=6).relate(
        "I love tea. It is not true: I have a dog.", ANA.statements
    )
    assert [one.answer for one in opinions] == ["contradiction", "entailment", "neutral"]
    assert all(one.unanimous and len(one.votes) == 6 for one in opinions)
    shown = {inputs.statements for _, inputs in model.requests if hasattr(inputs, "statements")}
    assert len(shown) > 1


async def test_a_failed_vote_is_missing_and_no_score() -> None:
    panel = Panel((judge("a"), ScriptedModel({"lab_relate": FAILS}, name="b")))
    (opinion,) = await panel.relate("I love tea.", ["I love tea."])
    assert opinion.votes == ("entailment",)
    nobody = Panel((ScriptedModel({"lab_relate": FAILS}),))
    assert (await nobody.relate("I love tea.", ["I love tea."]))[0].answer is None


async def test_what_no_judge_can_and_a_spent_budget_are_told() -> None:
    cannot = ModelCannotError("not me")
    with pytest.raises(ModelCannotError):
        await Panel((ScriptedModel({"lab_relate": cannot}),)).relate("a b", ["c"])
    mixed = Panel((ScriptedModel({"lab_relate": cannot}), judge()))
    assert (await mixed.relate("a b", ["a b"]))[0].answer == "entailment"
    spent = Panel((judge(), ScriptedModel({"lab_relate": BudgetExceededError("spent")})))
    with pytest.raises(BudgetExceededError):
        await spent.relate("a b", ["c"])


async def test_a_listener_that_looks_at_the_place_is_right_by_chance_only() -> None:
    always_first = ScriptedModel({"lab_listen": {"reason": "", "speaker": 1}})
    votes = await Panel((always_first,), votes=40).listen("hello", ["x", "y"])
    assert sum(votes) == 40 and 8 <= votes[0] <= 32

    def knows(inputs: ListenInputs) -> dict[str, object]:
        return {"reason": "", "speaker": inputs.persons.index("y") + 1}

    knowing = ScriptedModel({"lab_listen": knows})
    assert await Panel((knowing,), votes=9).listen("hello", ["x", "y"]) == [0, 9]


def lines(*said: str) -> list[Line]:
    return [
        line
        for text in said
        for line in (Line(speaker="user", text="and?"), Line(speaker="persona", text=text))
    ]


async def test_lines_against_persona_and_own_words() -> None:
    said = ("I have a dog.", "My car is red.", "", "It is not true: my car is red.",
            "Not true: I love tea.")  # fmt: skip
    checks = await check_lines(Panel((judge(),)).relate, ANA.statements, lines(*said))
    assert prompt_to_line(checks) == [1.0, 1.0, None, 1.0, 0.0]
    assert checks[2].problem and checks[3].conflicts == (1,)
    assert line_to_line(checks) == [1.0, None, 0.0, 1.0]
    # Pairs: 0 + 1 + 3 + 4 of the lines that could be judged, and one conflict.
    assert pairs_in_conflict(checks) == pytest.approx(1 - 1 / 8)
    shown = [one.verdict for one in verdicts("ana", checks)]
    assert shown == ["holds", "holds", "invalid", "contradicts", "contradicts"]


async def test_emptiness_is_not_consistent() -> None:
    checks = await check_lines(Panel((judge(),)).relate, ANA.statements, lines("", "| | |"))
    assert prompt_to_line(checks) == [None, None]
    assert pairs_in_conflict(checks) is None


def test_agreement_counts_fully_and_contradiction_by_how_likely_it_is() -> None:
    assert [evidence_weight(said, 4) for said in (1, 3, 4)] == [0.25, 0.75, 1.0]
    with pytest.raises(ValueError, match="drawn"):
        evidence_weight(2, 1)
