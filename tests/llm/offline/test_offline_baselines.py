"""The offline model in the place of others' methods: it works on the texts that it is given."""

from __future__ import annotations

from typing import Any

import pytest

from persona_agent.llm.offline import OfflineModel
from persona_agent.prompts import Case
from persona_agent.prompts.baselines import (
    REACT_STEP,
    REWRITE_PERSONA,
    TEXT_FEEDBACK,
    CriticizedAnswer,
    FeedbackInputs,
    Observation,
    ReactInputs,
    RewriteInputs,
)
from persona_agent.schema import Query
from persona_agent.testing import HashEmbedder

LABELS = ("drama", "comedy", "war")


@pytest.fixture
def model() -> OfflineModel:
    return OfflineModel(HashEmbedder())


def case(query: str, outcome: str, number: int = 1) -> Case:
    return Case(query=query, outcome=outcome, options=LABELS, episode_id=f"e{number}")


async def feedback(model: OfflineModel, one: Case, answer: str) -> CriticizedAnswer:
    said = await model.ask(TEXT_FEEDBACK, FeedbackInputs(persona="", case=one, answer=answer))
    return CriticizedAnswer(case=one, answer=answer, feedback=said.feedback)


async def test_feedback_names_what_the_user_did_and_when(model: OfflineModel) -> None:
    wrong = await feedback(model, case("soldiers in trenches", "war"), "drama")
    assert '"war", not "drama"' in wrong.feedback
    assert 'When it is about soldiers, trenches: chooses "war"' in wrong.feedback
    right = await feedback(model, case("soldiers in trenches", "war"), "war")
    assert right.feedback.startswith("The answer was right.")


async def test_a_rewrite_takes_the_feedback_in_and_drops_what_it_contradicts(
    model: OfflineModel,
) -> None:
    old = 'Often chooses "drama" (9 of 20). When it is about soldiers: chooses "drama" (2 of 2).'
    one = await feedback(model, case("soldiers in trenches", "war"), "drama")
    written = await model.ask(REWRITE_PERSONA, RewriteInputs(persona=old, feedback=(one,)))
    assert written.persona == (
        'When it is about soldiers, trenches: chooses "war" (1 of 1). Often chooses "drama" '
        "(9 of 20)."
    )


async def test_a_rewrite_is_bounded_so_old_sentences_are_lost(model: OfflineModel) -> None:
    old = " ".join(f"Old sentence number {n} says this and that of the user." for n in range(40))
    one = await feedback(model, case("soldiers in trenches", "war"), "drama")
    written = await model.ask(REWRITE_PERSONA, RewriteInputs(persona=old, feedback=(one,)))
    assert len(written.persona.split()) <= 200
    assert "number 0 " in written.persona and "number 39 " not in written.persona


async def test_a_rewrite_of_nothing_is_no_empty_text(model: OfflineModel) -> None:
    assert (await model.ask(REWRITE_PERSONA, RewriteInputs(persona="", feedback=()))).persona


def step(seen: tuple[Observation, ...], left: int) -> ReactInputs:
    query = Query(text="soldiers in muddy trenches", options=LABELS, task="films")
    return ReactInputs(query=query, observations=seen, searches_left=left)


def found(*outcomes: str, search: str = "soldiers in muddy trenches") -> Observation:
    cases = tuple(case(f"trenches {n}", outcome, n) for n, outcome in enumerate(outcomes))
    return Observation(search=search, cases=cases)


async def ask(model: OfflineModel, inputs: ReactInputs) -> Any:
    return await model.ask(REACT_STEP, inputs)


async def test_react_searches_until_the_cases_agree(model: OfflineModel) -> None:
    first = await ask(model, step((), 3))
    assert (first.search, first.choice) == ("soldiers in muddy trenches", None)
    second = await ask(model, step((found("war", "drama"),), 2))
    assert second.search not in ("", first.search)
    settled = await ask(model, step((found("war", "war", "war"),), 2))
    assert LABELS[settled.choice - 1] == "war"


async def test_react_answers_when_it_may_not_search_on(model: OfflineModel) -> None:
    assert (await ask(model, step((), 0))).choice is not None
