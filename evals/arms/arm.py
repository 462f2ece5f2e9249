"""What arms share: the bench that they stand on, and how a persona answers on it.

An arm is fitted to one user (which may cost calls) and then answers that user's queries. Arms that
ask the model differ only in the context that they show it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from persona_agent.agent import Answer, ContextBuilder, Simulator, answer
from persona_agent.evals.data.eval_data import EvalDataset, EvalQuery, EvalUser
from persona_agent.optimizer import Evaluate, OptimizerConfig
from persona_agent.optimizer.asking import Asked
from persona_agent.protocols import Embedder, EpisodeStore, LanguageModel
from persona_agent.schema import Episode, Persona, Trial

Answerer = Callable[[EvalQuery], Awaitable[Answer]]
"""Answers a query of the fitted user with the full text of one option. Raises ModelError."""

View = Callable[[Persona], Persona]
"""What of a persona is shown at all, in simulation and when it is served alike."""


def whole(persona: Persona) -> Persona:
    """Show a persona as it is."""
    return persona


@dataclass(frozen=True)
class PaperConfig:
    """The paper's alignment: interactions in a batch (n), and how often they are gone through (E).

    The defaults are the paper's (PersonaAgent, arXiv 2506.06254).
    """

    batch: int = 3
    iterations: int = 1


@dataclass(frozen=True)
class Bench:
    """What all arms share. ``episodes`` holds the histories of all users."""

    dataset: EvalDataset
    model: LanguageModel
    embedder: Embedder
    episodes: EpisodeStore
    config: OptimizerConfig
    persona_tokens: int
    paper: PaperConfig = field(default_factory=PaperConfig)
    view: View = whole
    heeds_change: bool = True
    """Whether a change of the user's preferences is looked for."""

    @property
    def contexts(self) -> ContextBuilder:
        """Builds contexts from the shared memory."""
        return ContextBuilder(self.episodes, self.embedder, persona_tokens=self.persona_tokens)

    @property
    def simulate(self) -> Evaluate:
        """Simulates past episodes with the shared memory, through this bench's view."""
        inner = Simulator(
            self.episodes,
            self.embedder,
            persona_tokens=self.persona_tokens,
            reasons=self.config.reason_weight > 0,
            asked=Asked.of(self.config, self.embedder),
        )

        async def run(
            persona: Persona, episodes: Sequence[Episode], model: LanguageModel
        ) -> list[Trial]:
            return await inner(self.view(persona), episodes, model)

        return run

    async def reply(self, persona: Persona, query: EvalQuery, extra_text: str = "") -> Answer:
        """Let the model answer a query with a persona; ``extra_text`` is shown with it."""
        context = await asyncio.to_thread(
            self.contexts.build, self.view(persona), query.query, before=query.at
        )
        if extra_text:
            text = "\n\n".join(part for part in (extra_text, context.persona_text) if part)
            context = context.model_copy(update={"persona_text": text})
        return await answer(self.model, query.query, context)


Arm = Callable[[Bench, EvalUser], Awaitable[Answerer]]
"""Fits an arm to a user."""


def persona_answerer(bench: Bench, persona: Persona, extra_text: str = "") -> Answerer:
    """Return the answerer of a persona; ``extra_text`` is shown with it."""

    async def reply(query: EvalQuery) -> Answer:
        return await bench.reply(persona, query, extra_text)

    return reply


def with_persona(make: Callable[[Bench, EvalUser], Awaitable[Persona]]) -> Arm:
    """Return the arm that answers with the persona that ``make`` returns."""

    async def fit(bench: Bench, user: EvalUser) -> Answerer:
        return persona_answerer(bench, await make(bench, user))

    return fit


def known_at_first(user: EvalUser) -> tuple[Episode, ...]:
    """Return the history before the user's first query: all that an arm may be fitted on."""
    moments = [query.at for query in user.queries if query.at is not None]
    return user.history_before(min(moments)) if moments else user.history
