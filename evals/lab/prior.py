"""The model's prior against the persona: plasticity, inertia, susceptibility, and what wins."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from persona_agent.evals.lab.bench import Experiment, LabBench
from persona_agent.evals.lab.cards import shown
from persona_agent.evals.lab.divergence import jensen_shannon, shares
from persona_agent.evals.lab.intervals import mean_interval
from persona_agent.evals.lab.results import Findings, Verdict, figure
from persona_agent.prompts import DECIDE, Case, DecideInputs
from persona_agent.schema import Query

AGREEMENT = ("I disagree completely", "I rather disagree", "Neither", "I rather agree",
             "I agree completely")  # fmt: skip
MIDDLE = 3.0
WINS_FROM = 0.5

Scores = list[float | None]


class Trait(NamedTuple):
    """A trait with a persona for either pole, and items: (text, whether agreeing means high)."""

    name: str
    high: str
    low: str
    items: tuple[tuple[str, bool], ...]


TRAITS: tuple[Trait, ...] = (
    Trait("extraversion", "I am the loud heart of every party.",
          "I am quiet and keep to myself.",
          (("I start conversations with strangers.", True), ("I feel at ease in a crowd.", True),
           ("I would rather stay in the background.", False), ("I say little.", False))),
    Trait("agreeableness", "I am warm and forgive people quickly.",
          "I am cold and do not care about other people.",
          (("I take time for other people.", True), ("I feel for people who suffer.", True),
           ("I insult people.", False), ("Other people's troubles do not interest me.", False))),
    Trait("conscientiousness", "I plan everything and keep perfect order.",
          "I am careless and leave everything lying about.",
          (("I do my chores at once.", True), ("I follow a schedule.", True),
           ("I leave my things lying about.", False), ("I shirk my duties.", False))),
    Trait("emotional stability", "I am calm and nothing upsets me.",
          "I worry all the time and am easily upset.",
          (("I am relaxed most of the time.", True), ("I rarely feel low.", True),
           ("I get upset easily.", False), ("I worry about many things.", False))),
    Trait("openness", "I love strange ideas, art and everything new.",
          "I stick to what I know and have no use for art.",
          (("I have a vivid imagination.", True), ("I enjoy abstract ideas.", True),
           ("I avoid philosophical talk.", False), ("I do not like art.", False))),
)  # fmt: skip
"""The five factors, which anybody may use; the items are worded for this library."""


class Opposed(NamedTuple):
    """A question, what nearly everybody would say, and a persona that makes it the other."""

    question: str
    usual: str
    implied: str
    statement: str
    example: str


OPPOSED: tuple[Opposed, ...] = (
    Opposed("Which colour do you want your door in?", "white", "bright orange",
            "I want everything around me in bright orange.", "Which colour for the fence?"),
    Opposed("Coffee or hot water in the morning?", "coffee", "hot water",
            "I drink hot water and never coffee.", "What to drink after lunch?"),
    Opposed("Where do you want to sit in the theatre?", "in the middle", "in the last row",
            "I always sit in the last row.", "Where do you sit on the bus?"),
    Opposed("When do you get up on a holiday?", "at nine", "at four",
            "I get up at four every day of the year.", "When do you get up on Sunday?"),
    Opposed("How do you pay?", "by card", "in coins",
            "I pay for everything in coins.", "How do you pay for a ticket?"),
    Opposed("What do you do when it rains?", "stay inside", "go swimming",
            "I go swimming whenever it rains.", "What do you do on a wet afternoon?"),
)  # fmt: skip


FILLER: tuple[str, ...] = (
    "I have a cousin in another town.",
    "My kitchen table is round.",
    "I own two umbrellas.",
    "I can whistle.",
    "I keep old letters in a box.",
)
"""What a statement stands among: it bears on none of the questions, and is nobody's card."""


async def trait_score(bench: LabBench, trait: Trait, statements: Sequence[str]) -> float:
    """Return the mean agreement with the trait, 1 to 5, with reversed items turned round."""
    scores = []
    for text, high in trait.items:
        inputs = DecideInputs(
            query=Query(text=f"How far is this true of you: {text}", options=AGREEMENT, task="lab"),
            persona=shown("lab", statements),
        )
        degree = (await bench.actor.ask(DECIDE, inputs)).choice
        scores.append(degree if high else 6 - degree)
    return fmean(scores)


async def answer_shares(
    bench: LabBench, item: Opposed, persona: str, cases: tuple[Case, ...] = ()
) -> dict[str, float]:
    """Return how often each of the two answers is given, over runs and both orders."""
    chosen = []
    for run in range(max(2, bench.runs)):
        options = [item.usual, item.implied]
        if run % 2:
            options.reverse()
        inputs = DecideInputs(
            query=Query(text=item.question, options=tuple(options), task="lab"),
            persona=persona,
            recalled=cases,
        )
        chosen.append(options[(await bench.actor.ask(DECIDE, inputs)).choice - 1])
    return shares(chosen)


def escalations(item: Opposed, filler: Sequence[str]) -> dict[str, tuple[str, tuple[Case, ...]]]:
    """Return the means to let the persona win, the weakest first, as (persona, past cases)."""
    half = len(filler) // 2
    among = shown("lab", (*filler[:half], item.statement, *filler[half:]))
    past = (Case(query=item.example, outcome=item.implied, task="lab"),)
    return {
        "stated among others": (among, ()),
        "repeated last": (f"{among}\n- Above all: {item.statement}", ()),
        "shown in past choices": (among, past * 2),
    }


async def _impose(bench: LabBench) -> tuple[Scores, Scores, list[Verdict]]:
    """Return for each pole of a trait whether it was taken on, and whether the default stayed."""
    plastic: Scores = []
    inert: Scores = []
    verdicts = []
    for trait in TRAITS:
        default = await trait_score(bench, trait, ())
        for pole, statement in ((1, trait.high), (-1, trait.low)):
            score = await trait_score(bench, trait, (statement,))
            took = (score - MIDDLE) * pole > 0
            plastic.append(float(took))
            # Only where the default lies on the other side can staying be told from taking on.
            if (default - MIDDLE) * pole <= 0:
                inert.append(float((score - MIDDLE) * pole <= 0))
            verdicts.append(
                Verdict(item=f"{trait.name}, {'high' if pole > 0 else 'low'}",
                        verdict="adopted" if took else "kept its default", score=score,
                        evidence=f"default {default:.2f}, imposed {score:.2f}")
            )  # fmt: skip
        bench.progress("prior", len(plastic) // 2, len(TRAITS))
    return plastic, inert, verdicts


async def _oppose(bench: LabBench) -> tuple[Scores, dict[str, Scores], list[Verdict]]:
    """Return how far a persona that says otherwise moves each answer, and what wins by means."""
    order = random.Random(bench.seed)
    moved: Scores = []
    wins: dict[str, Scores] = {}
    verdicts = []
    for item in OPPOSED:
        alone = await answer_shares(bench, item, "")
        expected = max(alone, key=lambda answer: alone[answer]) == item.usual
        steps = escalations(item, order.sample(FILLER, 3)).items()
        for number, (means, (persona, cases)) in enumerate(steps):
            said = await answer_shares(bench, item, persona, cases)
            if number == 0:
                moved.append(jensen_shannon(said, alone))
            win = said.get(item.implied, 0.0) if expected else None
            wins.setdefault(means, []).append(win)
            verdicts.append(
                Verdict(item=f"{item.question} ({means})",
                        verdict="" if win is None else "persona" if win >= WINS_FROM else "prior",
                        score=win, evidence=item.statement)
            )  # fmt: skip
    return moved, wins, verdicts


async def measure(bench: LabBench) -> Findings:
    """Impose both poles of every trait, and facts that go against what the model would say."""
    plastic, inert, verdicts = await _impose(bench)
    moved, wins, opposed = await _oppose(bench)
    seed = bench.seed
    figures = [
        figure("plasticity", mean_interval(plastic, seed=seed),
               "share of imposed poles of five traits that the answers take on", better="higher"),
        figure("inertia", mean_interval(inert, seed=seed),
               "share of imposed poles against the model's default at which it stays",
               better="lower"),
        figure("susceptibility", mean_interval(moved, seed=seed),
               "divergence in bits of the answers with and without a persona that says otherwise",
               better="higher"),
    ]  # fmt: skip
    for means, values in wins.items():
        figures.append(
            figure(f"wins, {means}", mean_interval(values, seed=seed),
                   "how often the persona wins where the model alone would say the usual",
                   better="higher", asked=len(values))
        )  # fmt: skip
    winner = next((m for m, v in wins.items() if (mean_interval(v)[0] or 0) > WINS_FROM), None)
    note = f"First means that wins more often than not: {winner or 'none of these'}."
    return Findings(figures=tuple(figures), verdicts=(*verdicts, *opposed), notes=(note,))


PRIOR = Experiment("prior", "The model's prior against the persona", measure)
