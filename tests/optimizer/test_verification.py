"""Claims are checked on other cases, and retired when the latest ones contradict them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from persona_agent.llm.offline import OfflineModel
from persona_agent.optimizer.verification import cases_for, outdated, supported, verify
from persona_agent.prompts import VerifyInputs
from persona_agent.schema import Claim, Edit, EditOperation, Episode, Query, Section
from persona_agent.testing import HashEmbedder, ScriptedModel

START = datetime(2026, 1, 1, tzinfo=UTC)
OPTIONS = ("tea", "coffee")


def drinks(*outcomes: str) -> list[Episode]:
    return [
        Episode(
            id=f"e{n}",
            user_id="ann",
            query=Query(text="a drink in the morning", options=OPTIONS, task="drink"),
            outcome=outcome,
            at=START + timedelta(days=n),
        )
        for n, outcome in enumerate(outcomes)
    ]


def add(text: str, *evidence: str) -> Edit:
    return Edit(operation=EditOperation.ADD, text=text, evidence=evidence)


def says(*verdicts: dict[str, Any]) -> ScriptedModel:
    return ScriptedModel({"verify_claims": {"verdicts": list(verdicts)}})


async def test_a_claim_is_checked_on_cases_that_it_does_not_rest_on() -> None:
    model = says({"claim": "C1", "supports": ["E1"]})
    kept, dropped = await supported([add("tea", "e0", "e1")], drinks(*["tea"] * 5), 12, model)
    (_, inputs) = model.requests[0]
    assert isinstance(inputs, VerifyInputs)
    assert [case.episode_id for case in inputs.cases] == ["e2", "e3", "e4"]
    assert len(kept) == 1 and not dropped


def case(name: str, text: str, task: str, day: int) -> Episode:
    query = Query(text=text, options=OPTIONS, task=task)
    at = START + timedelta(days=day)
    return Episode(id=name, user_id="ann", query=query, outcome="tea", at=at)


def test_cases_are_of_the_edits_own_task_and_topic() -> None:
    drinks_at = [
        case(f"d{n}", "a drink on the train" if n == 2 else f"a drink at home, day {n}", "drink", n)
        for n in range(20)
    ]
    films = [case(f"f{n}", "a film on the train", "film", n) for n in range(20)]
    edit = add("takes tea when on trains", "d0", "d1")
    history = sorted([*drinks_at, *films], key=lambda one: one.at)
    found = [one.id for one in cases_for([edit], history, 4)]
    assert found == ["d2", "d17", "d18", "d19"]
    assert cases_for([edit], drinks_at[2:5], 9) == drinks_at[2:5]


def test_every_statement_has_its_turn_in_choosing_cases() -> None:
    topics = ("opera", "roses", "trains")
    asked = [case(f"{one}-{n}", f"about {one}", "t", n) for n in range(9) for one in topics]
    edits = [add(f"likes {one}", "x") for one in topics[:2]]
    found = [one.id.partition("-")[0] for one in cases_for(edits, asked, 8)]
    assert found.count("opera") >= 2 and found.count("roses") >= 2
    assert len(found) == 8


async def test_a_claim_that_other_cases_do_not_support_is_dropped() -> None:
    for verdict in ({"claim": "C1"}, {"claim": "C1", "supports": ["E1"], "contradicts": ["E2"]}):
        edits = [add("tea", "e0")]
        kept, dropped = await supported(edits, drinks(*["tea"] * 4), 12, says(verdict))
        assert not kept and dropped == edits


async def test_what_cannot_be_checked_is_left_to_the_gates() -> None:
    edits = [add("tea", "e0")]
    assert await supported(edits, drinks("tea"), 12, says()) == (edits, [])
    prose = ScriptedModel({"verify_claims": "I would rather not say."})
    assert await supported(edits, drinks("tea", "tea"), 12, prose) == (edits, [])


async def test_cases_and_claims_that_do_not_exist_are_passed_over() -> None:
    model = says({"claim": "C9", "supports": ["E1"]}, {"claim": "C1", "supports": ["E7", "x"]})
    found = await verify(["tea"], drinks("tea"), model)
    assert found is not None and found[0].supports == ()


async def test_a_claim_that_recent_outcomes_contradict_is_proposed_for_retirement() -> None:
    claims = [
        Claim(section=Section.PREFERENCES, text="takes tea", evidence=("old",)),
        Claim(section=Section.PREFERENCES, text="takes tea", origin="user"),
    ]
    model = says({"claim": "C1", "contradicts": ["E1", "E2", "E3"]})
    (edit,) = await outdated(claims, drinks(*["coffee"] * 3), model, least=3)
    assert edit.claim_ids == (claims[0].id,) and edit.evidence == ("e0", "e1", "e2")
    (_, inputs) = model.requests[0]
    assert isinstance(inputs, VerifyInputs)
    assert inputs.claims == ("takes tea",)  # the user's own is not asked about


async def test_the_offline_model_reads_claims_as_it_does_when_it_answers() -> None:
    model = OfflineModel(HashEmbedder())
    episodes = drinks("tea", "coffee", "tea")
    statements = [
        'a drink in the morning: chooses "tea"',
        'a drink in the morning: never chooses "tea"',
        'chooses "tea"',
        'the colour of a car abroad: chooses "tea"',
    ]
    found = await verify(statements, episodes, model)
    assert found is not None
    scoped, against, habit, elsewhere = found
    assert (scoped.supports, scoped.contradicts) == (("e0", "e2"), ("e1",))
    assert against.contradicts == ("e0", "e2")
    assert (habit.supports, habit.contradicts) == (("e0", "e2"), ())
    assert elsewhere.supports == elsewhere.contradicts == ()


async def test_what_an_edit_rests_on_can_speak_of_another_but_not_of_itself() -> None:
    edits = [add("tea at home", "e0", "e1"), add("tea in bed", "e1", "e2")]
    episodes = drinks("tea", "tea", "tea")
    assert [one.id for one in cases_for(edits, episodes, 12)] == ["e0", "e2"]
    verdicts = [{"claim": "C1", "supports": ["E1"]}, {"claim": "C2", "supports": ["E1"]}]
    kept, dropped = await supported(edits, episodes, 12, says(*verdicts))
    assert (kept, dropped) == ([edits[1]], [edits[0]])


def test_cases_to_check_are_mostly_about_the_claim() -> None:
    asked = [
        case(f"{n}", "about opera" if n < 6 else f"about trains {n}", "t", n) for n in range(30)
    ]
    found = [one.query.text for one in cases_for([add("likes opera", "x")], asked, 8)]
    assert found.count("about opera") == 6
