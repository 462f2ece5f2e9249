"""What of the repairs a chat turn has: which are on, who judges in them, and how they are asked.

A repair that fails costs the turn its improvement, never its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from persona_agent.agent.mediate import Mediated, learn_habits, mediated
from persona_agent.agent.rerank import Listener, Weighed, reply_listener, weigh_replies
from persona_agent.errors import ModelCannotError
from persona_agent.memory.nli import CrossEncoderReader
from persona_agent.persona.contradiction import RelationReader
from persona_agent.persona.own_words import spoken
from persona_agent.persona.rivals import ANYBODY, contradicted_twin, nearest
from persona_agent.prompts.lab import Line
from persona_agent.prompts.typed import shorten
from persona_agent.protocols import Embedder, LanguageModel
from persona_agent.schema import Episode, Persona, Section
from persona_agent.settings import Settings

MOST_CLAIMS = 20
EARLIER_REPLIES = 10
LONGEST_REPLY = 400
HABIT_CASES = 30
EARLIER_LINES = 4
"""Lines before the message that the listener sees: two exchanges."""

Said = dict[str, str]


@dataclass(frozen=True)
class Repairs:
    """The repairs of a chat. With the defaults only commitments are kept, which costs no call.

    Attributes:
        critic: the model that weighs candidates, listens and rewrites requests.
        embedder: tells which claim a message bears on; the listener needs it.
        reader: finds contradictions in the critic's place, without a call.
        candidates: how many replies are drawn.
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

    async def weigh(
        self,
        drafts: Sequence[str],
        *,
        message: str,
        meaning: npt.NDArray[np.float32],
        persona: Persona,
        history: Sequence[Said],
        kept: Sequence[str],
        request: str = "",
    ) -> Weighed:
        """Weigh drafts by the persona's claims and the agent's earlier words. Raises ModelError.

        ``request`` is what was answered in place of the message, if anything; ``meaning`` the
        embedding of what was answered.
        """
        claims = [claim.statement for claim in persona.claims][:MOST_CLAIMS]
        return await weigh_replies(
            drafts,
            critic=self.reader or self.critic,
            message=message,
            request=request,
            before=_lines(history[-EARLIER_LINES:]),
            of_user=claims,
            of_assistant=own_statements(history, kept),
            listener=await self._listener(claims, meaning),
        )

    async def _listener(
        self, claims: Sequence[str], meaning: npt.NDArray[np.float32]
    ) -> Listener | None:
        """Return who hears for whom a reply was written; None where no claim bears on it.

        Without such a claim a reply tells the persons apart by chance, and votes are noise.
        """
        if not self.listener_votes or not claims or self.embedder is None:
            return None
        vectors = await asyncio.to_thread(self.embedder.embed, list(claims))
        place = nearest((vectors @ meaning).tolist())
        if place is None:
            return None
        persons = (" ".join(claims), contradicted_twin(claims, place), ANYBODY)
        return reply_listener(self.critic, persons, self.listener_votes)

    async def request(
        self, message: str, history: Sequence[Said], habits: Sequence[str]
    ) -> Mediated:
        """Return what a thread and its latest message ask for. Raises ModelError."""
        earlier = _lines(history)
        return await mediated(self.critic, [*earlier, Line(speaker="user", text=message)], habits)

    async def habits(self, persona: Persona, episodes: Sequence[Episode]) -> tuple[str, ...]:
        """Return how a user phrases and omits things; one call where two cases or more are known.

        A model that cannot tell leaves the claims about style. Raises ModelError.
        """
        style = [one.statement for one in persona.claims if one.section is Section.STYLE]
        if len(episodes) < 2:
            return tuple(style)
        try:
            learned = await learn_habits(self.critic, episodes[-HABIT_CASES:])
        except ModelCannotError:
            learned = []
        return tuple(dict.fromkeys([*style, *learned]))


def _lines(history: Sequence[Said]) -> list[Line]:
    return [Line(speaker=one["role"], text=one["content"]) for one in history]


def own_statements(history: Sequence[Said], kept: Sequence[str]) -> list[str]:
    """Return what the agent said before: its latest replies, and what it keeps of older ones."""
    replies = [one["content"] for one in history if one["role"] == "assistant"]
    latest = [shorten(one, LONGEST_REPLY) for one in replies[-EARLIER_REPLIES:]]
    older = [one for one in kept if not any(spoken(one) in reply for reply in latest)]
    return [*older, *latest]
