"""Experiments with actors by hand: what has to be caught is caught, what is unknown stays so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from persona_agent.agent.rerank import Rerank, choose_reply
from persona_agent.errors import BudgetExceededError, InputError, ModelCannotError
from persona_agent.evals.lab import (
    commitment,
    dnli,
    drift,
    fidelity,
    gym,
    listener,
    pressure,
    prior,
    realism,
    recovery,
    stability,
)
from persona_agent.evals.lab.bench import Experiment, LabBench
from persona_agent.evals.lab.cards import demo_cards, persona_card, read_cards, shown
from persona_agent.evals.lab.coherence import judge_dialogue, scene_policies
from persona_agent.evals.lab.judges import Opinion, Panel
from persona_agent.evals.lab.page import head_lines
from persona_agent.evals.lab.people import PLANTED, SCENE, STATEMENTS
from persona_agent.evals.lab.registry import EXPERIMENTS, choose
from persona_agent.evals.lab.results import Findings, LabReport, load_report, save_report
from persona_agent.evals.lab.rubrics import TASKS
from persona_agent.evals.lab.run import run_experiment, run_lab
from persona_agent.evals.lab.setup import LabOptions, make_lab
from persona_agent.evals.lab.speakers import RepairedSpeaker
from persona_agent.evals.lab.truthfulness import grounding
from persona_agent.llm import limit
from persona_agent.persona.losses import bought_with_invention, consistency_loss
from persona_agent.persona.own_words import about_itself
from persona_agent.persona.rivals import contradicted_twin, flipped
from persona_agent.prompts.lab import Line, SayInputs
from persona_agent.schema import Claim, Persona, Section
from persona_agent.settings import Settings
from persona_agent.testing.models import ScriptedModel
from tests.evals.conftest import Write
from tests.evals.lab.actors import ANA, BEN, FAILS, Sampling, bench, in_turn, judge, says


def values(findings: Findings) -> dict[str, float | None]:
    return {one.name: one.value for one in findings.figures}


# --- repairs ------------------------------------------------------------------------------------


async def test_the_candidate_that_contradicts_is_not_said() -> None:
    rerank = Rerank(critic=judge(), statements=ANA.statements)
    said = await choose_reply(["Not true: I have a dog.", "A fine day."], rerank)
    assert said == "A fine day."
    scored = await choose_reply(
        ["Not true: I love tea.", "A fine day.", "Hm."], rerank, scores=[0.9, 0.8, 0.1]
    )
    assert scored == "A fine day."


async def test_what_it_said_of_itself_is_true_from_then_on() -> None:
    actor = Sampling({"lab_say": says("My car is red.", "Not true: my car is red.", "Yes.")})
    mediator = judge("critic", lab_mediate={"request": "x", "assumptions": [], "open": []})
    speaker = RepairedSpeaker(actor, mediator, candidates=2)
    first = await speaker.reply(ANA.statements, (), "Your car?")
    assert first == "My car is red."
    actor = Sampling({"lab_say": says("Not true: my car is red.", "Yes.")})
    again = RepairedSpeaker(actor, mediator, candidates=2, said=[first])
    assert await again.reply(ANA.statements, (), "Is it?") == "Yes."


async def test_drift_by_turn() -> None:
    actor = ScriptedModel(
        {
            "lab_say": says("I have a dog.", "Not true: I love tea.", "| |"),
            "lab_user_turn": {"message": "Tell me more."},
            "lab_question": {"choice": 1},
        }
    )
    critic = judge("critic", lab_mediate={"request": "Tell me more.", "assumptions": [],
                                          "open": []},
                   lab_listen={"reason": "", "speaker": 1})  # fmt: skip
    found = await drift.measure(bench(actor, judge(), cards=(ANA,), critic=critic))
    assert values(found)["prompt-to-line, plain"] == 0.5
    line = next(one for one in found.figures if one.name == "prompt-to-line, plain")
    assert (line.n, line.missing) == (2, 1)
    assert values(found)["survival to the end, plain"] == 0.0
    assert [v.verdict for v in found.verdicts][:3] == ["holds", "contradicts", "invalid"]
    assert not any("one model" in note for note in found.notes)


async def test_judges_are_checked_on_what_is_only_implied() -> None:
    def judged(finds: bool, alarms: bool) -> Any:
        async def relate(line: str, statements: Sequence[str]) -> list[Opinion]:
            place = next(
                n for n, one in enumerate(PLANTED) if line in (one.told, one.told_harmless)
            )
            against = finds if line == PLANTED[place].told else alarms
            return [
                Opinion("contradiction" if against and n == place else "neutral")
                for n in range(len(statements))
            ]

        return relate

    lines = [(one.statement, one.told, one.told_harmless) for one in PLANTED]
    for finds, alarms in ((True, False), (False, True)):
        found, false = await drift.implied(judged(finds, alarms), lines, seed=0)
        assert (found.value, false.value) == (float(finds), float(alarms))
        assert found.n == false.n == len(PLANTED) == 6

    async def silent(line: str, statements: Sequence[str]) -> list[Opinion]:
        return [Opinion(None)] * len(statements)

    found, false = await drift.implied(silent, lines, seed=0)
    assert found.value is None and found.missing == false.missing == 6


def test_what_looks_like_a_planted_contradiction_shares_its_words() -> None:
    lines = [(one.told, one.told_harmless, one.said, one.said_harmless) for one in PLANTED]
    assert len({text for group in lines for text in group}) == 4 * len(PLANTED)
    for pair in [pair for group in lines for pair in (group[:2], group[2:])]:
        wrong, harmless = (set(text.casefold().split()) for text in pair)
        assert len(wrong & harmless) >= 3


async def test_the_agent_drifts_less_with_its_repairs() -> None:
    def chat(messages: Any, tools: Any) -> str:
        return next(replies)

    def user(inputs: Any) -> dict[str, Any]:
        return {"message": f"Tell me more, {len(inputs.conversation)}."}

    def check(inputs: Any) -> dict[str, Any]:
        known = next(n for n, one in enumerate(inputs.statements, 1) if "The user: " in one)
        wrong = [n for n, text in enumerate(inputs.drafts, 1) if "cat" in text]
        return {"contradictions": [{"draft": n, "statement": known} for n in wrong]}

    said = ["Get a cat.", "Walk the dog.", "A cat!", "That I do not know."]
    candidates = ["Get a cat.", "Walk the dog.", "Cats?"] * 4
    replies = iter([*said, *candidates])
    actor = Sampling({"lab_user_turn": user, "lab_question": {"choice": 1}}, chat=chat)
    critic = ScriptedModel(
        {"reply_check": check, "reply_listen": {"speaker": 1},
         "lab_mediate": lambda inputs: {"request": inputs.conversation[-1].text}},
        name="critic",
    )  # fmt: skip
    judges = ScriptedModel(
        {"reply_check": check,
         "lab_recall": lambda inputs: {"verdict": "right" if inputs.reply == inputs.answered
                                       else "wrong"}},
        name="judge",
    )  # fmt: skip
    report = await run_lab(
        bench(actor, judges, cards=(ANA,), critic=critic), choose(["agent-drift"])
    )
    (result,) = report.results
    found = values(result.findings)
    assert found["prompt-to-line, plain"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["prompt-to-line, with repairs"] == 1.0
    assert found["recall of its own answers, plain"] == 0.0
    assert found["recall of its own answers, with repairs"] == 1.0
    assert found["calls a reply, plain"] == 1.0
    calls = 3 * (3 + 1) + 2  # drafts and critic; the mediator once there is something before
    assert found["calls a reply, with repairs"] == pytest.approx(calls / 3, abs=1e-4)
    assert result.usage.calls == sum(one.usage().calls for one in (actor, critic, judges)), (
        "what chat turns cost is part of the experiment's cost"
    )


# --- truth and coherence ------------------------------------------------------------------------


async def test_consistent_invention_is_caught() -> None:
    invented = ["I own a castle.", "My horse is fast. Do you ride?", "I love tea."]
    lines = [
        line
        for text in invented
        for line in (Line(speaker="user", text="And?"), Line(speaker="persona", text=text))
    ]
    supported, denied, verdicts = await grounding(Panel((judge(),)), ANA.statements, lines)
    assert denied == [0.0, 0.0, 0.0]
    assert supported == [0.0, 0.0, 1.0]
    assert [one.verdict for one in verdicts] == ["unverified", "unverified", "grounded"]
    assert about_itself("Do I? It rains. My hat is wet!") == ["My hat is wet!"]


@pytest.mark.slow
async def test_parrot_and_generic_policy_lose_to_a_good_one() -> None:
    from persona_agent.llm.offline import OfflineModel
    from persona_agent.memory.embedder import SentenceTransformerEmbedder

    panel = Panel((OfflineModel(SentenceTransformerEmbedder()),))
    rivals = [" ".join(statements) for statements in list(STATEMENTS.values())[:2]]
    found = {
        name: await judge_dialogue(panel, SCENE.statements, lines, rivals=rivals)
        for name, lines in scene_policies().items()
    }
    joint = {name: one.joint or 0.0 for name, one in found.items()}
    assert joint["good"] > 2 * max(joint["parrot"], joint["generic"])
    assert (found["parrot"].persona or 0) > (found["good"].persona or 0)
    assert found["parrot"].copied == 1.0


def test_consistency_bought_with_invention_is_told() -> None:
    assert bought_with_invention((0.8, 0.95), (0.9, 0.6)) is True
    assert bought_with_invention((0.8, 0.95), (0.9, 0.9)) is False
    assert bought_with_invention((0.8, 0.95), (0.9, 0.85), tolerance=0.1) is False
    assert bought_with_invention((0.8, 0.95), (None, 0.9)) is None


def test_the_loss_counts_what_is_known() -> None:
    assert consistency_loss(1.0, 0.5, 0.0) == pytest.approx(0.5)
    assert consistency_loss(1.0, None, 0.0, weights=(3, 1, 1)) == pytest.approx(0.25)
    assert consistency_loss(None, None, None) is None


# --- the listener, stability, pressure, the prior -----------------------------------------------


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


# --- commitment ---------------------------------------------------------------------------------


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


# --- gym ----------------------------------------------------------------------------------------


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
    assert gym.as_loss(1) == 1.0 and gym.as_loss(5) == 0.0


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


# --- fidelity, simulator, mediator --------------------------------------------------------------


def test_fidelity_of_known_flaws() -> None:
    assert fidelity.published_score([4, 2], 4) == pytest.approx(5 - 3 - 0.4 + 0.6)
    assert fidelity.published_score([], 10) == 5.0
    assert (fidelity.published_score([1], 0), fidelity.published_score([], 0)) == (0.0, 5.0)
    assert fidelity.per_turn_score([4, 2], 4) == pytest.approx(5 - 0.75 - 0.4)
    assert fidelity.per_turn_score([], 0) is None
    # A bonus for length buys the published score back, not the other.
    assert fidelity.published_score([4, 2], 20) == pytest.approx(4.6)
    assert fidelity.published_score([1] * 8, 8) < fidelity.per_turn_score([1] * 8, 8)  # type: ignore[operator]


async def test_flaws_lower_the_score_of_a_level() -> None:
    def flaws(inputs: Any) -> dict[str, Any]:
        villain = "Corvin" in inputs.character
        assert [one.message for one in inputs.lines] == list(fidelity.CHARACTERS[0].messages)
        found = [{"trait": "I deceive people.", "line": 1, "severity": 5, "reason": "openly angry"}]
        return {"flaws": found if villain else []}

    def act(inputs: SayInputs) -> dict[str, Any]:
        scene = fidelity.CHARACTERS[0].scene
        assert any(scene in one for one in inputs.persona), "the actor knows the scene"
        return {"reply": "I act."}

    actor = ScriptedModel({"lab_say": act}, name="actor")
    found = await fidelity.measure(bench(actor, ScriptedModel({"lab_flaws": flaws})))
    assert values(found)["per turn, paragon"] == 5.0
    assert values(found)["per turn, villain"] == pytest.approx(5 - 2.5 / 3 - 0.5, abs=1e-6)
    assert found.notes == ("The trait that cost most: I deceive people.",)


async def test_a_simulator_that_repeats_the_intent_is_told_apart() -> None:
    card = demo_cards()[0]
    actor = ScriptedModel({"lab_user_turn": {"message": "Please help me now"}}, name="actor")
    one = ScriptedModel({"lab_listen": {"reason": "", "speaker": 1}})
    found = await realism.measure(bench(actor, one, cards=(card,), items=12))
    assert (values(found)["discriminator AUC"] or 0) > 0.9
    assert (values(found)["classifier divergence"] or 0) > 1
    offline = await realism.measure(bench(cards=(card,), items=12))
    assert "cannot write as a user" in offline.cannot and len(offline.figures) == 2


def test_what_was_invented_is_marked() -> None:
    real = demo_cards()[0].episodes[0]
    made = realism.simulated_episode(ANA, "film", "a film?", real.at)
    assert realism.is_simulated(made) and made.outcome is None
    assert not realism.is_simulated(real)


async def test_the_mediator_recovers_what_it_is_given() -> None:
    def decide(inputs: Any) -> dict[str, Any]:
        options = inputs.query.options
        task = next(one for one in recovery.TASKS if one.options == options)
        known = all(shard in inputs.query.text for shard in task.shards)
        right = known and "assistant:" not in inputs.query.text
        return {"choice": (task.right if right else (task.right + 1) % 4) + 1}

    def rewrite(inputs: Any) -> dict[str, Any]:
        said = [line.text for line in inputs.conversation if line.speaker == "user"]
        return {"request": ". ".join(said), "assumptions": [], "open": []}

    critic = ScriptedModel({"lab_mediate": rewrite}, name="critic")
    found = values(await recovery.measure(bench(ScriptedModel({"decide": decide}), critic=critic)))
    assert (found["concat"], found["sharded"], found["mediated"]) == (1.0, 0.0, 1.0)
    assert found["mediated, conversation kept"] == 0.0, "this actor is led astray by its replies"
    assert found["recovery ratio"] == 1.0
    assert math.isnan(recovery.recovery_ratio(1.0, 0.5, 0.5))


# --- cards and distractors ----------------------------------------------------------------------


def test_the_built_in_people_speak_for_themselves() -> None:
    cards = demo_cards()
    assert {card.user_id for card in cards} == set(STATEMENTS)
    assert all(card.episodes and len(card.statements) > 3 for card in cards)


@pytest.mark.parametrize("statement", [s for group in STATEMENTS.values() for s in group])
def test_a_flipped_statement_is_another_one(statement: str) -> None:
    assert flipped(statement) not in ("", statement)


def test_the_twin_differs_in_one_statement() -> None:
    twin = contradicted_twin(ANA.statements, 1)
    assert [one in twin for one in ANA.statements] == [True, False, True]


def test_personas_are_read_from_files(write: Write) -> None:
    (card,) = read_cards(write("I sing.\n\n I swim. \n", "my persona.txt"))
    assert (card.user_id, card.statements) == ("my-persona", ("I sing.", "I swim."))
    cards = read_cards(write([ANA.model_dump(), BEN.model_dump()]))
    assert cards == [ANA, BEN]
    for wrong in ("", "[1]", '[{"user_id": "x"}]'):
        with pytest.raises(InputError):
            read_cards(write(wrong, "wrong.txt"))
    with pytest.raises(InputError, match="cannot be read"):
        read_cards(write("", "x").parent / "absent")


def test_the_card_of_a_stored_persona_holds_its_claims() -> None:
    claim = Claim(section=Section.STYLE, scope="In letters", text="I am brief.", origin="user")
    card = persona_card("ana", Persona(user_id="ana", claims=(claim,)), ())
    assert card.statements == ("In letters: I am brief.",)
    assert "I am brief." in shown("ana", card.statements)
    with pytest.raises(InputError, match="no claim yet"):
        persona_card("ana", Persona.generic("ana"), ())


# --- the run ------------------------------------------------------------------------------------


async def test_a_failure_ends_its_experiment_only() -> None:
    async def fails(_: LabBench) -> Findings:
        raise FAILS

    async def cannot(_: LabBench) -> Findings:
        raise ModelCannotError("set a model")

    async def works(made: LabBench) -> Findings:
        await made.judges.relate("I sing.", ["I sing."])
        return Findings()

    report = await run_lab(
        bench(None, judge()),
        [Experiment("a", "A", fails), Experiment("b", "B", cannot), Experiment("c", "C", works)],
    )
    assert [one.findings.cannot for one in report.results] == [
        "ended by a failure: HTTP 500", "set a model", ""]  # fmt: skip
    assert [one.usage.calls for one in report.results] == [0, 0, 1]


async def test_a_spent_budget_ends_the_run() -> None:
    with limit(max_calls=3), pytest.raises(BudgetExceededError):
        await run_lab(bench(), choose(["coherence"]))


async def test_the_whole_lab_offline_says_what_it_cannot() -> None:
    report = await run_lab(bench(items=2, turns=2), EXPERIMENTS)
    unmeasured = {one.name for one in report.results if one.findings.cannot}
    assert unmeasured == {
        "agent-drift", "commitment", "gym", "gym-published", "fidelity", "simulator", "dnli",
    }  # fmt: skip
    for one in report.results:
        assert one.findings.figures or one.findings.cannot
        assert all(found.meaning for found in one.findings.figures)


async def test_a_report_comes_back_as_it_was(write: Write) -> None:
    report = await run_lab(bench(items=2), choose(["mediator", "commitment"]))
    path = write("", "report.json")
    save_report(report, path)
    assert load_report(path) == report
    assert LabReport.model_validate_json(path.read_text()) == report
    for wrong in ("{}", "nothing"):
        with pytest.raises(InputError, match="no report"):
            load_report(write(wrong, "wrong.json"))


def test_the_judge_in_a_loss_is_not_the_one_that_reports() -> None:
    settings = Settings(embedder="hash")
    with pytest.raises(InputError, match="critic and judge"):
        make_lab(settings, LabOptions(judges=("a/b", "c/d"), critic="a/b"))
    made = make_lab(settings, LabOptions(judges=("openai/a", "openai/b"), critic="openai/c"))
    assert made.independent and len(made.models) == 2 and made.judges.votes == 3


def test_one_model_for_everything_has_to_be_the_only_one() -> None:
    offline, real = Settings(embedder="hash"), Settings(embedder="hash", model="openai/a")
    assert not make_lab(offline, LabOptions()).independent
    with pytest.raises(InputError, match="'openai/a' cannot be critic and judge"):
        make_lab(real, LabOptions())
    assert not make_lab(real, LabOptions(single_model=True)).independent
    with pytest.raises(InputError, match="cannot be critic and judge"):
        make_lab(real, LabOptions(judges=("openai/a", "openai/b"), single_model=True))
    assert make_lab(real, LabOptions(judges=("openai/b",))).independent


def test_a_judge_of_the_optimization_does_not_report() -> None:
    card = ANA.model_copy(update={"in_loss": ("offline",)})
    real = Settings(embedder="hash", model="openai/a")
    with pytest.raises(InputError, match="'offline' cannot be critic and judge"):
        make_lab(real, LabOptions(judges=("offline",)), [card])
    make_lab(real, LabOptions(judges=("openai/b",)), [card])


async def test_the_report_says_that_one_model_judged_its_own_repairs() -> None:
    card = ANA.model_copy(update={"in_loss": ("offline",)})
    report = await run_lab(bench(cards=(card,)), choose(["mediator"]))
    shown = "\n".join(head_lines(report))
    assert "offline is inside the repairs and judges them too" in shown
    assert "a persona was optimized against offline" in shown
    apart = bench(ScriptedModel(name="actor"), judge(), critic=ScriptedModel(name="critic"))
    assert "judges them too" not in "\n".join(head_lines(await run_lab(apart, [])))


def test_an_unknown_experiment_is_named() -> None:
    with pytest.raises(InputError, match="'drif'"):
        choose(["drif"])
    assert [one.name for one in choose(["gym", "drift"])] == ["drift", "gym"]


# --- Dialogue-NLI -------------------------------------------------------------------------------


def test_damaged_rankings_name_their_line(write: Write) -> None:
    for name in dnli.FILES:
        path = write("{}\n{}\n", name)
    with pytest.raises(InputError, match=r"valid_attributes.jsonl, line 2"):
        dnli.read_rankings(path.parent)
    with pytest.raises(InputError, match="No such file"):
        dnli.read_rankings(path.parent / "absent")


@pytest.mark.slow
@pytest.mark.data
async def test_fewer_contradictions_and_no_fewer_hits_on_dialogue_nli() -> None:
    from tests.conftest import DATA

    made = make_lab(Settings().with_default_cache(), LabOptions(data=DATA))
    found = {one.name: one for one in (await dnli.measure(made)).figures}
    lowered, hits = found["Contradict@1, difference"], found["Hits@1, difference"]
    assert lowered.ci95 is not None and lowered.ci95[1] < 0
    assert hits.value is not None and hits.value >= 0
