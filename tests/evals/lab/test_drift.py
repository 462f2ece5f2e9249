"""Drift and its repairs: what contradicts is not said, and what was said holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from persona_agent.agent.chat.rerank import Rerank, choose_reply
from persona_agent.evals.lab import drift
from persona_agent.evals.lab.judges import Opinion
from persona_agent.evals.lab.people import PLANTED
from persona_agent.evals.lab.registry import choose
from persona_agent.evals.lab.run import run_lab
from persona_agent.evals.lab.speakers import RepairedSpeaker
from persona_agent.testing.models import ScriptedModel
from tests.evals.lab.actors import ANA, bench, judge, says, values
from tests.scripted import Sampling


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

    plain = ["Get a cat.", "Walk the dog.", "A cat!", "That I do not know."]
    mended = ["Get a cat.", "Walk the dog.", "Walk the dog.", "Walk the dog.", "Walk the dog."]
    replies = iter([*plain, *mended])
    actor = Sampling({"lab_user_turn": user, "lab_question": {"choice": 1}}, chat=chat)
    critic = ScriptedModel(
        {"reply_check": check,
         "lab_mediate": lambda inputs: {"request": inputs.conversation[-1].text}},
        name="critic",
    )  # fmt: skip
    judges = ScriptedModel(
        {"reply_check": check,
         "lab_recall": lambda inputs: {
             "verdict": "right" if inputs.answered.startswith(inputs.reply) else "wrong"}},
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
    calls = 3 * 2 + 2 + 2  # draft and check; once both again; the mediator of what has a before
    assert found["calls a reply, with repairs"] == pytest.approx(calls / 3, abs=1e-4)
    assert result.usage.calls == sum(one.usage().calls for one in (actor, critic, judges)), (
        "what chat turns cost is part of the experiment's cost"
    )
