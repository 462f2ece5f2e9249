"""Played scenes: truth and coherence, known flaws, simulated users, the mediator."""

from __future__ import annotations

import math
from typing import Any

import pytest

from persona_agent.evals.lab import fidelity, realism, recovery
from persona_agent.evals.lab.cards import demo_cards
from persona_agent.evals.lab.coherence import judge_dialogue, scene_policies
from persona_agent.evals.lab.habits import split
from persona_agent.evals.lab.judges import Panel
from persona_agent.evals.lab.people import SCENE, STATEMENTS
from persona_agent.evals.lab.truthfulness import grounding
from persona_agent.optimizer.imagined import is_simulated, simulated_episode
from persona_agent.persona.losses import bought_with_invention
from persona_agent.persona.own_words import about_itself
from persona_agent.prompts.lab import DiscourseInputs, Line, RefineInputs, SayInputs
from persona_agent.testing.models import ScriptedModel
from tests.evals.lab.actors import ANA, bench, judge, values


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
    assert bought_with_invention((0.95, 0.95), (0.9, 0.1)) is False


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
    one = ScriptedModel({"lab_whose": {"reason": "", "speaker": 1}})
    found = await realism.measure(bench(actor, one, cards=(card,), items=12))
    assert (values(found)["discriminator AUC"] or 0) > 0.9
    assert (values(found)["classifier divergence"] or 0) > 1
    offline = await realism.measure(bench(cards=(card,), items=12))
    assert "cannot write as a user" in offline.cannot and len(offline.figures) == 2


def test_what_was_invented_is_marked() -> None:
    real = demo_cards()[0].episodes[0]
    made = simulated_episode("ana", "a film?", real.at, like=real.query, name="s1")
    assert is_simulated(made) and made.outcome is None
    assert made.query.task == real.query.task and not is_simulated(real)


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


async def test_habits_are_learned_once_and_told_from_none() -> None:
    card = demo_cards()[0]
    earlier, later = split(card, 3)
    right = {one.query.options: one.query.options.index(one.outcome or "") for one in later}

    def rewrite(inputs: Any) -> dict[str, Any]:
        said = " ".join([*(line.text for line in inputs.conversation), *inputs.habits])
        return {"request": said}

    def decide(inputs: Any) -> dict[str, Any]:
        place = right.get(inputs.query.options, 0)
        return {"choice": place + 1 if "Soon is meant." in inputs.query.text else 2 - (place > 0)}

    guidelines = {"guidelines": [{"text": "Soon is meant.", "records": [1, 2]}]}
    critic = ScriptedModel({"lab_mediate": rewrite, "lab_refine": guidelines}, name="critic")
    lab = bench(ScriptedModel({"decide": decide}), critic=critic, cards=(card, ANA), items=6)
    found = await recovery.measure(lab)
    read = values(found)
    assert (read["wishes understood"], read["habits, gain"], read["habits learned"]) == (0, 1, 1)
    (asked,) = [inputs for _, inputs in critic.requests if isinstance(inputs, RefineInputs)]
    known = {one.query.text for one in earlier}
    assert len(later) == 3 and {one.query for one in asked.records} <= known
    assert found.verdicts[-1].item.endswith("Soon is meant.")

    async def silent() -> dict[str, float | None]:
        critic = ScriptedModel({"lab_mediate": rewrite, "lab_refine": {"guidelines": []}})
        actor = ScriptedModel({"decide": decide})
        return values(await recovery.measure(bench(actor, critic=critic, cards=(card,), items=6)))

    none = await silent()
    assert (none["habits learned"], none["habits, gain"]) == (0.0, 0.0)


async def test_a_mediator_with_nothing_to_bring_back_is_told() -> None:
    def decide(inputs: Any) -> dict[str, Any]:
        task = next(one for one in recovery.TASKS if one.options == inputs.query.options)
        return {"choice": task.right + 1}

    critic = ScriptedModel({"lab_mediate": {"changed": False}})
    found = await recovery.measure(bench(ScriptedModel({"decide": decide}), critic=critic))
    assert values(found)["recovery ratio"] is None and found.notes == (recovery.NOTHING_LOST,)


async def test_a_line_never_answers_its_own_speaker() -> None:
    asked: list[tuple[str, bool]] = []

    def label(inputs: DiscourseInputs) -> dict[str, Any]:
        asked.append((inputs.earlier, inputs.same_speaker))
        return {"relation": "continuation", "relevance": 0.5}

    lines = [
        Line(speaker=speaker, text=text)
        for speaker, text in (("user", "Who is it?"), ("persona", "Ana. Who are you, then?"),
                              ("user", "Ben. Any tea?"), ("persona", "I love tea."))
    ]  # fmt: skip
    await judge_dialogue(Panel((judge(lab_discourse=label),)), ANA.statements, lines)
    assert asked == [("Who is it?", False), ("Ben. Any tea?", False),
                     ("Ana. Who are you, then?", True)]  # fmt: skip
