"""What of the repairs a chat turn has: which are on, who judges in them, and how they are asked.

A repair that fails costs the turn its improvement, never its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from persona_agent.agent.chat.mediate import Mediated, learn_habits, mediated
from persona_agent.agent.chat.rerank import Listener, reply_listener
from persona_agent.errors import ModelCannotError
from persona_agent.llm.critic import Checked, check_drafts
from persona_agent.memory.nli import CrossEncoderReader
from persona_agent.persona.contradiction import RelationReader
from persona_agent.persona.own_words import stated
from persona_agent.persona.rivals import ANYBODY, contradicted_twin, nearest
from persona_agent.prompts.lab import Line
from persona_agent.protocols import Embedder, LanguageModel
from persona_agent.schema import Episode, Persona, Section
from persona_agent.settings import Settings

MOST_CLAIMS = 20
EARLIER_REPLIES = 10
MOST_STATEMENTS = 30
EARLIER_LINES = 4
"""Lines before the message that the listener sees: two exchanges."""

Said = dict[str, str]


@dataclass(frozen=True)
class Grounds:
    """What an answer is checked by.

    Attributes:
        message: the user's latest, in the user's own words.
        request: what was answered in its place, if anything.
        before: the lines before the message that the listener sees.
        of_user: the claims about the user.
        of_assistant: what the agent stated in the thread, of itself or as a fact.
    """

    message: str
    request: str = ""
    before: tuple[Line, ...] = ()
    of_user: tuple[str, ...] = ()
    of_assistant: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        message: str,
        request: str,
        persona: Persona,
        history: Sequence[Said],
        kept: Sequence[str],
    ) -> Grounds:
        """Return them for a message in a thread; ``kept`` is what the agent said of itself."""
        return cls(
            message=message,
            request=request,
            before=tuple(_lines(history[-EARLIER_LINES:])),
            of_user=tuple(claim.statement for claim in persona.claims[:MOST_CLAIMS]),
            of_assistant=tuple(own_statements(history, kept)),
        )


@dataclass(frozen=True)
class Repairs:
    """The repairs of a chat. With the defaults only commitments are kept, which costs no call.

    Attributes:
        critic: the model that checks drafts, listens and rewrites requests.
        embedder: tells which claim bears on a message where the critic is an inference model.
        reader: finds contradictions in the critic's place, without a call.
        candidates: how many drafts of an answer there may be; 1 leaves the first unchecked.
        listener_votes: of the imaginary listener on each candidate; 0 leaves it out.
        mediator: whether wishes spread over a thread are rewritten into one request.
        commitment: whether the agent's words about itself are kept.
    """

    critic: LanguageModel
    embedder: Embedder | None = None
    reader: RelationReader | None = None
    candidates: int = 1
    listener_votes: int = 0
    mediator: bool = False
    commitment: bool = True

    @classmethod
    def of(cls, settings: Settings, critic: LanguageModel, embedder: Embedder) -> Repairs:
        """Return the repairs that the settings switch on; nothing heavy is loaded yet."""
        return cls(
            critic=critic,
            embedder=embedder,
            reader=CrossEncoderReader(settings.nli) if settings.nli else None,
            candidates=settings.candidates,
            listener_votes=settings.listener_votes,
            mediator=settings.mediator,
            commitment=settings.commitment,
        )

    async def check(
        self, drafts: Sequence[str], grounds: Grounds, *, again: bool = False
    ) -> Checked:
        """Return what drafts contradict, and which claims bear on the reply. Raises ModelError.

        Which claims do is asked for a listener only, and not ``again`` for the same message.
        """
        return await check_drafts(
            self.reader or self.critic,
            drafts,
            message=grounds.message,
            request=grounds.request,
            of_user=grounds.of_user,
            of_assistant=grounds.of_assistant,
            bearing=bool(self.listener_votes) and not again,
        )

    async def listener(
        self, bearing: Sequence[int] | None, draft: str, grounds: Grounds
    ) -> Listener | None:
        """Return who hears for whom a reply was written; None where no claim bears on it.

        Without such a claim a reply tells the persons apart by chance, and votes are noise. Where
        the critic cannot tell which claims bear on it (None), the embedder does.
        """
        claims = grounds.of_user
        if not self.listener_votes or not claims:
            return None
        place = (
            await self._nearest(draft, grounds) if bearing is None else next(iter(bearing), None)
        )
        if place is None:
            return None
        persons = (" ".join(claims), contradicted_twin(claims, place), ANYBODY)
        return reply_listener(self.critic, persons, self.listener_votes)

    async def _nearest(self, draft: str, grounds: Grounds) -> int | None:
        """Return the place of the claim nearest to the message or the draft, if one is near."""
        if self.embedder is None:
            return None
        texts = [grounds.request or grounds.message, draft, *grounds.of_user]
        vectors = await asyncio.to_thread(self.embedder.embed, texts)
        return nearest((vectors[2:] @ vectors[:2].T).max(axis=1).tolist())

    async def request(
        self, message: str, history: Sequence[Said], habits: Sequence[str]
    ) -> Mediated:
        """Return what a thread and its latest message ask for. Raises ModelError."""
        earlier = _lines(history)
        return await mediated(self.critic, [*earlier, Line(speaker="user", text=message)], habits)

    async def habits(self, persona: Persona, episodes: Sequence[Episode]) -> tuple[str, ...]:
        """Return how a user phrases and omits things; one call where two wishes or more are known.

        A model that cannot tell leaves the claims about style. Raises ModelError.
        """
        style = [one.statement for one in persona.claims if one.section is Section.STYLE]
        try:
            learned = await learn_habits(self.critic, episodes)
        except ModelCannotError:
            learned = []
        return tuple(dict.fromkeys([*style, *learned]))


def _lines(history: Sequence[Said]) -> list[Line]:
    return [Line(speaker=one["role"], text=one["content"]) for one in history]


def own_statements(history: Sequence[Said], kept: Sequence[str]) -> list[str]:
    """Return what the agent keeps of its words, and what its latest replies state.

    Whole replies are mostly advice, plans and drafts, which nothing can contradict.
    """
    pairs = [
        (asked["content"], said["content"])
        for asked, said in pairwise(history)
        if (asked["role"], said["role"]) == ("user", "assistant")
    ]
    latest = [one for pair in pairs[-EARLIER_REPLIES:] for one in stated(*pair)]
    return list(dict.fromkeys([*kept, *latest]))[-MOST_STATEMENTS:]
