"""The mediator: a request that can be read alone, for a message that rests on earlier ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from persona_agent.prompts import Case
from persona_agent.prompts.lab import MEDIATE, REFINE, Line, MediateInputs, RefineInputs
from persona_agent.protocols import LanguageModel
from persona_agent.schema import Episode, Query

SHORT = 8
"""Words up to which a message may leave out what it is about."""
HABIT_CASES = 30
"""Wishes that habits are learned from."""
HABIT_EPISODES = 300
"""The latest interactions among which these wishes are looked for."""

_REFERS = re.compile(
    r"\b(?:it|its|that|this|those|these|them|they|their|he|him|his|she|her|one|ones|"
    r"also|too|instead|else|another|other|same|again|both|either|neither|rather|former|latter|"
    r"what about|how about)\b|"
    r"(?:^|[.!?]\s+)(?:and|or|but|so|then|no|yes|rather|plus)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Mediated:
    """A request, empty where the message stands as it is, and what nobody said of it."""

    request: str = ""
    open: tuple[str, ...] = ()


def may_depend(message: str) -> bool:
    """Tell whether a message may rest on earlier ones: a short one, or one that refers back.

    Read by rule, for English; of other languages only the length is read. It would rather say yes
    once too often, which costs a call, than miss a reference.
    """
    return len(message.split()) <= SHORT or _REFERS.search(message) is not None


async def mediated(
    model: LanguageModel, conversation: Sequence[Line], habits: Sequence[str] = ()
) -> Mediated:
    """Return what the latest line of a conversation asks for, readable without the others.

    The user's lines have the speaker "user". A request equal to that line counts as unchanged.
    Raises ModelError.
    """
    inputs = MediateInputs(habits=tuple(habits), conversation=tuple(conversation))
    found = await model.ask(MEDIATE, inputs)
    request = found.request.strip()
    latest = conversation[-1].text if conversation else ""
    if not found.changed or _same(request, latest):
        return Mediated()
    return Mediated(request, found.open)


def _same(first: str, second: str) -> bool:
    return first.casefold().split() == second.casefold().split()


def wishes(episodes: Sequence[Episode]) -> list[Case]:
    """Return what the user wished for, and what it settled on; ``episodes`` are in time order.

    A thing that the user rates or puts under a label is no wish. Of a message in a chat that has no
    outcome, the next one of its thread tells what was left out.
    """
    found = []
    following: dict[str, str] = {}
    for one in reversed(episodes):
        thread = str(one.metadata.get("thread", ""))
        if is_wish(one.query):
            then = following.get(thread) if thread else None
            if one.outcome is not None:
                found.append(Case.of(one))
            elif then is not None:
                found.append(Case.of(one).model_copy(update={"outcome": f"then: {then}"}))
        if thread:
            following[thread] = one.query.text
    return found[::-1]


def is_wish(query: Query) -> bool:
    """Whether a user asked for something, in free text or with suggestions to choose from."""
    return not query.options or query.described


async def learn_habits(model: LanguageModel, episodes: Sequence[Episode]) -> list[str]:
    """Return how a user phrases and omits things, each habit shown by two wishes or more.

    The latest wishes are read, and nothing is asked where there are fewer than two. Raises
    ModelError.
    """
    records = tuple(wishes(episodes)[-HABIT_CASES:])
    if len(records) < 2:
        return []
    found = await model.ask(REFINE, RefineInputs(records=records))
    return [one.text for one in found.guidelines]
