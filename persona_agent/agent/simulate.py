"""Simulation: answer past episodes as if their outcomes were not known yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from persona_agent.agent.answer import Answer, answer
from persona_agent.agent.context import Context, ContextBuilder
from persona_agent.errors import BudgetExceededError, ModelCallsBlockedError, ModelError
from persona_agent.optimizer.loss import episode_loss
from persona_agent.optimizer.objective import TermReader
from persona_agent.protocols import Embedder, EpisodeStore, LanguageModel
from persona_agent.schema import ContextPolicy, Episode, Persona, Terms, Trial

EARLIER = 3
"""Earlier answers of the agent to similar questions that a text must not contradict."""


class Simulator:
    """The ``evaluate`` of the optimizer: a persona and episodes in, one trial an episode out.

    For each episode the memory holds only what is strictly before it. Calls run concurrently;
    the model's own limit bounds them. An answer that fails becomes an unscored trial with the
    error in it; a spent budget or the kill switch ends the whole evaluation.

    It reads the memory once: make one for each optimization. With ``reasons`` the terms of the
    objective are read from the reasons of choices and ratings as well, which takes longer.
    """

    def __init__(
        self,
        episodes: EpisodeStore,
        embedder: Embedder,
        *,
        persona_tokens: int = 600,
        reasons: bool = False,
    ) -> None:
        self._episodes = episodes
        self._embedder = embedder
        self._reasons = reasons
        self._terms = TermReader(embedder)
        self._said: dict[str, tuple[str, ...]] = {}
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
            self._trial(persona, episode, context, model)
            for episode, context in zip(episodes, contexts, strict=True)
        ]
        return list(await asyncio.gather(*trials))

    def _build(self, persona: Persona, episodes: Sequence[Episode]) -> list[Context]:
        vectors = self._episodes.vectors(persona.user_id, [episode.id for episode in episodes])
        return [
            self._contexts.build(persona, episode.query, before=episode.at, vector=vector)
            for episode, vector in zip(episodes, vectors, strict=True)
        ]

    async def _trial(
        self, persona: Persona, episode: Episode, context: Context, model: LanguageModel
    ) -> Trial:
        try:
            given = await answer(model, episode.query, context)
        except (BudgetExceededError, ModelCallsBlockedError):
            raise
        except ModelError as error:
            return Trial(episode_id=episode.id, answer=None, loss=1.0, error=str(error))
        # A rating can be nearly right, which a stated confidence in one grade does not tell.
        confidence = None if episode.query.kind == "rating" else given.confidence
        free = episode.query.kind == "text"
        if free or self._reasons:  # read by embedding, which may take a while
            loss, terms = await asyncio.to_thread(self._read, persona, episode, given)
        else:
            loss, terms = episode_loss(episode, given.text, self._embedder), Terms()
        return Trial(
            episode_id=episode.id, answer=given.text, loss=loss, confidence=confidence, terms=terms
        )

    def _read(self, persona: Persona, episode: Episode, given: Answer) -> tuple[float, Terms]:
        """Return the loss and the terms of an answer, or of its reason where it is an option."""
        free = episode.query.kind == "text"
        terms = self._terms.read(
            given.text if free else given.reason,
            query=episode.query.text,
            kept=(episode.outcome or "") if free else "",
            claims=_shown(persona),
            earlier=self._stood(episode),
            of_reason=not free,
        )
        return episode_loss(episode, given.text, self._embedder), terms

    def _stood(self, episode: Episode) -> tuple[str, ...]:
        """Return what the agent answered to the most similar earlier questions and was kept.

        It is the same for every persona and policy, so that those that recall little are held to
        it as well.
        """
        if episode.id not in self._said:
            (vector,) = self._episodes.vectors(episode.user_id, [episode.id])
            found = self._episodes.recall(
                episode.user_id,
                vector,
                limit=EARLIER,
                before=episode.at,
                task=episode.query.task_name,
                with_outcome=True,
            )
            said = (one.episode for one in found)
            self._said[episode.id] = tuple(
                one.response for one in said if one.response and one.response == one.outcome
            )
        return self._said[episode.id]


def _shown(persona: Persona) -> list[str]:
    """Return the statements that a persona's policy shows."""
    if persona.policy == ContextPolicy.generic():
        return []
    return [claim.text for claim in persona.claims if persona.policy.show_claims or claim.protected]
