"""What a critic is asked about replies: what they contradict, and whose they are heard to be.

For repairs of a chat turn, the consistency lab, and losses of an optimization alike. The critic
must not be a model that later reports on the result.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import NamedTuple

from persona_agent.persona.contradiction import RelationReader, Verdict
from persona_agent.persona.losses import listener_loss
from persona_agent.persona.own_words import occasion
from persona_agent.prompts.lab import (
    LISTEN,
    MOST_BEARING,
    OF_ASSISTANT,
    OF_USER,
    RELATE,
    REPLY_CHECK,
    CheckInputs,
    Line,
    ListenInputs,
    ListenOutput,
    RelateInputs,
)
from persona_agent.prompts.template import TypedPrompt
from persona_agent.protocols import LanguageModel

VOTES = 3

ListenPrompt = TypedPrompt[ListenInputs, ListenOutput]
"""Asks who of some persons said a line, or for whom of them a reply was written."""


async def relations(
    critic: LanguageModel | RelationReader,
    utterance: str,
    statements: Sequence[str],
    before: Sequence[Line] = (),
) -> list[Verdict]:
    """Return how an utterance relates to each statement about its speaker, in order.

    Raises:
        ModelError: the critic gave no usable answer.
    """
    if not statements:
        return []
    if isinstance(critic, RelationReader):
        read = await asyncio.to_thread(critic.relate, utterance, _said(statements))
        return [one.verdict for one in read]
    inputs = RelateInputs(
        utterance=utterance, statements=tuple(statements), conversation=tuple(before)
    )
    found = {one.statement: one for one in (await critic.ask(RELATE, inputs)).relations}
    return [found[number].relation for number in range(1, len(statements) + 1)]


class Conflict(NamedTuple):
    """A statement that a draft contradicts, the words that decide it, and whom it is about."""

    statement: str
    evidence: str = ""
    of_user: bool = True


class Checked(NamedTuple):
    """What a critic found in drafts of a reply.

    Attributes:
        conflicts: of each draft.
        bearing: places, from 0 and the weightiest first, of the statements about the user on which
            a good reply depends; None where the critic cannot tell.
    """

    conflicts: list[list[Conflict]]
    bearing: tuple[int, ...] | None


async def check_drafts(
    critic: LanguageModel | RelationReader,
    drafts: Sequence[str],
    *,
    message: str,
    request: str = "",
    of_user: Sequence[str] = (),
    of_assistant: Sequence[str] = (),
    bearing: bool = False,
) -> Checked:
    """Return what drafts of a reply contradict; one call for all, none where nothing is known.

    Args:
        critic: a model, or a reader of inference, which costs no call.
        drafts: of the reply to one message.
        message: of the user, in the user's own words.
        request: the message rewritten with what it leaves unsaid, where it was.
        of_user: what is known of the user.
        of_assistant: what the assistant said earlier.
        bearing: whether to ask a model too which statements about the user a good reply needs.

    Raises:
        ModelError: the critic gave no usable answer.
    """
    bare = [*of_user, *of_assistant]
    found: list[list[Conflict]] = [[] for _ in drafts]
    if not bare:
        return Checked(found, ())
    if isinstance(critic, RelationReader):
        for place, draft in enumerate(drafts):
            read = await asyncio.to_thread(critic.relate, draft, _said(bare))
            found[place] = [
                Conflict(bare[number], one.evidence, number < len(of_user))
                for number, one in enumerate(read)
                if one.verdict == "contradiction"
            ]
        return Checked(found, None)
    marked = [*(OF_USER + one for one in of_user), *map(_told, of_assistant)]
    inputs = CheckInputs(
        message=message,
        request=request,
        drafts=tuple(drafts),
        statements=tuple(marked),
        bearing=bearing,
    )
    answer = await critic.ask(REPLY_CHECK, inputs)
    for one in answer.contradictions:
        conflict = Conflict(bare[one.statement - 1], one.evidence, one.statement <= len(of_user))
        found[one.draft - 1].append(conflict)
    places = dict.fromkeys(number - 1 for number in answer.bearing if number <= len(of_user))
    return Checked(found, tuple(places)[:MOST_BEARING])


def _said(statements: Sequence[str]) -> list[str]:
    """Return what was said, for a reader that takes every word for a part of the statement."""
    return [occasion(one)[1] for one in statements]


def _told(statement: str) -> str:
    """Return a statement of the assistant as somebody else tells it, with what it replied to."""
    when, said = occasion(statement)
    return f"{OF_ASSISTANT[:-2]}, {when}, said: {said}" if when else OF_ASSISTANT + statement


async def listener_votes(
    listener: LanguageModel,
    utterance: str,
    persons: Sequence[str],
    *,
    before: Sequence[Line] = (),
    votes: int = VOTES,
    seed: str = "",
    prompt: ListenPrompt = LISTEN,
) -> list[int]:
    """Return how often each person is named; they are shuffled anew for every vote.

    A deterministic listener votes once. ``prompt`` is LISTEN (who said it?) or REPLY_LISTEN (for
    whom was it written?). A vote of 0, where the prompt allows it, is of a listener who cannot
    tell: it counts for nobody, so that all such votes leave everybody at chance. Raises ModelError.
    """
    order = random.Random(f"{seed}:{utterance}")

    async def vote(places: list[int]) -> int | None:
        inputs = ListenInputs(
            conversation=tuple(before),
            utterance=utterance,
            persons=tuple(persons[place] for place in places),
        )
        number = (await listener.ask(prompt, inputs)).speaker
        return places[number - 1] if number else None

    orders = [
        order.sample(range(len(persons)), len(persons))
        for _ in range(1 if listener.deterministic else votes)
    ]
    named = await asyncio.gather(*map(vote, orders))
    return [named.count(place) for place in range(len(persons))]


async def heard_loss(
    listener: LanguageModel,
    utterance: str,
    persons: Sequence[str],
    *,
    before: Sequence[Line] = (),
    votes: int = VOTES,
    prompt: ListenPrompt = LISTEN,
) -> float:
    """Return :func:`~persona_agent.persona.losses.listener_loss` of an utterance of ``persons[0]``.

    All votes are cast, whatever the listener: one whose answers are on record is deterministic,
    and still names persons by their order.

    Raises:
        ModelError: the listener gave no usable answer.
    """
    ballots = [
        listener_votes(
            listener, utterance, persons, before=before, votes=1, seed=str(vote), prompt=prompt
        )
        for vote in range(votes)
    ]
    counted = await asyncio.gather(*ballots)
    return listener_loss([sum(named) for named in zip(*counted, strict=True)])
