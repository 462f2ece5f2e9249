"""Claims are checked on other cases, and retired when the latest ones contradict them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from persona_agent.llm.offline import OfflineModel
from persona_agent.optimizer.claim_cases import cases_for
from persona_agent.optimizer.verification import (
    Support,
    of_learned,
    outdated,
    supported,
    unrefuted,
    verify,
    with_cases,
)
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
    kept, *dropped = await supported([add("tea", "e0", "e1")], drinks(*["tea"] * 5), 12, model)
    (_, inputs) = model.requests[0]
    assert isinstance(inputs, VerifyInputs)
    assert [case.episode_id for case in inputs.cases] == ["e2", "e3", "e4"]
    assert len(kept) == 1 and dropped == [[], []]


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
    """It is told whether they refute it or say nothing of it, which leaves it untried."""
    silent: dict[str, Any] = {"claim": "C1"}
    split = silent | {"supports": ["E1"], "contradicts": ["E2"]}
    edits = [add("tea", "e0")]
    for verdict, found in ((split, ([], edits, [])), (silent, ([], [], edits))):
        assert await supported(edits, drinks(*["tea"] * 4), 12, says(verdict)) == found


async def test_what_cannot_be_checked_is_left_to_the_gates() -> None:
    edits = [add("tea", "e0")]
    assert await supported(edits, drinks("tea"), 12, says()) == (edits, [], [])
    prose = ScriptedModel({"verify_claims": "I would rather not say."})
    assert await supported(edits, drinks("tea", "tea"), 12, prose) == (edits, [], [])


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
    told = await of_learned(claims, drinks(*["coffee"] * 3), model)
    (edit,) = outdated(told, least=3)
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
    kept, *dropped = await supported(edits, episodes, 12, says(*verdicts))
    assert ([one.text for one in kept], dropped) == (["tea in bed"], [[], [edits[0]]])
    assert kept[0].evidence == ("e1", "e2", "e0")  # what was found to support it comes along


def test_cases_to_check_are_mostly_about_the_claim() -> None:
    asked = [
        case(f"{n}", "about opera" if n < 6 else f"about trains {n}", "t", n) for n in range(30)
    ]
    found = [one.query.text for one in cases_for([add("likes opera", "x")], asked, 8)]
    assert found.count("about opera") == 6


# --- edits that replace claims ------------------------------------------------------------------

WIDE = Claim(
    id="wide",
    section=Section.PREFERENCES,
    scope="for a drink on a trip",
    text="takes tea",
    evidence=("t0", "t1"),
)


def trips() -> list[Episode]:
    """Train trips t0 to t2 ended with tea, boat trips b0 to b2 with coffee; films are no trips."""
    told = [case(f"t{n}", f"a drink on a train trip {n}", "drink", n) for n in range(3)]
    told += [case(f"b{n}", f"a drink on a boat trip {n}", "drink", 10 + n) for n in range(3)]
    told += [case(f"f{n}", f"a film of a trip, number {n}", "film", 20 + n) for n in range(30)]
    coffee = {"outcome": "coffee"}
    return [one.model_copy(update=coffee) if one.id.startswith("b") else one for one in told]


def narrowed(*evidence: str, scope: str = "for a drink on a train trip") -> Edit:
    return Edit(
        operation=EditOperation.UPDATE,
        claim_ids=("wide",),
        scope=scope,
        text="takes tea",
        evidence=evidence,
    )


def test_cases_inside_the_old_scope_are_among_those_of_a_narrower_one() -> None:
    missed = {"wide": ("b2",)}
    found = cases_for([narrowed("t2")], trips(), 4, claims=[WIDE], missed=missed)
    chosen = {one.id for one in found}
    assert "b2" in chosen  # where it was wrong
    assert chosen & {"t0", "t1"}  # what it rests on
    assert len(found) == 4 and {one.query.task_name for one in found} == {"drink"}


def test_cases_of_other_tasks_are_no_substitute() -> None:
    edit = add("takes tea on trips", *(f"{kind}{n}" for kind in "tb" for n in range(3)))
    assert cases_for([edit], trips(), 12) == []


async def test_an_edit_whose_task_has_no_other_case_is_left_to_the_gates() -> None:
    edits = [add("takes tea on trips", "t0", "t1"), add("likes films of trips", "f0", "f1")]
    history = [one for one in trips() if one.id in ("t0", "t1", "f0", "f1", "f2", "f3")]
    model = says({"claim": "C2", "supports": ["E5"]})
    kept, *dropped = await supported(edits, history, 12, model)
    assert [one.text for one in kept] == [one.text for one in edits] and dropped == [[], []]


@pytest.mark.parametrize(
    ("of_new", "of_old", "passes"),
    [
        # Outside the new scope the old claim was wrong: t0 and b0 to b2 are asked about.
        ((["t0"], []), (["t0"], ["b0", "b1"]), True),
        (([], []), ([], ["b0", "b1"]), True),
        # What is given up was right.
        ((["t0"], []), (["t0", "b0", "b1"], ["b2"]), False),
        # Nothing says anything of either.
        (([], []), ([], []), False),
        # The new wording is wrong, too.
        (([], ["t0"]), ([], ["b0", "b1"]), False),
    ],
)
async def test_what_a_narrower_claim_leaves_must_be_better_off_without(
    of_new: tuple[list[str], list[str]], of_old: tuple[list[str], list[str]], passes: bool
) -> None:
    def verdicts(inputs: VerifyInputs) -> dict[str, object]:
        assert inputs.claims == (narrowed().statement, WIDE.statement)
        places = {one.episode_id: f"E{n}" for n, one in enumerate(inputs.cases, 1)}
        return {
            "verdicts": [
                {"claim": f"C{n}", "supports": pro, "contradicts": contra}
                for n, (pro, contra) in enumerate(
                    ([[places[id_] for id_ in ids] for ids in side] for side in (of_new, of_old)), 1
                )
            ]
        }

    model = ScriptedModel({"verify_claims": verdicts})
    edits = [narrowed("t1", "t2")]
    kept, *dropped = await supported(
        edits, trips(), 12, model, claims=[WIDE], missed={"wide": ("b0",)}
    )
    assert (len(kept), sum(map(len, dropped))) == (int(passes), int(not passes))
    if kept:  # what was found to be inside comes along as evidence
        assert kept[0].evidence == ("t1", "t2", *of_new[0])


@pytest.mark.parametrize(("since", "passes"), [("2026-01-11", True), ("2026-01-01", False)])
async def test_what_held_before_a_change_of_taste_is_not_given_up(since: str, passes: bool) -> None:
    """The train trips, with tea, were until January 3rd, the boat trips from the 11th on."""

    def verdicts(inputs: VerifyInputs) -> dict[str, object]:
        place = {one.episode_id: f"E{n}" for n, one in enumerate(inputs.cases, 1)}
        old = [place[f"t{n}"] for n in range(3) if f"t{n}" in place]
        told = [{"claim": "C1", "supports": [place["b2"]]}, {"claim": "C2", "supports": old}]
        return {"verdicts": told}

    edit = narrowed("b0", "b1", scope="for a drink on a trip").model_copy(
        update={"text": f"since {since} takes coffee"}
    )
    model = ScriptedModel({"verify_claims": verdicts})
    kept, *dropped = await supported([edit], trips(), 12, model, claims=[WIDE])
    assert (len(kept), sum(map(len, dropped))) == (int(passes), int(not passes))


def test_a_change_is_checked_on_cases_from_its_day_on() -> None:
    """Beside another claim, too, it chooses among those that can tell something of it."""
    asked = [case(f"{n}", f"a drink at work {n}", "drink", n) for n in range(20)]
    asked += [case(f"late{n}", f"a drink at home {n}", "drink", 20 + n) for n in range(12)]
    change = add("since 2026-01-21 takes tea at work", "x")
    assert {one.id[:4] for one in cases_for([change], asked, 8)} == {"late"}
    beside = [change, add("takes tea at work", "x")]
    # Of the six that are about a statement each has three, and the latest two can tell of both.
    assert [one.id[:4] for one in cases_for(beside, asked, 8)].count("late") == 5
    wide = WIDE.model_copy(update={"evidence": tuple(f"{n}" for n in range(6))})
    narrower = narrowed("late0").model_copy(update={"text": "since 2026-01-21 takes tea"})
    found = cases_for([narrower, add("likes milk", "x")], asked, 4, claims=[wide])
    assert not {one.id for one in found}.intersection(wide.evidence)


@pytest.mark.parametrize(
    ("supports", "passes"), [([], False), (["e2"], False), (["e6"], True), (["e2", "e6"], True)]
)
async def test_silence_is_no_support_for_a_change_of_taste(
    supports: list[str], passes: bool
) -> None:
    """Nor are cases from before its day, whatever a model says of them."""
    episodes = drinks(*["coffee"] * 3, *["tea"] * 5)
    edit = add("since 2026-01-04 takes tea", "e3", "e4", "e5")
    both = [edit, add("takes coffee", "e0", "e1")]

    def verdicts(inputs: VerifyInputs) -> dict[str, object]:
        place = {one.episode_id: f"E{n}" for n, one in enumerate(inputs.cases, 1)}
        assert place.keys() >= {"e2", "e6", "e7"}
        return {"verdicts": [{"claim": "C1", "supports": [place[id_] for id_ in supports]}]}

    found = await supported(both, episodes, 12, ScriptedModel({"verify_claims": verdicts}))
    assert [one.text for one in found.supported] == [edit.text] * passes


async def test_cases_against_what_passes_are_kept_with_it() -> None:
    model = says({"claim": "C1", "supports": ["E1", "E2"], "contradicts": ["E3"]})
    (edit,), *_ = await supported([add("tea", "e0", "e1")], drinks(*["tea"] * 5), 12, model)
    assert (edit.evidence, edit.contrary) == (("e0", "e1", "e2", "e3"), ("e4",))


async def test_a_claim_that_others_refute_more_often_than_it_was_shown_is_left_out() -> None:
    claims = [
        Claim(section=Section.STYLE, text=text, evidence=("e0", "e1")) for text in ("tea", "milk")
    ]
    told = [
        {"claim": "C1", "contradicts": ["E1"]},
        {"claim": "C2", "contradicts": ["E1", "E2"]},
    ]
    (kept,) = await unrefuted(claims, drinks(*["tea"] * 5), 12, says(*told))
    assert (kept.text, kept.evidence, kept.contrary) == ("tea", ("e0", "e1"), ("e2",))


def test_the_latest_word_on_a_case_holds() -> None:
    claim = Claim(section=Section.STYLE, text="tea", evidence=("a", "b"), contrary=("c",))
    told = with_cases(claim, Support(supports=("c", "d"), contradicts=("b",)))
    assert (told.evidence, told.contrary) == (("a", "c", "d"), ("b",))
