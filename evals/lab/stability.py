"""Stability: is it the persona that speaks, or chance from run to run?"""

from __future__ import annotations

import numpy as np

from persona_agent.evals.lab.bench import Card, Experiment, LabBench
from persona_agent.evals.lab.cards import shown
from persona_agent.evals.lab.results import Figure, Findings, figure
from persona_agent.evals.lab.speakers import PlainSpeaker
from persona_agent.evals.lab.variance import (
    category_distances,
    icc_interval,
    permutation_p,
    robustness,
    text_distances,
)
from persona_agent.persona.variance import Floats, components, number_distances, stability
from persona_agent.prompts import DECIDE, DecideInputs
from persona_agent.schema import Query

SCALE = ("1", "2", "3", "4", "5")
NUMBERS = (
    "How much would you enjoy a long walk in the rain, from 1 (not at all) to 5 (very much)?",
    "How important are other people's feelings when you answer them, from 1 to 5?",
    "How much do you plan ahead, from 1 (never) to 5 (always)?",
    "How gladly do you try a new gadget, from 1 to 5?",
    "How much do you like a loud party, from 1 to 5?",
    "How strict are you when you judge something, from 1 to 5?",
)
CATEGORIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("A free Sunday: which is it?",
     ("a long walk", "cooking for guests", "tinkering with a computer", "reading at home")),
    ("How do you answer a friend who complains?",
     ("with comfort", "with a practical offer", "with a question", "with a joke")),
    ("Which gift would you choose?",
     ("something useful", "something funny", "something home-made", "money")),
    ("Which film tonight?",
     ("a slow family story", "hard science fiction", "a thriller", "a music documentary")),
    ("How do you travel?", ("by night train", "by plane", "by car", "on foot")),
    ("What is for dinner?", ("mushroom stew", "steak", "noodles", "cake")),
)  # fmt: skip
TEXTS = (
    "What do you do for a living?",
    "What can you not stand?",
    "What do you like best?",
    "How do you treat other people?",
)


async def _chosen(bench: LabBench, card: Card, text: str, options: tuple[str, ...]) -> str:
    inputs = DecideInputs(
        query=Query(text=text, options=options, task="lab"),
        persona=shown(card.user_id, card.statements),
    )
    return options[(await bench.actor.ask(DECIDE, inputs)).choice - 1]


async def measure(bench: LabBench) -> Findings:
    """Ask every persona every item several times; a failed call ends the experiment."""
    cards, runs = bench.cards or (), max(2, bench.runs)
    if len(cards) < 2:
        cards = (*cards, *bench.distractors(cards[0])[:3])
    numbers = np.zeros((len(cards), len(NUMBERS), runs))
    labels = np.empty((len(cards), len(CATEGORIES), runs), dtype="<U60")
    texts: list[str] = []
    for p, card in enumerate(cards):
        for q, text in enumerate(NUMBERS):
            for run in range(runs):
                numbers[p, q, run] = float(await _chosen(bench, card, text, SCALE))
        for q, (text, options) in enumerate(CATEGORIES):
            for run in range(runs):
                labels[p, q, run] = await _chosen(bench, card, text, options)
        for text in TEXTS:
            for _ in range(runs):
                texts.append(await PlainSpeaker(bench.actor).reply(card.statements, (), text))
        bench.progress("stability", p + 1, len(cards))
    vectors = bench.embedder.embed(texts).astype(float)
    shaped = vectors.reshape(len(cards), len(TEXTS), runs, -1)
    figures = [
        *_kind("numbers", number_distances(numbers), bench.seed),
        *_kind("categories", category_distances(labels), bench.seed),
        *_kind("texts", text_distances(shaped), bench.seed),
    ]
    split = components(numbers)
    notes = [
        f"{len(cards)} personas, {runs} runs. Components of the numbers: persona "
        f"{split.persona:.3f}, item {split.item:.3f}, persona x item {split.interaction:.3f}, run "
        f"{split.run:.3f}; robustness (1 / mean spread of runs) {robustness(numbers):.2f}."
    ]
    same = [
        kind
        for kind, one in zip(("numbers", "categories", "texts"), figures[::2], strict=True)
        if one.value is None
    ]
    if same:
        notes.append(
            f"Nothing varies in {' and '.join(same)}: every persona gives the same answers there, "
            "so the persona has no effect on them and an ICC says nothing."
        )
    if bench.actor.deterministic:
        notes.append("Equal requests get equal answers here, so there is no run noise to measure.")
    return Findings(figures=tuple(figures), notes=tuple(notes))


def _kind(kind: str, distances: Floats, seed: int) -> list[Figure]:
    found = stability(distances)
    p_value = permutation_p(distances, seed=seed)
    answers = int(np.prod(distances.shape[:3]))
    return [
        figure(
            f"ICC of {kind}",
            (found.icc, icc_interval(distances, seed=seed), answers),
            "share of the variance that lies between personas and not between runs, noise taken "
            f"out; at 0.5 or less the runs differ as much ({found.run_dominated} of "
            f"{found.items} items)",
            better="higher",
        ),
        figure(
            f"permutation p of {kind}",
            (p_value, None, answers),
            "chance of as large a difference between personas if the persona did not matter",
            better="lower",
        ),
    ]


STABILITY = Experiment("stability", "Stability: persona, item and run", measure)
