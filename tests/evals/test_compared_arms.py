"""Methods of others as arms: what they ask, what they show, and that nothing checks it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from persona_agent.errors import ModelAnswerError, ModelCallError
from persona_agent.evals.arms.ablations import ABLATIONS, Ablation, ablated, overridden, showing
from persona_agent.evals.arms.arm import Answerer, Bench, PaperConfig, whole
from persona_agent.evals.arms.catalog import ARMS, choose_arms
from persona_agent.evals.arms.paper import paper_persona
from persona_agent.evals.arms.react import MOST_SEARCHES
from persona_agent.evals.arms.sparse import LISTED, MOST_CLAIMS, SPARSE, at_most_one
from persona_agent.evals.data.eval_data import EvalDataset, EvalQuery, EvalUser
from persona_agent.evals.runner import make_bench, run_arms
from persona_agent.optimizer import OptimizerConfig
from persona_agent.optimizer.policies import MANY
from persona_agent.persona.render import ALIKE
from persona_agent.prompts import DecideInputs, DraftInputs
from persona_agent.prompts.baselines import ReactInputs, RewriteInputs
from persona_agent.schema import Episode, Persona, Query
from persona_agent.settings import Settings
from persona_agent.testing import HashEmbedder, ScriptedModel

START = datetime(2026, 1, 1, tzinfo=UTC)
LABELS = ("tea", "coffee")
PLACES = ("harbour", "kitchen", "attic", "meadow", "station")


def asked(day: int) -> Query:
    return Query(text=f"{PLACES[day % 5]} drink on day {day}", options=LABELS, task="drinks")


def bench(model: ScriptedModel, history: int = 6, **changes: Any) -> Bench:
    past = tuple(
        Episode(
            id=f"e{day}",
            user_id="ann",
            query=asked(day),
            outcome=LABELS[day % 2],
            at=START + timedelta(days=day),
        )
        for day in range(history)
    )
    later = EvalQuery(
        user_id="ann",
        query_id="q",
        query=asked(50),
        gold="tea",
        outcome="tea",
        at=START + timedelta(days=50),
    )
    user = EvalUser(user_id="ann", history=past, queries=(later,))
    data = EvalDataset(name="d", task="drinks", kind="choice", labels=LABELS, users=(user,))
    made = make_bench(data, Settings(), model=model, embedder=HashEmbedder())
    return dataclasses.replace(made, **changes)


def names(model: ScriptedModel) -> list[str]:
    return [name for name, _ in model.requests]


def inputs_of(model: ScriptedModel, prompt: str, kind: type[Any]) -> list[Any]:
    found = [inputs for name, inputs in model.requests if name == prompt]
    assert all(isinstance(one, kind) for one in found)
    return found


def paper_model(**answers: Any) -> ScriptedModel:
    usual: dict[str, Any] = {
        "profile": {"profile": "Drinks tea."},
        "decide": {"choice": 1},
        "text_feedback": {"feedback": "More coffee."},
        "rewrite_persona": {"persona": "Drinks coffee."},
    }
    return ScriptedModel(usual | answers)


# --- PersonaAgent as published ------------------------------------------------------------------


async def test_the_paper_looks_at_the_latest_three_and_rewrites_the_whole_text() -> None:
    model = paper_model()
    await run_arms(bench(model), choose_arms(["personaagent-paper"]))
    assert names(model).count("profile") == names(model).count("rewrite_persona") == 1
    critics = [inputs for name, inputs in model.requests if name == "text_feedback"]
    assert sorted(one.case.episode_id for one in critics) == ["e3", "e4", "e5"]  # type: ignore[attr-defined]
    (rewrite,) = inputs_of(model, "rewrite_persona", RewriteInputs)
    assert rewrite.persona == "Drinks tea."
    assert len(rewrite.feedback) == 3, "right answers are criticized like wrong ones"
    decided = inputs_of(model, "decide", DecideInputs)
    assert [one.persona for one in decided[:3]] == ["Drinks tea."] * 3
    assert decided[-1].persona == "Drinks coffee."
    assert decided[-1].recalled, "it has our retrieval"


async def test_a_past_interaction_is_answered_with_the_memory_of_its_moment() -> None:
    model = paper_model()
    await paper_persona(made := bench(model), made.dataset.users[0])
    for one in inputs_of(model, "decide", DecideInputs):
        day = int(one.query.text.split()[-1])
        assert {case.episode_id for case in one.recalled} == {f"e{n}" for n in range(day)}


async def test_each_iteration_starts_from_the_text_of_the_last_one() -> None:
    texts = [{"persona": f"Version {n}."} for n in range(3)]
    model = paper_model(rewrite_persona=texts)
    made = bench(model, paper=PaperConfig(batch=2, iterations=3))
    assert await paper_persona(made, made.dataset.users[0]) == "Version 2."
    rewrites = inputs_of(model, "rewrite_persona", RewriteInputs)
    assert [one.persona for one in rewrites] == ["Drinks tea.", "Version 0.", "Version 1."]
    assert names(model).count("text_feedback") == 6


async def test_an_answer_that_fails_teaches_nothing() -> None:
    model = paper_model(text_feedback=[ModelCallError("down"), *[{"feedback": "Coffee."}] * 2])
    made = bench(model)
    await paper_persona(made, made.dataset.users[0])
    (rewrite,) = inputs_of(model, "rewrite_persona", RewriteInputs)
    assert len(rewrite.feedback) == 2


@pytest.mark.parametrize("arm", ["personaagent-paper", "memory-bank", "pag"])
async def test_without_a_history_nothing_is_written(arm: str) -> None:
    model = ScriptedModel({"decide": {"choice": 1}})
    runs = await run_arms(bench(model, history=0), choose_arms([arm]))
    assert names(model) == ["decide"]
    assert runs[arm].answers == {("ann", "q"): "tea"}


# --- MemoryBank ---------------------------------------------------------------------------------


async def test_memory_bank_summarizes_the_whole_and_each_later_stretch() -> None:
    model = ScriptedModel({"profile": {"profile": "Sums up."}, "decide": {"choice": 2}})
    runs = await run_arms(bench(model, history=45), choose_arms(["memory-bank"]))
    sizes = [len(inputs.cases) for name, inputs in model.requests if name == "profile"]  # type: ignore[attr-defined]
    assert sorted(sizes) == [5, 20, 45]
    assert runs["memory-bank"].answers == {("ann", "q"): "coffee"}


# --- ReAct --------------------------------------------------------------------------------------


async def test_react_searches_looks_and_answers() -> None:
    steps: list[dict[str, Any]] = [
        {"thought": "Look.", "search": "drink on day 3"},
        {"thought": "Enough.", "choice": 2, "confidence": 0.8},
    ]
    model = ScriptedModel({"react_step": steps})
    runs = await run_arms(bench(model), choose_arms(["react"]))
    first, second = inputs_of(model, "react_step", ReactInputs)
    assert (first.observations, first.searches_left) == ((), MOST_SEARCHES)
    (seen,) = second.observations
    assert (seen.search, second.searches_left) == ("drink on day 3", MOST_SEARCHES - 1)
    assert seen.cases[0].episode_id == "e3"
    run = runs["react"]
    assert (run.answers[("ann", "q")], run.confidences[("ann", "q")]) == ("coffee", 0.8)
    assert run.fitting.calls == 0 and run.usage.calls == 2


async def test_react_has_to_answer_in_the_end() -> None:
    model = ScriptedModel({"react_step": {"search": "again"}})
    runs = await run_arms(bench(model), choose_arms(["react"]))
    assert runs["react"].answers[("ann", "q")] is None
    assert "no searches are left" in runs["react"].errors[("ann", "q")]
    assert len(model.requests) == MOST_SEARCHES + 1


@pytest.mark.parametrize("step", [{}, {"choice": 3}, {"choice": 0}])
async def test_a_step_that_is_neither_search_nor_option_is_no_answer(step: dict[str, int]) -> None:
    model = ScriptedModel({"react_step": step})
    reply = await ARMS["react"](made := bench(model), made.dataset.users[0])
    with pytest.raises(ModelAnswerError):
        await reply(made.dataset.users[0].queries[0])


# --- what fitting cost is told apart ------------------------------------------------------------


async def test_fitting_and_answering_are_booked_apart() -> None:
    model = ScriptedModel({"profile": {"profile": "Tea."}, "decide": {"choice": 1}})
    runs = await run_arms(bench(model), choose_arms(["pag"]))
    used, fitting = runs["pag"].usage, runs["pag"].fitting
    assert (used.calls, fitting.calls) == (2, 1)
    assert 0 < fitting.prompt_tokens < used.prompt_tokens


# --- ablations ----------------------------------------------------------------------------------


def seen_by(ablation: Ablation) -> Callable[[], Any]:
    async def fit() -> Bench:
        found: list[Bench] = []

        async def spy(bench: Bench, user: EvalUser) -> Answerer:
            found.append(bench)
            return await ARMS["generic"](bench, user)

        made = bench(ScriptedModel({}))
        await ablated(spy, ablation)(made, made.dataset.users[0])
        return found[0]

    return fit


@pytest.mark.parametrize("name", ABLATIONS)
async def test_every_ablation_takes_something_away(name: str) -> None:
    cut = await seen_by(ABLATIONS[name])()
    assert cut.config != OptimizerConfig() or cut.view is not whole


async def test_what_is_not_shown_is_not_simulated_either() -> None:
    model = ScriptedModel({"decide": {"choice": 1}})
    made = bench(model, view=showing(recalled=0, show_statistics=False))
    history = made.dataset.users[0].history
    await made.simulate(Persona(user_id="ann"), history, model)
    await made.reply(Persona(user_id="ann"), made.dataset.users[0].queries[0])
    for one in inputs_of(model, "decide", DecideInputs):
        assert (one.recalled, one.persona) == ((), "")


def test_an_override_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no setting surprise"):
        overridden(OptimizerConfig(), {"surprise": 1})
    assert overridden(OptimizerConfig(), {"epochs": 7}).epochs == 7


def test_ablations_come_after_the_arms_when_they_are_asked_for() -> None:
    assert list(choose_arms(None, ablations=True)) == [*ARMS, *ABLATIONS]
    assert list(choose_arms(["without-claims", "rag"])) == ["rag", "without-claims"]


async def test_who_heeds_no_change_sees_no_dates_and_no_vectors() -> None:
    cut = await seen_by(ABLATIONS["without-drift"])()
    assert not cut.heeds_change
    assert not cut.view(Persona(user_id="ann")).policy.drop_superseded
    model = ScriptedModel({"draft_persona": {"claims": []}, "decide": {"choice": 1}})
    made = bench(model, history=8)
    for heeding in (True, False):
        arm = "persona+alignment" if heeding else "without-drift"
        model.requests.clear()
        await run_arms(made, choose_arms([arm]))
        (first, *_) = inputs_of(model, "draft_persona", DraftInputs)
        assert [bool(case.date) for case in first.cases] == [heeding] * len(first.cases)


# --- the sparse setting -------------------------------------------------------------------------


async def test_the_sparse_setting_shows_one_case_and_asks_in_few_words() -> None:
    answers: dict[str, Any] = {
        "draft_persona": {"claims": []},
        "decide": {"choice": 1},
        "decide_brief": {"choice": 1},
        "critique": {"critique": "Coffee was right."},
        "propose_edits": {"edits": []},
    }
    model = ScriptedModel(answers)
    made = bench(model, history=20)
    runs = await run_arms(made, choose_arms([SPARSE]))
    assert runs[SPARSE].answers == {("ann", "q"): "tea"}
    briefly = inputs_of(model, "decide_brief", DecideInputs)
    assert briefly and all(len(one.recalled) <= 1 for one in briefly)
    assert any(ALIKE in one.persona for one in briefly)
    # Only the generic prompt, which shows nothing, is as it is everywhere.
    assert all(not one.recalled for one in inputs_of(model, "decide", DecideInputs))


def test_generic_stays_generic_in_the_sparse_setting() -> None:
    generic = Persona.generic("ann")
    assert at_most_one(generic) == generic
    least = at_most_one(Persona(user_id="ann", policy=MANY)).policy
    assert (least.recalled, least.listed, least.most_claims) == (1, LISTED, MOST_CLAIMS)
    assert least.show_statistics and least.brief
