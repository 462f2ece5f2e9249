"""Choice among candidate replies: none that contradicts, and one that only this persona says.

Off by default: it costs a call of the critic for each candidate, and one more for each vote of an
imaginary listener.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_agent.persona.rerank import without_contradictions
from persona_agent.persona.rsa import listener_from_votes
from persona_agent.prompts.lab import LISTEN, RELATE, Line, ListenInputs, RelateInputs
from persona_agent.protocols import LanguageModel

LISTENER_VOTES = 3
LISTENER_STRENGTH = 2.0
CONTRADICTION_COST = 10.0
"""In units of the listener's log odds: a contradiction outweighs any distinctiveness."""


@dataclass(frozen=True)
class Rerank:
    """What candidates are weighed by.

    Attributes:
        critic: judges contradictions; not a model that later reports on the result.
        statements: what is true of the speaker: the claims and what it said of itself before.
        listener: a model and the descriptions of the speaker (first) and of distractors; None
            leaves the imaginary listener out.
    """

    critic: LanguageModel
    statements: tuple[str, ...]
    listener: tuple[LanguageModel, tuple[str, ...]] | None = None
    votes: int = LISTENER_VOTES
    strength: float = LISTENER_STRENGTH


async def choose_reply(
    candidates: Sequence[str],
    rerank: Rerank,
    *,
    before: Sequence[Line] = (),
    scores: Sequence[float] | None = None,
    seed: int = 0,
) -> str:
    """Return the best candidate; of equal ones the first.

    ``score = s + strength * log L0(speaker|u) - cost * contradicts``; candidates that were drawn
    from the speaker need no score ``s`` of their own (importance weights, see
    :func:`persona_agent.persona.rsa.importance_weights`).

    Raises:
        ModelError: the critic or the listener gave no usable answer.
    """
    if len(set(candidates)) == 1:
        return candidates[0]
    order = random.Random(seed)
    total = np.asarray(scores if scores is not None else [0.0] * len(candidates), dtype=float)
    against = np.zeros(len(candidates))
    for place, candidate in enumerate(candidates):
        against[place] = await contradicts(rerank.critic, candidate, rerank.statements, before)
        if rerank.listener is not None:
            heard = await heard_as(candidate, rerank, before, order)
            total[place] += rerank.strength * float(np.log(heard))
    if scores is not None:
        total = without_contradictions(total, against)
    else:
        total = total - CONTRADICTION_COST * against
    return candidates[int(total.argmax())]


async def contradicts(
    critic: LanguageModel, utterance: str, statements: Sequence[str], before: Sequence[Line] = ()
) -> float:
    """Return 1 where an utterance contradicts one of the statements about its speaker, else 0."""
    if not statements:
        return 0.0
    inputs = RelateInputs(
        utterance=utterance, statements=tuple(statements), conversation=tuple(before)
    )
    found = await critic.ask(RELATE, inputs)
    return float(any(one.relation == "contradiction" for one in found.relations))


async def heard_as(
    utterance: str, rerank: Rerank, before: Sequence[Line], order: random.Random
) -> float:
    """Return ``L0(speaker|u)`` from votes over the descriptions in shuffled order."""
    if rerank.listener is None:
        return 1.0
    model, persons = rerank.listener
    votes = [0] * len(persons)
    for _ in range(1 if model.deterministic else rerank.votes):
        places = order.sample(range(len(persons)), len(persons))
        inputs = ListenInputs(
            conversation=tuple(before),
            utterance=utterance,
            persons=tuple(persons[place] for place in places),
        )
        votes[places[(await model.ask(LISTEN, inputs)).speaker - 1]] += 1
    return float(listener_from_votes(votes)[0])
