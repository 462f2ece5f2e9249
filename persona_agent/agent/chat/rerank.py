"""Choice among candidate replies: none that contradicts, and one that only this persona says.

Nobody is asked about candidates that do not differ in substance, and of equal ones the earliest is
taken: it was drawn as the only one would have been.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from persona_agent.llm.critic import (
    VOTES,
    ListenPrompt,
    listener_votes,
    relations,
)
from persona_agent.persona.contradiction import RelationReader
from persona_agent.persona.rerank import without_contradictions
from persona_agent.persona.rsa import listener_from_votes
from persona_agent.prompts.lab import LISTEN, REPLY_LISTEN, Line
from persona_agent.protocols import LanguageModel

LISTENER_STRENGTH = 2.0
CONTRADICTION_COST = 10.0
"""In units of the listener's log odds: a contradiction outweighs any distinctiveness."""
ALIKE = 0.9
"""Share of common words (Jaccard index of the sets of words) from which replies say the same."""
_TELLING = frozenset({"not", "no", "never", "none", "neither", "nor", "nothing", "without"})
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Listener:
    """An imaginary listener: a model, the persona (first) among others, and how it is asked."""

    model: LanguageModel
    persons: tuple[str, ...]
    votes: int = VOTES
    strength: float = LISTENER_STRENGTH
    prompt: ListenPrompt = LISTEN


@dataclass(frozen=True)
class Rerank:
    """What the lines of a speaker are weighed by.

    Attributes:
        critic: judges contradictions; not a model that later reports on the result.
        statements: what is true of the speaker: the claims and what it said of itself before.
        listener: None leaves the imaginary listener out.
    """

    critic: LanguageModel | RelationReader
    statements: tuple[str, ...]
    listener: Listener | None = None


async def choose_reply(
    candidates: Sequence[str],
    rerank: Rerank,
    *,
    before: Sequence[Line] = (),
    scores: Sequence[float] | None = None,
    seed: int = 0,
) -> str:
    """Return the best of what a speaker could say next; of equal ones the first.

    Raises:
        ModelError: the critic or the listener gave no usable answer.
    """
    if len(set(candidates)) == 1 or (scores is None and not differ(candidates)):
        return candidates[0]
    asked = [relations(rerank.critic, one, rerank.statements, before) for one in candidates]
    against = [found.count("contradiction") for found in await asyncio.gather(*asked)]
    heard = await heard_as(candidates, rerank.listener, before, seed)
    return candidates[best(against, heard, rerank.listener, scores=scores)]


def differ(drafts: Sequence[str]) -> bool:
    """Tell whether any two drafts differ in substance: in more than a tenth of their words.

    Layout, case and order do not count. A negation or a number that only one of them has makes a
    difference however long they are.
    """
    return any(_differ(_words(one), _words(other)) for one, other in combinations(drafts, 2))


def _words(text: str) -> frozenset[str]:
    plain = text.casefold().replace("\u2019", "'")
    return frozenset(_WORD.findall(re.sub(r"n't\b", " not", plain))) or frozenset({text.strip()})


def _differ(first: frozenset[str], second: frozenset[str]) -> bool:
    apart = first ^ second
    if any(word in _TELLING or word.isdigit() for word in apart):
        return True
    return len(first & second) / len(first | second) < ALIKE


def best(
    against: Sequence[int],
    heard: Sequence[float],
    listener: Listener | None,
    *,
    scores: Sequence[float] | None = None,
) -> int:
    """Return the place of the best candidate, of equal ones the first.

    ``score = s + strength * log L0(speaker|u) - cost * contradicts``; candidates that were drawn
    from the speaker need no score ``s`` of their own: they are samples of it already, so that of
    ``S0 * L0^strength`` only the listener remains as their weight.
    """
    wrong = np.asarray([float(count > 0) for count in against])
    total = np.zeros(len(wrong)) if scores is None else np.asarray(scores, dtype=float)
    if listener is not None and len(heard):
        total = total + listener.strength * np.log(np.asarray(heard))
    if scores is None:
        return int((total - CONTRADICTION_COST * wrong).argmax())
    return int(without_contradictions(total, wrong).argmax())


async def heard_as(
    candidates: Sequence[str], listener: Listener | None, before: Sequence[Line], seed: int = 0
) -> list[float]:
    """Return ``L0(speaker|u)`` of each candidate, nothing without a listener. Raises ModelError."""
    if listener is None:
        return []
    asked = [
        listener_votes(
            listener.model,
            candidate,
            listener.persons,
            before=before,
            votes=listener.votes,
            seed=str(seed),
            prompt=listener.prompt,
        )
        for candidate in candidates
    ]
    return [float(listener_from_votes(votes)[0]) for votes in await asyncio.gather(*asked)]


def reply_listener(model: LanguageModel, persons: Sequence[str], votes: int) -> Listener:
    """Return the listener that tells for whom an assistant's reply was written."""
    return Listener(model, tuple(persons), votes=votes, prompt=REPLY_LISTEN)
