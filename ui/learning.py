"""An optimization under way, as data: what the search told so far, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from persona_agent.agent import PersonaAgent
from persona_agent.optimizer.gradient import Critique
from persona_agent.optimizer.watch import (
    Critiqued,
    Drafted,
    Event,
    Proposed,
    Simulated,
    watched,
)
from persona_agent.schema import Edit, Episode, GateResult, Noise, Revision, Usage
from persona_agent.ui.job import Job

KEPT = 2_000
PURPOSES = ("distil", "optimize")
E = TypeVar("E")


@dataclass
class Learning:
    """What is seen of one optimization. It is filled by the search while pages read it.

    ``before`` is what earlier ones had cost.
    """

    user: str
    before: Usage
    known: int = 0
    events: list[Event] = field(default_factory=list)

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind so far, in order."""
        return [event for event in tuple(self.events) if isinstance(event, kind)]

    @property
    def gates(self) -> list[GateResult]:
        """Every comparison so far."""
        return self.of(GateResult)

    @property
    def noise(self) -> Noise | None:
        """What scores vary by, once it was measured; None where runs are alike."""
        return next(iter(self.of(Noise)), None)

    @property
    def proposed(self) -> list[Edit]:
        """Every edit that was proposed, those without support among them."""
        return [edit for event in self.of(Proposed) for edit in (*event.edits, *event.unsupported)]

    @property
    def critiques(self) -> list[Critique]:
        """What was found wrong, latest first."""
        found = [one for event in self.of(Critiqued) for one in event.critiques]
        return found[::-1]

    @property
    def phase(self) -> str:
        """What goes on now, in words."""
        events = tuple(self.events)
        if not events:
            return "Distilling facts, drafting a persona"
        last = events[-1]
        if isinstance(last, Drafted | Noise):
            return "Simulating past interactions"
        if isinstance(last, Simulated):
            return "Trying what to show" if last.what == "replay" else "Critiquing wrong answers"
        if isinstance(last, Critiqued):
            return "Proposing edits"
        return "Testing what was proposed"


async def learn(
    agent: PersonaAgent, learning: Learning, job: Job[Revision], first: Sequence[Episode] = ()
) -> Revision:
    """Optimize, with everything that the search tells kept in ``learning``.

    Args:
        agent: whose memory and model.
        learning: is filled.
        job: told what goes on.
        first: interactions to record before.

    Raises:
        PersonaAgentError: as :meth:`PersonaAgent.optimize` and ``record_episodes``.
    """

    def see(event: Event) -> None:
        if len(learning.events) < KEPT:
            learning.events.append(event)
        job.note = learning.phase

    if first:
        job.note = "Reading the interactions; the first time, the embedder is loaded"
        await agent.record_episodes(first)
    known = [one for one in await agent.episodes(learning.user) if one.outcome is not None]
    learning.known = len(known)
    job.note = learning.phase
    with watched(see):
        return await agent.optimize(learning.user)


def spent(agent: PersonaAgent, user: str) -> Usage:
    """Return what all optimizations of a user have cost in this process."""
    return sum((agent.model.usage(user_id=user, purpose=purpose) for purpose in PURPOSES), Usage())


def cost(agent: PersonaAgent, learning: Learning) -> Usage:
    """Return what this one has cost so far."""
    now, before = spent(agent, learning.user), learning.before
    return Usage(
        calls=max(0, now.calls - before.calls),
        prompt_tokens=max(0, now.prompt_tokens - before.prompt_tokens),
        completion_tokens=max(0, now.completion_tokens - before.completion_tokens),
        cost_usd=max(0.0, now.cost_usd - before.cost_usd),
    )
