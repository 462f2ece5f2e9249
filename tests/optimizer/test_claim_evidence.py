"""What a drafted claim rests on, what speaks against it, and that both are told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from persona_agent.llm.offline.reading import read_claim
from persona_agent.optimizer import OptimizerConfig
from persona_agent.optimizer.draft import draft_persona, draft_upon
from persona_agent.persona import apply_edits, render
from persona_agent.persona.left_out import NO_RULE, REFUSED, counting_left_out
from persona_agent.persona.overtaking import seeing_turns
from persona_agent.persona.render import claim_line, claims_shown
from persona_agent.prompts import Case, CritiqueInputs, DraftInputs, Failure
from persona_agent.schema import Claim, Edit, EditOperation, Episode, Fact, Persona, Query, Section
from persona_agent.testing import ScriptedModel

START = datetime(2026, 1, 1, tzinfo=UTC)
HISTORY = [
    Episode(
        id=f"e{n}",
        user_id="ann",
        query=Query(text=f"a trip {n}", options=("train", "flight"), task="trips"),
        outcome="train",
        at=START + timedelta(days=n),
    )
    for n in range(6)
]


def fact(id_: str, *sources: str) -> Fact:
    text = "Collects tickets."
    return Fact(id=id_, user_id="ann", text=text, sources=sources, valid_from=START)


async def drafted(
    evidence: Sequence[str],
    contrary: Sequence[str] = (),
    facts: Sequence[Fact] = (),
    *,
    most: int = 80,
    refused: Sequence[str] = (),
) -> tuple[list[Claim], DraftInputs]:
    """Draft from HISTORY where the model writes one claim that rests on this."""
    said = {"text": "takes the train", "evidence": evidence, "contrary": contrary}
    model = ScriptedModel({"draft_persona": {"claims": [said]}})
    config = OptimizerConfig(draft_cases=most)
    made = await draft_persona("ann", HISTORY, model, config, facts=facts, refused=refused)
    ((_, inputs),) = model.requests
    assert isinstance(inputs, DraftInputs)
    return list(made.claims), inputs


# --- facts as evidence --------------------------------------------------------------------------


async def test_a_fact_adds_no_shown_cases_to_those_that_were_named() -> None:
    about = fact("f", "e0", "e1", "e2", "e3", "e4", "e5")
    (claim,), _ = await drafted(["E1", "E2", "F1"], facts=[about])
    assert claim.evidence == ("e0", "e1")
    assert claim_line(claim).endswith("(seen 2x)")


async def test_a_fact_adds_cases_that_are_not_shown() -> None:
    (claim,), inputs = await drafted(["E1", "F1"], facts=[fact("f", "e0", "e1", "e4")], most=2)
    assert [case.episode_id for case in inputs.cases] == ["e4", "e5"]
    assert claim.evidence == ("e4", "e0", "e1")


async def test_facts_of_the_same_cases_count_them_once() -> None:
    facts = [fact("f", "e0", "e1"), fact("g", "e1", "e0")]
    (claim,), _ = await drafted(["F1", "F2"], facts=facts)
    assert claim.evidence == ("e0", "e1")


async def test_what_a_fact_rests_on_stands_behind_it() -> None:
    facts = [fact("f", "e0", "e1", "e4"), fact("g", "e0"), fact("h", "e5", "e4")]
    _, inputs = await drafted(["E1"], facts=facts, most=2)
    assert inputs.sections()["facts"].splitlines() == [
        "[F1] Collects tickets. (from E1 and 2 more)",
        "[F2] Collects tickets. (from 1 not shown)",
        "[F3] Collects tickets. (from E1, E2)",
    ]


async def test_of_much_that_a_fact_rests_on_the_latest_is_named() -> None:
    cases = tuple(Case(query="q", outcome="o", episode_id=f"e{n}") for n in range(30))
    about = fact("f", *(one.episode_id for one in reversed(cases)))
    told = DraftInputs(cases=cases, facts=(about,)).sections()["facts"]
    assert told.endswith("(from E25, E26, E27, E28, E29, E30 and 24 more)")


# --- cases against ------------------------------------------------------------------------------


async def test_cases_against_a_claim_are_told_beside_those_for_it() -> None:
    (claim,), _ = await drafted(["E1", "E2", "E3"], ["E4", "E3", "E99"])
    assert (claim.evidence, claim.contrary) == (("e0", "e1", "e2"), ("e3",))
    text = render(Persona(user_id="ann", claims=(claim,)))
    assert text == "Preferences\n- takes the train (seen 3x, otherwise 1x)"
    assert claims_shown([claim], text) == [claim]
    assert read_claim(claim_line(claim)[2:]).text == "takes the train"


async def test_that_all_cases_against_a_claim_came_later_is_told() -> None:
    said = [
        {"text": "turned", "evidence": ["E1", "E2", "E3"], "contrary": ["E5", "E4"]},
        {"text": "mixed", "evidence": ["E1", "E2", "E5"], "contrary": ["E4", "E6"]},
        {"text": "steady", "evidence": ["E5", "E6"]},
    ]
    model = ScriptedModel({"draft_persona": {"claims": said}})
    persona = Persona(user_id="ann")
    made = await draft_upon(persona, HISTORY, [], model, OptimizerConfig())
    text = render(made)
    assert text.splitlines()[1:4] == [
        "- steady (seen 2x)",
        "- turned (seen 3x, otherwise 2x, all later)",
        "- mixed (seen 3x, otherwise 2x)",
    ]
    assert [one.text for one in claims_shown(made.claims, text)] == ["turned", "mixed", "steady"]
    turned = read_claim(text.splitlines()[2][2:])
    assert (turned.text, turned.seen) == ("turned", 3)
    critique = CritiqueInputs(
        failure=Failure(case=Case.of(HISTORY[0]), answer="?"), claims=made.claims
    )
    assert "seen 3x, this case among them, otherwise 2x, all later" in critique.sections()["claims"]
    again = OLD.model_copy(update={"id": "d", "evidence": ("e0",), "contrary": ("e3",)})
    asked = Persona(user_id="ann", claims=(again, OLD))
    late = HISTORY[:3]
    assert [one.turned for one in seeing_turns(asked, HISTORY).claims] == [True, False]
    assert [one.turned for one in seeing_turns(asked, late).claims] == [False, False], "not known"


async def test_a_claim_with_as_many_cases_against_it_is_no_rule() -> None:
    with counting_left_out() as left_out:
        claims, _ = await drafted(["E1", "E2"], ["E3", "E4"])
    assert claims == [] and left_out.reasons == {NO_RULE: 1}


@pytest.mark.parametrize("refused", ["takes the train", "Takes the trains."])
async def test_what_did_not_help_is_told_and_not_taken_up_again(refused: str) -> None:
    with counting_left_out() as left_out:
        claims, inputs = await drafted(["E1", "E2"], refused=[refused])
    assert inputs.sections()["rejected"] == f"- {refused}"
    assert claims == [] and left_out.reasons == {REFUSED: 1}


async def test_the_same_words_in_another_order_are_another_claim() -> None:
    claims, _ = await drafted(["E1", "E2"], refused=["the train takes"])
    assert len(claims) == 1


# --- edits --------------------------------------------------------------------------------------

OLD = Claim(
    id="c",
    section=Section.PREFERENCES,
    text="takes the train",
    evidence=("a", "b"),
    contrary=("x",),
)


@pytest.mark.parametrize(
    ("named", "evidence", "contrary"),
    [(("n", "m"), ("n", "m"), ("y",)), (("n",), ("n", "a", "b"), ("y", "x"))],
)
def test_a_new_wording_with_cases_of_its_own_inherits_none(
    named: tuple[str, ...], evidence: tuple[str, ...], contrary: tuple[str, ...]
) -> None:
    edit = Edit(
        operation=EditOperation.UPDATE,
        claim_ids=("c",),
        scope="by day",
        text="takes the train",
        evidence=named,
        contrary=("y",),
    )
    (claim,) = apply_edits(Persona(user_id="ann", claims=(OLD,)), [edit], cause="test").claims
    assert (claim.evidence, claim.contrary) == (evidence, contrary)


# --- facts as they stood ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "judged", "known"),
    [
        (9, True, ["Collects tickets.", "The user said: I like trains."]),
        (9, False, ["Collects stamps.", "The user said: I hate trains."]),
        (5, True, ["Collects stamps.", "The user said: I hate trains."]),
        (5, False, ["Collects stamps.", "The user said: I hate trains."]),
    ],
)
async def test_a_draft_knows_what_held_at_the_end_of_its_history(
    day: int, judged: bool, known: list[str]
) -> None:
    """The history ends on day 5. What nothing judges any more goes by what holds now."""
    at = START + timedelta(days=day)
    texts = [("Collects tickets.", "Collects stamps.")]
    texts.append(("The user said: I like trains.", "The user said: I hate trains."))
    old = [
        fact(f"old{n}", "e0").model_copy(update={"text": one}) for n, (one, _) in enumerate(texts)
    ]
    new = [
        fact(f"new{n}", "e1").model_copy(update={"text": one, "valid_from": at})
        for n, (_, one) in enumerate(texts)
    ]
    gone = [
        one.model_copy(update={"superseded_by": by.id, "superseded_at": at})
        for one, by in zip(old, new, strict=True)
    ]
    model = ScriptedModel({"draft_persona": {"claims": []}})
    persona, config = Persona(user_id="ann"), OptimizerConfig()
    made = await draft_upon(persona, HISTORY, [*gone, *new], model, config, judged=judged)
    ((_, inputs),) = model.requests
    assert isinstance(inputs, DraftInputs)
    assert [one.text for one in inputs.facts] == known
    assert [one.text for one in made.claims] == [known[1].removeprefix("The user said: ")]
