"""The terms of the objective that a model is asked for: who is heard in a text, what is made up.

Whoever is asked here must not be the judge that reports on the persona; the revision names it. An
answer that cannot be used leaves a term unknown, never 0.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

from persona_agent.errors import BudgetExceededError, ModelCallsBlockedError, ModelError
from persona_agent.llm.critic import VOTES, heard_loss, relations
from persona_agent.optimizer.config import OptimizerConfig
from persona_agent.persona.grounding import asserted
from persona_agent.persona.losses import KNOWN, Relations, invention_loss, listener_loss
from persona_agent.persona.rivals import ANYBODY, contradicted_twin, nearest
from persona_agent.prompts.lab import REPLY_LISTEN, Line
from persona_agent.protocols import Embedder, LanguageModel
from persona_agent.schema import Terms

HEARD = listener_loss([VOTES, 0, 0])
"""The loss of a text that every vote gives to its user: nothing can be heard better."""


_Kept = tuple[int, tuple[str, ...], str, str]
"""Which listener, for whom a text may be, what was asked, and what the user kept."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a critic beside what rules read.

    Attributes:
        embedder: tells which claim bears on a query.
        listener: whether somebody who knows the claims would hear for whom a text was written.
        invention: whether each assertion is known, in place of the rules.
    """

    embedder: Embedder
    listener: bool = False
    invention: bool = False
    _best: dict[_Kept, tuple[LanguageModel, float]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """The losses of what users kept, and who heard them: the same claims under other policies, and
    other texts beside what was kept, share them."""

    @classmethod
    def of(cls, config: OptimizerConfig, embedder: Embedder) -> Asked | None:
        """Return what the settings have the critic asked; None where that is nothing."""
        listener = config.listener_weight > 0
        if not listener and not config.ask_invention:
            return None
        return cls(embedder, listener=listener, invention=config.ask_invention)

    async def complete(
        self,
        terms: Terms,
        critic: LanguageModel,
        text: str,
        *,
        query: str,
        kept: str,
        claims: Sequence[str],
        earlier: Sequence[str] = (),
        known: Sequence[str] = (),
    ) -> Terms:
        """Return the terms with those that the critic was asked for.

        The arguments are those of :meth:`persona_agent.optimizer.objective.TermReader.read`.

        Raises:
            BudgetExceededError, ModelCallsBlockedError: nothing may be asked any more.
        """
        if not text.strip():
            return terms
        found: dict[str, float | None] = {}
        if self.listener:
            found["listener"] = await _known(self._heard(critic, text, query, kept, claims))
        if self.invention:
            binding = [*claims, *earlier]
            found["invention"] = await _known(_invented(critic, text, query, kept, binding, known))
        return terms.model_copy(update=found)

    async def _heard(
        self, listener: LanguageModel, text: str, query: str, kept: str, claims: Sequence[str]
    ) -> float | None:
        """Return by how much worse the user is heard than in what the user kept.

        The listener knows the user by the claims, beside the twin that contradicts the claim
        nearest to the query or to what was kept, and a user of whom nothing is known. Where no
        claim is near, a text tells them apart by chance: the term does not apply.
        """
        if not claims:
            return None
        if text.strip() == kept.strip():
            return 0.0
        about = [one for one in (query, kept) if one.strip()]
        vectors = await asyncio.to_thread(self.embedder.embed, [*claims, *about])
        closeness = vectors[: len(claims)] @ vectors[len(claims) :].T
        place = nearest(closeness.max(axis=1).tolist())
        if place is None:
            return None
        persons = (" ".join(claims), contradicted_twin(claims, place), ANYBODY)

        async def loss(written: str) -> float:
            before = [Line(speaker="user", text=query)]
            return await heard_loss(listener, written, persons, before=before, prompt=REPLY_LISTEN)

        known = (id(listener), persons, query, kept)
        if known not in self._best:
            self._best[known] = listener, await loss(kept) if kept.strip() else HEARD
        _, best = self._best[known]
        return min(1.0, max(0.0, await loss(text) - best))


async def _invented(
    critic: LanguageModel,
    text: str,
    query: str,
    kept: str,
    binding: Sequence[str],
    known: Sequence[str],
) -> float:
    """Return the share of what is asserted of the user that was made up; what was kept vouches."""
    own, said = asserted(kept), asserted(text)
    statements = [*binding, *known, query, *([kept] if kept.strip() else [])]
    before = [Line(speaker="user", text=query)]
    new = [one for one in said if one not in own]
    answers = [relations(critic, one, statements, before) for one in new]
    found: list[Relations] = [
        (verdicts[: len(binding)], verdicts[len(binding) :])
        for verdicts in await asyncio.gather(*answers)
    ]
    return invention_loss([*found, *[KNOWN] * (len(said) - len(new))])


async def _known(asked: Awaitable[float | None]) -> float | None:
    """Return what was answered, None where no usable answer came."""
    try:
        return await asked
    except (BudgetExceededError, ModelCallsBlockedError):
        raise
    except ModelError:
        return None
