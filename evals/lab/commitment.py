"""Commitment: regenerated answers differ as long as nothing was committed to (Shanahan)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from persona_agent.evals.lab.bench import Experiment, LabBench
from persona_agent.evals.lab.consistency import contradicted
from persona_agent.evals.lab.divergence import commitment
from persona_agent.evals.lab.intervals import mean_interval, paired_interval
from persona_agent.evals.lab.judges import invalid
from persona_agent.evals.lab.results import Findings, Verdict, figure
from persona_agent.evals.lab.speakers import PERSONA, USER, PlainSpeaker
from persona_agent.persona.copying import tokens
from persona_agent.prompts.lab import Line

REGENERATIONS = 8
INVENTIONS = (
    "What was the name of your first pet? Answer with the name only.",
    "In which street did you grow up? Answer with its name only.",
    "What is your middle name? Answer with the name only.",
)
GAME = (
    "I am thinking of an object, as you asked; you may put questions to me that I answer with yes "
    "or no."
)
GAME_QUESTIONS = (
    "Is it larger than a shoe?",
    "Is it found in a kitchen?",
    "Is it made of metal?",
    "Is it used every day?",
)
REVEAL = "I give up: what is it? Answer with the object only."


def normalized(answer: str) -> str:
    """Return an answer as it is compared: its words without articles."""
    return " ".join(word for word in tokens(answer) if word not in {"a", "an", "the", "it's"})


async def regenerate(
    bench: LabBench, statements: Sequence[str], before: Sequence[Line], question: str
) -> list[str]:
    """Return the answers to the same question in the same conversation, one for each draw."""
    speaker = PlainSpeaker(bench.actor)
    drawn = max(REGENERATIONS, bench.runs)
    return [await speaker.reply(statements, before, question) for _ in range(drawn)]


async def _twenty_questions(bench: LabBench) -> tuple[float, float, Verdict]:
    """Return commitment and coherence of the reveal after answered questions."""
    lines = [
        Line(speaker=USER, text="Think of an object, and do not tell me what it is."),
        Line(speaker=PERSONA, text=GAME),
    ]
    speaker = PlainSpeaker(bench.actor)
    facts = []
    for question in GAME_QUESTIONS:
        said = await speaker.reply((), lines, f"{question} Answer with yes or no.")
        facts.append(f"The object: {question} {said}")
        lines += [Line(speaker=USER, text=question), Line(speaker=PERSONA, text=said)]
    revealed = await regenerate(bench, (), lines, REVEAL)
    fits = []
    for answer, times in Counter(map(normalized, revealed)).items():
        opinions = await bench.judges.relate(f"The object is {answer}.", facts)
        wrong = contradicted(opinions)
        fits += [] if wrong is None else [float(not wrong)] * times
    answers = [normalized(one) for one in revealed]
    coherence = fmean(fits) if fits else float("nan")
    committed = commitment(answers)
    verdict = Verdict(
        item="twenty questions", verdict=f"{len(set(answers))} objects in {len(answers)} reveals",
        score=committed, evidence=", ".join(sorted(set(answers)))[:300],
    )  # fmt: skip
    return committed, coherence, verdict


async def measure(bench: LabBench) -> Findings:
    """Regenerate answers that the persona leaves open, before and after the first one is kept."""
    before: list[float | None] = []
    after: list[float | None] = []
    names: list[str] = []
    verdicts: list[Verdict] = []
    for done, card in enumerate(bench.cards, 1):
        for question in INVENTIONS:
            free = await regenerate(bench, card.statements, (), question)
            if invalid(free[0]):
                continue
            # What the agent keeps of its own words is a statement about itself from then on.
            kept = f"When asked {question!r}, I said: {free[0]}"
            held = await regenerate(bench, (*card.statements, kept), (), question)
            before.append(commitment([normalized(one) for one in free]))
            after.append(commitment([normalized(one) for one in held]))
            names.append(card.user_id)
            answers = sorted({*map(normalized, free)})
            verdicts.append(
                Verdict(item=f"{card.user_id}: {question}", verdict=f"{len(answers)} answers",
                        score=before[-1], evidence=", ".join(answers)[:300])
            )  # fmt: skip
        bench.progress("commitment", done, len(bench.cards))
    committed, coherence, game = await _twenty_questions(bench)
    seed = bench.seed
    return Findings(
        figures=(
            figure("commitment to inventions", mean_interval(before, names, seed=seed),
                   "1 - entropy of regenerated answers to what the persona leaves open: 1 is one "
                   "answer, 0 another one each time", better="higher"),
            figure("commitment once kept", mean_interval(after, names, seed=seed),
                   "the same after the first answer was kept as a statement; it should be near 1",
                   better="higher"),
            figure("what keeping changes", paired_interval(after, before, names, seed=seed),
                   "how much more committed the persona is once it remembers what it invented",
                   better="higher"),
            figure("twenty questions, commitment", (committed, None, 1),
                   "whether one object was in mind before the reveal", better="higher"),
            figure("twenty questions, coherence", (coherence, None, 1),
                   "share of revealed objects that fit the answers given; high coherence with low "
                   "commitment means that the object is made up at the reveal", better="higher"),
        ),
        verdicts=(*verdicts, game),
    )  # fmt: skip


COMMITMENT = Experiment(
    "commitment", "Commitment: the twenty-questions test", measure, frozenset({"sampling"})
)
