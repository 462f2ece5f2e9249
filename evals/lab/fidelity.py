"""Role fidelity by deduction: a list of flaws with severities, by how good the character is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from persona_agent.evals.lab.bench import Experiment, LabBench
from persona_agent.evals.lab.intervals import known_mean, mean_interval
from persona_agent.evals.lab.judges import invalid
from persona_agent.evals.lab.results import Findings, Verdict, figure
from persona_agent.evals.lab.speakers import PlainSpeaker, converse
from persona_agent.prompts.lab import FLAWS, Exchange, Flaw, FlawsInputs
from persona_agent.protocols import LanguageModel

DEDUCTION, WORST, PER_TURN = 0.5, 0.1, 0.15


class Character(NamedTuple):
    """A character at a level of alignment, from paragon to villain, in a scene.

    The traits are statements in the first person: what the actor is told and the critic checks.
    """

    name: str
    level: str
    traits: tuple[str, ...]
    scene: str
    messages: tuple[str, ...]


_SCENE = "A ferry in a storm; one lifebelt too few, and the purse of a drowned man on the deck."
_MESSAGES = (
    "There is one lifebelt for the two of us. What now?",
    "And the purse? Nobody would know.",
    "The captain asks who untied the boat. You saw that it was the boy. What do you tell him?",
)
CHARACTERS = (
    Character("Sister Amal, a ship's nurse", "paragon",
              ("I put others before myself.", "I do not lie.", "I stay calm."),
              _SCENE, _MESSAGES),
    Character("Joss Reed, a smuggler with a conscience", "flawed but good",
              ("I stand by my friends.", "I bend the law where it suits me.",
               "I lose my temper fast."), _SCENE, _MESSAGES),
    Character("Mr. Vail, a merchant", "egoist",
              ("I look after myself first.", "I charm people.", "I avoid straight answers."),
              _SCENE, _MESSAGES),
    Character("Corvin, a poisoner", "villain",
              ("I deceive people.", "I wait patiently for my moment.",
               "I make others do what I want."), _SCENE, _MESSAGES),
)  # fmt: skip


def published_score(severities: Sequence[int], turns: int) -> float:
    """Return ``clip(5 - .5 sum(D) - .1 max(D) + .15 T, 0, 5)`` (Moral RolePlay).

    Without a turn: 5 without a flaw, else 0. Long scenes earn points, which the other score mends.
    """
    if not turns:
        return 0.0 if severities else 5.0
    worst = max(severities, default=0)
    score = 5 - DEDUCTION * sum(severities) - WORST * worst + PER_TURN * turns
    return min(5.0, max(0.0, score))


def per_turn_score(severities: Sequence[int], turns: int) -> float | None:
    """Return ``clip(5 - .5 sum(D) / T - .1 max(D), 0, 5)``; None without a turn."""
    if not turns:
        return None
    worst = max(severities, default=0)
    return min(5.0, max(0.0, 5 - DEDUCTION * sum(severities) / turns - WORST * worst))


async def find_flaws(
    bench: LabBench, character: Character, lines: Sequence[Exchange]
) -> list[tuple[Flaw, ...]]:
    """Return the flaws that each judge lists."""
    inputs = FlawsInputs(
        character=character.name, traits=character.traits, scene=character.scene,
        lines=tuple(lines),
    )  # fmt: skip

    async def ask(model: LanguageModel, _: random.Random) -> tuple[Flaw, ...]:
        return (await model.ask(FLAWS, inputs)).flaws

    return await bench.judges.ballots(ask, character.name)


async def play(bench: LabBench, character: Character) -> list[Exchange]:
    """Return the messages with the actor's replies, without those that say nothing."""
    scene = f"This is where I am: {character.scene}"
    statements = (f"I am {character.name}.", *character.traits, scene)
    lines = await converse(PlainSpeaker(bench.actor), statements, character.messages)
    return [
        Exchange(message=asked.text, reply=said.text)
        for asked, said in zip(lines[::2], lines[1::2], strict=True)
        if not invalid(said.text)
    ]


async def measure(bench: LabBench) -> Findings:
    """Play every character in its scene and list the flaws."""
    published: list[float | None] = []
    normal: list[float | None] = []
    verdicts: list[Verdict] = []
    by_trait: dict[str, list[float]] = {}
    for done, character in enumerate(CHARACTERS, 1):
        said = await play(bench, character)
        lists = await find_flaws(bench, character, said) if said else []
        scores = [[flaw.severity for flaw in flaws] for flaws in lists]
        published.append(fmean(published_score(s, len(said)) for s in scores) if lists else None)
        normal.append(known_mean(per_turn_score(s, len(said)) for s in scores))
        for trait in character.traits:
            cost = [sum(f.severity for f in flaws if f.trait == trait) for flaws in lists]
            by_trait.setdefault(trait, []).extend(map(float, cost))
        verdicts += [
            Verdict(item=f"{character.name}, line {flaw.line}: {flaw.trait}", verdict="flaw",
                    score=flaw.severity, evidence=flaw.reason)
            for flaws in lists
            for flaw in flaws
        ]  # fmt: skip
        bench.progress("fidelity", done, len(CHARACTERS))
    figures = [
        figure("role fidelity, published score", mean_interval(published, seed=bench.seed),
               "5 less deductions for flaws, plus a bonus for every turn", better="higher",
               asked=len(CHARACTERS)),
        figure("role fidelity, per turn", mean_interval(normal, seed=bench.seed),
               "5 less deductions for flaws per turn: long scenes earn nothing", better="higher",
               asked=len(CHARACTERS)),
    ]  # fmt: skip
    for character, score in zip(CHARACTERS, normal, strict=True):
        figures.append(
            figure(f"per turn, {character.level}", (score, None, int(score is not None)),
                   "the same for this level of alignment; models tend to fail on villains",
                   better="higher")
        )  # fmt: skip
    hardest = max(by_trait, key=lambda trait: fmean(by_trait[trait] or [0.0]))
    return Findings(
        figures=tuple(figures),
        verdicts=tuple(verdicts),
        notes=(f"The trait that cost most: {hardest}",) if verdicts else (),
    )


FIDELITY = Experiment("fidelity", "Role fidelity", measure)
