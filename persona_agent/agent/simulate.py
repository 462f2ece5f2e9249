"""Simulation: answer past episodes as if their outcomes were not known yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from persona_agent.agent.answer import answer
from persona_agent.agent.context import Context, ContextBuilder
from persona_agent.errors import BudgetExceededError, ModelCallsBlockedError, ModelError
from persona_agent.optimizer.loss import episode_loss
from persona_agent.protocols import Embedder, EpisodeStore, LanguageModel
from persona_agent.schema import Episode, Persona, Trial


class Simulator:
    """The ``evaluate`` of the optimizer: a persona and episodes in, one trial an episode out.

    For each episode the memory holds only what is strictly before it. Calls run concurrently;
    the model's own limit bounds them. An answer that fails becomes an unscored trial with the
    error in it; a spent budget or the kill switch ends the whole evaluation.

    It reads the memory once: make one for each optimization.
    """

    def __init__(
        self,
        episodes: EpisodeStore,
        embedder: Embedder,
        *,
        persona_tokens: int = 600,
    ) -> None:
        self._episodes = episodes
        self._embedder = embedder
        self._contexts = ContextBuilder(
            episodes, embedder, persona_tokens=persona_tokens, snapshot=True
        )

    async def __call__(
        self, persona: Persona, episodes: Sequence[Episode], model: LanguageModel
    ) -> list[Trial]:
        """Simulate every episode with this persona; trials come in the order of the episodes."""
        if not episodes:
            return []
        contexts = await asyncio.to_thread(self._build, persona, episodes)
        trials = [
            self._trial(episode, context, model)
            for episode, context in zip(episodes, contexts, strict=True)
        ]
        return list(await asyncio.gather(*trials))

    def _build(self, persona: Persona, episodes: Sequence[Episode]) -> list[Context]:
        vectors = self._episodes.vectors(persona.user_id, [episode.id for episode in episodes])
        return [
            self._contexts.build(persona, episode.query, before=episode.at, vector=vector)
            for episode, vector in zip(episodes, vectors, strict=True)
        ]

    async def _trial(self, episode: Episode, context: Context, model: LanguageModel) -> Trial:
        try:
            given = await answer(model, episode.query, context)
        except (BudgetExceededError, ModelCallsBlockedError):
            raise
        except ModelError as error:
            return Trial(episode_id=episode.id, answer=None, loss=1.0, error=str(error))
        if episode.query.kind == "text":  # compared by embedding, which may take a while
            loss = await asyncio.to_thread(episode_loss, episode, given.text, self._embedder)
        else:
            loss = episode_loss(episode, given.text, self._embedder)
        # A rating can be nearly right, which a stated confidence in one grade does not tell.
        confidence = None if episode.query.kind == "rating" else given.confidence
        return Trial(episode_id=episode.id, answer=given.text, loss=loss, confidence=confidence)
