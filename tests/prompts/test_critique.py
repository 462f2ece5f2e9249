"""What a critic is shown of an answer, and what a proposal is told of a critique."""

from __future__ import annotations

import pytest

from persona_agent.prompts import CRITIQUE, Case, CritiqueInputs, Failure, ProposeInputs
from persona_agent.prompts.editing import MOST_RECALLED
from persona_agent.schema import Claim, Section


def claim(name: str, **fields: object) -> Claim:
    told = {"id": name, "section": Section.STYLE, "text": f"{name} text", "evidence": ("e1",)}
    return Claim.model_validate(told | fields)


CLAIMS = (claim("shown"), claim("hidden"), claim("own", origin="user", evidence=()))
FAILURE = Failure(
    case=Case(query="q", outcome="tea", options=("tea", "milk"), task="drinks", date="2026-03-09"),
    answer="milk",
)
INPUTS = CritiqueInputs(failure=FAILURE, claims=CLAIMS, unused=("hidden",))


def test_claims_have_the_number_of_their_place_also_where_edits_are_proposed() -> None:
    sections = INPUTS.sections()
    assert sections["claims"].splitlines() == [
        "[C1] (style; seen 1x) shown text",
        "[C3] (style; fixed by the user) own text",
    ]
    assert sections["unused"] == "[U2] (style; seen 1x) hidden text"
    proposed = ProposeInputs(claims=CLAIMS, failures=(FAILURE,)).sections()["claims"]
    assert [line.split()[0] for line in proposed.splitlines()] == ["[C1]", "[C2]", "[C3]"]


@pytest.mark.parametrize(
    ("reference", "named"),
    [("C1", "shown"), ("C3", "own"), ("C2", None), ("U2", None), ("hidden", None), ("C4", None)],
)
def test_what_was_not_shown_cannot_be_named_as_misleading(
    reference: str, named: str | None
) -> None:
    assert INPUTS.claim_id(reference) == named


def test_counts_of_help_are_told_once_there_are_any() -> None:
    counted = (claim("a", helpful=2), claim("b", harmful=1), claim("c"))
    shown = ProposeInputs(claims=counted, failures=(FAILURE,)).sections()["claims"]
    assert shown.splitlines() == [
        "[C1] (style; seen 1x; helped 2, harmed 0) a text",
        "[C2] (style; seen 1x; helped 0, harmed 1) b text",
        "[C3] (style; seen 1x) c text",
    ]


def test_cases_against_a_claim_are_told_to_who_edits_it() -> None:
    shown = ProposeInputs(claims=(claim("a", contrary=("e2", "e3")),), failures=(FAILURE,))
    assert shown.sections()["claims"] == "[C1] (style; seen 1x, otherwise 2x) a text"


def test_who_edits_a_claim_is_told_which_of_the_cases_shown_it_rests_on() -> None:
    cases = [Case(query=f"case {n}", outcome="tea", episode_id=f"e{n}") for n in range(9)]
    failure = FAILURE.model_copy(update={"case": cases[0]})
    known, few = claim("a", evidence=("e1", "e0", "old")), claim("b", evidence=("old",))
    many = claim("c", evidence=tuple(case.episode_id for case in cases))
    inputs = ProposeInputs(
        claims=(known, few, many),
        failures=(failure,),
        correct=tuple(cases[1:3]),
        history=tuple(cases[3:]),
    )
    assert inputs.sections()["claims"].splitlines() == [
        "[C1] (style; seen 3x; rests on E1, E2 and 1 more) a text",
        "[C2] (style; seen 1x) b text",
        "[C3] (style; seen 9x; rests on E4, E5, E6, E7, E8, E9 and 3 more) c text",
    ]


def test_an_answer_without_a_reason_stands_alone() -> None:
    assert INPUTS.sections()["answer"] == "milk"


def test_a_critic_sees_the_day_the_counts_and_the_cases_that_the_answer_saw() -> None:
    cases = [Case(query=f"case {n}", outcome="tea", date="2026-03-01") for n in range(30)]
    inputs = INPUTS.model_copy(update={"besides": "Outcomes so far\n- x", "recalled": (*cases,)})
    shown = CRITIQUE.render(inputs)[1].content
    assert "<query>\n2026-03-09 (drinks) q\n</query>" in shown
    assert "<counts_and_examples>\nOutcomes so far\n- x\n</counts_and_examples>" in shown
    lines = inputs.sections()["recalled"].splitlines()
    assert lines[0] == "- 2026-03-01 case 0 -> tea"
    assert lines[MOST_RECALLED:] == [f"(and {30 - MOST_RECALLED} more, less close)"]
    fewer = inputs.model_copy(update={"recalled": tuple(cases[:MOST_RECALLED])})
    assert "more, less close" not in fewer.sections()["recalled"]


def test_what_the_user_wants_stands_behind_a_mark_of_its_own() -> None:
    told = FAILURE.model_copy(update={"critique": "c" * 2_000, "preference": "tea"})
    shown = ProposeInputs(failures=(told, FAILURE)).sections()["failures"]
    assert shown.splitlines()[4] == "  wants: tea"
    assert shown.count("wants:") == 1
