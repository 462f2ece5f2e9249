"""The user simulator that optimizations invent queries with: three tests of its realism."""

from __future__ import annotations

from collections.abc import Sequence

from persona_agent.errors import ModelCannotError
from persona_agent.evals.lab.bench import Card, Experiment, LabBench
from persona_agent.evals.lab.divergence import (
    Floats,
    discriminator_auc,
    distinct,
    jensen_shannon,
    shares,
)
from persona_agent.evals.lab.intervals import mean_interval
from persona_agent.evals.lab.results import Figure, Findings, Verdict, figure
from persona_agent.optimizer.imagined import EXAMPLES, examples_for, intent_of, simulate_item
from persona_agent.schema import Episode


def surface(text: str) -> dict[str, str]:
    """Return what simple classifiers say of a message: its length, form and opening."""
    words = text.split()
    length = "short" if len(words) < 12 else "medium" if len(words) < 30 else "long"
    end = text.rstrip()[-1:] or " "
    return {
        "length": length,
        "ending": end if end in "?!." else "other",
        "capitals": "upper" if text[:1].isupper() else "lower",
        "first person": "yes" if {"i", "my", "me"} & {w.casefold() for w in words} else "no",
    }


def classifier_divergence(real: Sequence[str], simulated: Sequence[str]) -> float:
    """Return the sum of divergences, in bits, of the classifiers' distributions; 0 is equal."""
    ours, theirs = [surface(one) for one in real], [surface(one) for one in simulated]
    return sum(
        jensen_shannon(shares([one[key] for one in ours]), shares([one[key] for one in theirs]))
        for key in ours[0]
    )


async def measure(bench: LabBench) -> Findings:
    """Simulate messages for held-out intents and compare them with what users really wrote."""
    cards = [card for card in bench.cards if len(card.episodes) > EXAMPLES]
    real = [(card, one) for card in cards for one in _held_out(card, bench.items)]
    held_out = {one.id for _, one in real}
    texts = [one.query.text for _, one in real]
    half = len(texts) // 2
    vectors = bench.embedder.embed(texts).astype(float)
    even, odd = vectors[0::2], vectors[1::2]
    figures = [
        figure("check: real against real, AUC", (discriminator_auc(even, odd), None, len(texts)),
               "how well halves of the real messages are told apart, which should be about 0.5"),
        figure("check: real against real, classifiers",
               (classifier_divergence(texts[0::2], texts[1::2]) if half else None, None, half),
               "divergence of the classifiers between halves of the real messages: the floor"),
    ]  # fmt: skip
    simulated: list[str] = []
    try:
        for done, (card, one) in enumerate(real, 1):
            shown = examples_for(card.episodes, one.query, held_out)
            intent = intent_of(one.query)
            simulated.append(await simulate_item(bench.actor, card.statements, intent, shown))
            bench.progress("simulator", done, len(real))
    except ModelCannotError as error:
        return Findings(figures=tuple(figures), cannot=str(error))
    made, verdicts = await _realism(bench, real, simulated, vectors)
    return Findings(figures=(*figures, *made), verdicts=tuple(verdicts))


def _held_out(card: Card, count: int) -> list[Episode]:
    left = card.episodes[EXAMPLES:]
    step = max(1, len(left) // count)
    return list(left[::step][:count])


async def _realism(
    bench: LabBench,
    real: Sequence[tuple[Card, Episode]],
    simulated: Sequence[str],
    vectors: Floats,
) -> tuple[list[Figure], list[Verdict]]:
    made = bench.embedder.embed(simulated).astype(float)
    texts = [one.query.text for _, one in real]
    users: list[float | None] = []
    verdicts = []
    for (card, one), message in zip(real, simulated, strict=True):
        rival = bench.distractors(card)[0]
        votes = await bench.judges.owner(message, [card.text, rival.text])
        users.append(float(votes[0] > votes[1]) if sum(votes) else None)
        verdicts.append(
            Verdict(item=f"{card.user_id}, {one.query.task_name}", verdict="simulated",
                    score=users[-1], evidence=message[:300])
        )  # fmt: skip
    tasks = [one.query.task_name for _, one in real]
    centroids = {
        task: vectors[[i for i, t in enumerate(tasks) if t == task]].mean(axis=0)
        for task in sorted(set(tasks))
    }
    told = [max(centroids, key=lambda t: float(vector @ centroids[t])) for vector in made]
    intents: list[float | None] = [float(a == b) for a, b in zip(told, tasks, strict=True)]
    names = [card.user_id for card, _ in real]
    count, seed = len(simulated), bench.seed
    return [
        figure("discriminator AUC", (discriminator_auc(vectors, made), None, count),
               "how well simulated messages are told from real ones: 0.5 is not at all, and far "
               "from it on either side is no good sign"),
        figure("classifier divergence", (classifier_divergence(texts, simulated), None, count),
               "divergence of length, form and opening from the real messages, in bits",
               better="lower"),
        figure("who is recovered", mean_interval(users, names, seed=seed),
               "how often a judge tells which of two users was simulated", better="higher"),
        figure("intent is recovered", mean_interval(intents, names, seed=seed),
               "how often the nearest task is the one that was asked for", better="higher"),
        figure("distinct-2 of simulated messages", (distinct(simulated), None, count),
               f"diversity; the real messages have {distinct(texts):.2f}", better="higher"),
    ], verdicts  # fmt: skip


SIMULATOR = Experiment("simulator", "User simulator", measure, frozenset({"episodes"}))
