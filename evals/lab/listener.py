"""The imaginary listener as a judge: can it be heard whose reply it is, and beside whom?"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from persona_agent.evals.lab.bench import Card, Experiment, LabBench
from persona_agent.evals.lab.intervals import mean_interval, paired_interval
from persona_agent.evals.lab.judges import invalid
from persona_agent.evals.lab.people import SMALL_TALK
from persona_agent.evals.lab.results import Figure, Findings, Verdict, figure
from persona_agent.evals.lab.speakers import (
    PlainSpeaker,
    RepairedSpeaker,
    Speaker,
    as_shown,
    converse,
)
from persona_agent.persona.contradiction import ContradictionReader
from persona_agent.persona.rivals import ASSISTANT, contradicted_twin
from persona_agent.persona.rsa import listener_from_votes, uniform_prior, updated_prior
from persona_agent.protocols import Embedder

LEAK = 0.1
"""What a listener forgets of whom it takes the speaker for, from one reply to the next."""


def hardest(card: Card, others: Sequence[Card], embedder: Embedder) -> Card:
    """Return the nearest other persona that contradicts this one somewhere; else the nearest."""
    vectors = embedder.embed([card.text, *(other.text for other in others)])
    order: list[int] = np.argsort(-(vectors[1:] @ vectors[0]), kind="stable").tolist()
    nearest = [others[place] for place in order]
    reader = ContradictionReader(embedder)
    for other in nearest:
        for statement in other.statements:
            found = reader.relate(statement, card.statements)
            if any(one.verdict == "contradiction" for one in found):
                return other
    return nearest[0]


def rivals(bench: LabBench, card: Card) -> dict[str, str]:
    """Return a distractor of each kind: the random one is another than the hard one, if it can."""
    order = random.Random(f"{bench.seed}:{card.user_id}")
    others = bench.distractors(card)
    hard = hardest(card, others, bench.embedder)
    return {
        "random": order.choice([one for one in others if one.text != hard.text] or others).text,
        "hard": hard.text,
        "twin": contradicted_twin(card.statements, order.randrange(len(card.statements))),
        "assistant": ASSISTANT,
    }


async def hear(
    bench: LabBench, card: Card, speaker: Speaker
) -> tuple[dict[str, list[float | None]], list[Verdict]]:
    """Return ``L0`` of the persona for each of its replies, by kind of distractor."""
    lines = await converse(speaker, card.statements, SMALL_TALK[: bench.items])
    heard: dict[str, list[float | None]] = {}
    verdicts = []
    for kind, rival in rivals(bench, card).items():
        heard[kind] = []
        for place in range(1, len(lines), 2):
            reply = lines[place].text
            if invalid(reply):
                heard[kind].append(None)
                continue
            before = as_shown(lines[:place], "overheard")
            votes = await bench.judges.listen(reply, [card.text, rival], before)
            known = sum(votes) > 0
            heard[kind].append(float(listener_from_votes(votes)[0]) if known else None)
            verdicts.append(
                Verdict(
                    item=f"{card.user_id}, {kind}: {reply[:100]}",
                    verdict=("" if not known else "heard" if votes[0] > votes[1] else "mistaken"),
                    score=heard[kind][-1],
                )
            )
    return heard, verdicts


def sustained(heard: Sequence[float | None]) -> float | None:
    """Return the belief in the speaker after replies that were heard as theirs by ``L0`` each.

    A listener who was sure before leaks a little towards not knowing, so that later replies count
    as well. None where no reply could be judged.
    """
    known = [value for value in heard if value is not None]
    belief = uniform_prior(2)
    for value in known:
        said = np.log([[value], [1 - value]])
        belief = updated_prior(said, belief, 0, beta=1.0, leak=LEAK)
    return float(np.exp(belief[0])) if known else None


async def measure(bench: LabBench) -> Findings:
    """Listener accuracy and loss of plain replies by distractor, and what re-ranking changes."""
    sampled = not bench.actor.deterministic
    plain: dict[str, list[float | None]] = {}
    chosen: dict[str, list[float | None]] = {}
    names: dict[str, list[str]] = {}
    beliefs: dict[str, list[float | None]] = {}
    verdicts: list[Verdict] = []
    for done, card in enumerate(bench.cards, 1):
        heard, found = await hear(bench, card, PlainSpeaker(bench.actor))
        verdicts += found
        for kind, values in heard.items():
            plain.setdefault(kind, []).extend(values)
            beliefs.setdefault(kind, []).append(sustained(values))
            names.setdefault(kind, []).extend([card.user_id] * len(values))
        if sampled:
            against = tuple(dict.fromkeys(rivals(bench, card).values()))
            votes = bench.judges.votes
            speaker = RepairedSpeaker(bench.actor, bench.critic, against, votes=votes)
            for kind, values in (await hear(bench, card, speaker))[0].items():
                chosen.setdefault(kind, []).extend(values)
        bench.progress("listener", done, len(bench.cards))
    figures: list[Figure] = []
    for kind, values in plain.items():
        figures.append(_accuracy(kind, values, names[kind], bench.seed))
        if sampled:
            change = paired_interval(chosen[kind], values, names[kind], seed=bench.seed)
            meaning = f"what re-ranking by the listener changes in L0 beside {kind}"
            figures.append(figure(f"re-ranking, {kind}", change, meaning, better="higher"))
    users = [card.user_id for card in bench.cards]
    figures += [_belief(kind, values, users, bench.seed) for kind, values in beliefs.items()]
    every = [value for values in plain.values() for value in values]
    figures.append(_loss(every, [name for kind in plain for name in names[kind]], bench.seed))
    notes = ["Chance is 0.50: one rival at a time."]
    if not sampled:
        notes.append("Re-ranking is not measured: this model draws one candidate only.")
    if not bench.independent:
        notes.append("The listener that judges is the model that speaks.")
    return Findings(figures=tuple(figures), verdicts=tuple(verdicts), notes=tuple(notes))


def _accuracy(
    kind: str, values: Sequence[float | None], clusters: Sequence[str], seed: int
) -> Figure:
    hits = [None if value is None else float(value > 0.5) for value in values]
    beside = {
        "random": "another persona",
        "hard": "the nearest persona with a contradicting fact",
        "twin": "the same persona with one fact turned round",
        "assistant": "an assistant without a persona",
    }[kind]
    return figure(
        f"listener accuracy, {kind}",
        mean_interval(hits, clusters, seed=seed),
        f"how often a listener hears whose reply it is, beside {beside}",
        better="higher",
        asked=len(values),
    )


def _belief(kind: str, values: Sequence[float | None], users: Sequence[str], seed: int) -> Figure:
    return figure(
        f"belief after the talk, {kind}",
        mean_interval(values, users, seed=seed),
        "how sure a listener is of the persona who carries its belief from reply to reply, and "
        f"loses {LEAK:.0%} of it each time; 0.5 is not at all",
        better="higher",
    )


def _loss(values: Sequence[float | None], clusters: Sequence[str], seed: int) -> Figure:
    losses = [None if value is None else -float(np.log(value)) for value in values]
    return figure(
        "listener loss",
        mean_interval(losses, clusters, seed=seed),
        "mean -log L0 of the persona over all distractors, as an optimizer would use it; 0.69 is "
        "a listener who cannot tell",
        better="lower",
    )


LISTENER = Experiment("listener", "Imaginary listener", measure)
