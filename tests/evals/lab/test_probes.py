"""Probes of a model: listener, stability, pressure, prior, commitment, gym."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from persona_agent.errors import InputError
from persona_agent.evals.lab import commitment, gym, listener, pressure, prior, stability
from persona_agent.evals.lab.bench import Card
from persona_agent.evals.lab.rubrics import TASKS
from persona_agent.evals.lab.run import run_experiment
from persona_agent.prompts.lab import ListenInputs, SayInputs
from persona_agent.testing.models import ScriptedModel
from tests.evals.conftest import Write
from tests.evals.lab.actors import ANA, BEN, FAILS, bench, in_turn, judge, relations, says, values
from tests.scripted import Sampling


async def test_re_ranking_is_heard() -> None:
    def heard(inputs: Any) -> dict[str, Any]:
        own = next(i for i, one in enumerate(inputs.persons) if one == ANA.text)
        other = (own + 1) % len(inputs.persons)
        return {"reason": "", "speaker": (own if "dog" in inputs.utterance else other) + 1}

    actor = Sampling({"lab_say": says("Nice.", "My dog barks.", "Indeed.")}, name="actor")
    critic = judge(
        "critic", lab_listen=heard, lab_mediate={"request": "x", "assumptions": [], "open": []}
    )
    one = ScriptedModel({"lab_listen": heard}, name="judge")
    found = values(await listener.measure(bench(actor, one, cards=(ANA,), critic=critic)))
    assert (found["re-ranking, random"] or 0) > 0
    assert found["listener loss"] is not None


async def test_rivals_are_different_persons_and_votes_are_counted() -> None:
    made = bench(cards=(ANA,))
    assert len(set(listener.rivals(made, ANA).values())) == 3, "there is one other person only"
    other = Card(user_id="cem", statements=("I have a kiosk.", "I love chess."))
    for seed in range(8):
        three = replace(made, population=(ANA, BEN, other), seed=seed)
        assert len(set(listener.rivals(three, ANA).values())) == 4

    actor = Sampling({"lab_say": says("Nice.", "My dog barks.", "Indeed.")}, name="actor")
    for votes in (1, 2):
        critic = Sampling({"lab_listen": {"speaker": 1}, "lab_mediate": {"changed": False},
                           "lab_relate": relations}, name="critic")  # fmt: skip
        judged = ScriptedModel({"lab_listen": {"speaker": 1}}, name="judge")
        await listener.measure(
            bench(actor, judged, cards=(ANA,), critic=critic, items=1, votes=votes)
        )
        asked = [inputs for _, inputs in critic.requests if isinstance(inputs, ListenInputs)]
        assert len(asked) == 3 * votes, "three candidates"
        assert all(len(one.persons) == len(set(one.persons)) == 4 for one in asked)


async def test_runs_and_personas_are_told_apart() -> None:
    def decide(inputs: Any) -> dict[str, Any]:
        return {"choice": 1 if "dog" in inputs.persona else 4}

    def noisy(inputs: Any, seen: list[int] = []) -> dict[str, Any]:  # noqa: B006
        seen.append(0)
        return {"choice": 1 + len(seen) % 4}

    said = says("Hello there.")
    steady = ScriptedModel({"decide": decide, "lab_say": said})
    found = values(await stability.measure(bench(steady, runs=4)))
    assert found["ICC of numbers"] == found["ICC of categories"] == 1.0
    assert found["ICC of texts"] is None
    loose = ScriptedModel({"decide": noisy, "lab_say": said})
    found = values(await stability.measure(bench(loose, runs=4)))
    assert found["ICC of numbers"] == 0.0
    assert (found["permutation p of numbers"] or 0) > 0.2


async def test_the_rung_that_breaks_it_and_the_way_back() -> None:
    def say(inputs: Any) -> dict[str, Any]:
        if not inputs.persona:
            return {"reply": "I am an assistant."}
        broken = "neutral AI assistant" in inputs.message or "Once more" in inputs.message
        return {"reply": "Not true: I have a dog." if broken else "I have a dog."}

    actor = ScriptedModel({"lab_say": say}, name="actor")
    found = await pressure.measure(bench(actor, judge(), cards=(ANA,)))
    assert values(found)["survival of the ladder"] == 0.0
    assert values(found)["turns to recover"] == 1.0
    assert values(found)["instability"] == 0.0
    assert values(found)["resistance"] == 0.0  # no word in common with the assistant's replies
    rungs = [one.verdict for one in found.verdicts]
    assert rungs[2] == rungs[5] == "contradicts" and rungs[1] == "holds"
    first = next(one for one in found.figures if one.name == "survival of the ladder")
    assert "3 (counter-instruction)" in first.meaning


async def test_a_model_that_follows_the_persona_and_one_that_does_not() -> None:
    def follow(inputs: Any) -> dict[str, Any]:
        options = inputs.query.options
        if options == prior.AGREEMENT:
            trait = next(
                one
                for one in prior.TRAITS
                if any(text in inputs.query.text for text, _ in one.items)
            )
            high = next(way for text, way in trait.items if text in inputs.query.text)
            pole = trait.high in inputs.persona or trait.low not in inputs.persona
            return {"choice": 5 if pole == high else 1}
        item = next(one for one in prior.OPPOSED if one.question == inputs.query.text)
        wanted = item.implied if item.statement in inputs.persona else item.usual
        return {"choice": options.index(wanted) + 1}

    found = values(await prior.measure(bench(ScriptedModel({"decide": follow}))))
    assert (found["plasticity"], found["inertia"], found["susceptibility"]) == (1.0, 0.0, 1.0)
    assert found["wins, stated among others"] == 1.0
    stubborn = ScriptedModel({"decide": {"choice": 1}})
    found = values(await prior.measure(bench(stubborn)))
    assert found["plasticity"] == 0.0 and found["susceptibility"] == 0.0


async def test_keeping_what_was_invented_commits() -> None:
    names = in_turn("Rex", "Tom", "Ivy", "Bo")

    def say(inputs: SayInputs) -> dict[str, Any]:
        kept = [one for one in inputs.persona if one.startswith("When asked")]
        if kept:
            return {"reply": kept[0].rsplit(" ", 1)[1]}
        return {"reply": names(inputs)}

    found = await commitment.measure(bench(Sampling({"lab_say": say}), judge()))
    assert values(found)["commitment to inventions"] == pytest.approx(
        1 - math.log(4) / math.log(8), abs=1e-6
    )
    assert values(found)["commitment once kept"] == 1.0
    assert values(found)["twenty questions, coherence"] == 1.0
    assert (values(found)["twenty questions, commitment"] or 1) < 0.4


async def test_a_model_that_repeats_itself_shows_nothing() -> None:
    found = await run_experiment(bench(), commitment.COMMITMENT)
    assert "equal answers to equal requests" in found.findings.cannot
    assert found.usage.calls == 0


def gym_models(grades: Sequence[Any]) -> tuple[ScriptedModel, ScriptedModel, ScriptedModel]:
    actor = ScriptedModel({"lab_say": says("I would row.", "")}, name="actor")
    critic = ScriptedModel(
        {
            "lab_gym_questions": {"questions": [{"situation": "x", "question": "What now?"}]},
            "lab_gym_exemplars": {"answers": ["one", "two", "three", "four", "five"]},
        },
        name="critic",
    )
    score = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}

    def grade(inputs: Any) -> Any:
        if inputs.answer in score:
            return {"evidence": "", "score": score[inputs.answer]}
        return grades[0]

    return actor, critic, ScriptedModel({"lab_gym_grade": grade}, name="judge")


async def test_the_gym_scores_and_checks_its_judges() -> None:
    actor, critic, one = gym_models([{"evidence": "row", "score": 4}])
    actor._answers["lab_say"] = {"reply": "I would row."}
    found = await gym.measure(bench(actor, one, cards=(ANA,), critic=critic))
    assert values(found)["PersonaScore"] == 4.0
    assert values(found)["check: judges' order of graded answers"] == 1.0
    assert {task.name for task in TASKS} < set(values(found))


async def test_a_grade_that_failed_is_missing() -> None:
    actor, critic, one = gym_models([FAILS])
    actor._answers["lab_say"] = {"reply": "I would row."}
    found = await gym.measure(bench(actor, one, cards=(ANA,), critic=critic))
    score = found.figures[0]
    assert score.value is None and (score.n, score.missing) == (0, 5)


def test_published_questions_are_read(write: Write) -> None:
    path = write({"a nurse": {"Toxicity": ["q1", "q2"], "Expected Action": ["q3"]}})
    ((card, asked),) = gym.read_questions(path, 3, 1)
    assert card.statements == ("I am a nurse.",)
    assert asked == {"Toxicity Control": ("q1",), "Expected Action": ("q3",)}
    for wrong in ({"a": {"Cooking": ["q"]}}, [1], {"a": 3}):
        with pytest.raises(InputError):
            gym.read_questions(write(wrong), 3, 1)
