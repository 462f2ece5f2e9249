"""Simulation: answer past episodes as if their outcomes were not known yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from persona_agent.agent.answer import Answer, answer
from persona_agent.agent.context import Context, ContextBuilder
from persona_agent.errors import BudgetExceededError, ModelCallsBlockedError, ModelError
from persona_agent.optimizer.asking import Asked
from persona_agent.optimizer.imagined import is_simulated
from persona_agent.optimizer.loss import episode_loss
from persona_agent.optimizer.objective import TermReader
from persona_agent.protocols import Embedder, EpisodeStore, LanguageModel, Vectors
from persona_agent.schema import Episode, Persona, Terms, Trial

EARLIER = 3
"""Earlier answers of the agent to similar questions that a text must not contradict."""


class Simulator:
    """The ``evaluate`` of the optimizer: a persona and episodes in, one trial an episode out.

    For each episode the memory holds only what is strictly before it. Calls run concurrently;
    the model's own limit bounds them. An answer that fails becomes an unscored trial with the
    error in it; a spent budget or the kill switch ends the whole evaluation.

    It reads the memory once: make one for each optimization. With ``reasons`` the terms of the
    objective are read from the reasons of choices and ratings as well, which takes longer. With
    ``asked`` the model is asked for the terms that rules do not read. An invented query has no
    outcome: only the terms of its answer, or of the reason, are read.
    """

    def __init__(
        self,
        episodes: EpisodeStore,
        embedder: Embedder,
        *,
        persona_tokens: int = 600,
        reasons: bool = False,
        asked: Asked | None = None,
    ) -> None:
        self._episodes = episodes
        self._embedder = embedder
        self._reasons = reasons
        self._asked = asked
        self._terms = TermReader(embedder)
        self._said: dict[tuple[str, str], tuple[str, ...]] = {}
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
        return [
            self._contexts.build(persona, episode.query, before=episode.at, vector=vector)
            for episode, vector in zip(episodes, self._vectors(episodes), strict=True)
        ]

    def _vectors(self, episodes: Sequence[Episode]) -> Vectors:
        """Return the vectors of the queries; what was invented is not stored and is embedded."""
        stored = [one for one in episodes if not is_simulated(one)]
        if len(stored) == len(episodes):
            return self._episodes.vectors(episodes[0].user_id, [one.id for one in episodes])
        found = self._embedder.embed([one.query.text for one in episodes]).copy()
        places = [place for place, one in enumerate(episodes) if not is_simulated(one)]
        if stored:
            ids = [one.id for one in stored]
            found[places] = self._episodes.vectors(stored[0].user_id, ids)
        return found

    async def _trial(
        self, persona: Persona, episode: Episode, context: Context, model: LanguageModel
    ) -> Trial:
        invented = is_simulated(episode)
        try:
            given = await answer(model, episode.query, context)
        except (BudgetExceededError, ModelCallsBlockedError):
            raise
        except ModelError as error:
            return Trial(
                episode_id=episode.id, answer=None, loss=1.0, error=str(error), imagined=invented
            )
        # A rating can be nearly right, which a stated confidence in one grade does not tell.
        confidence = None if episode.query.kind == "rating" or invented else given.confidence
        terms = await self._terms_of(persona, episode, given, context, model)
        loss = 0.0
        if episode.query.kind == "text" and not invented:  # embeds, which may take a while
            loss = await asyncio.to_thread(episode_loss, episode, given.text, self._embedder)
        elif not invented:
            loss = episode_loss(episode, given.text, self._embedder)
        return Trial(
            episode_id=episode.id,
            answer=given.text,
            loss=loss,
            confidence=confidence,
            reason=given.reason,
            terms=terms,
            imagined=invented,
            persona_text=context.persona_text,
            recalled=tuple(one.episode for one in context.recalled),
        )

    async def _terms_of(
        self,
        persona: Persona,
        episode: Episode,
        given: Answer,
        context: Context,
        model: LanguageModel,
    ) -> Terms:
        """Return the terms of an answer, or of its reason where it is an option."""
        free = episode.query.kind == "text"
        if not (free or self._reasons or is_simulated(episode)):
            return Terms()
        text = given.text if free else given.reason
        query, kept = episode.query.text, (episode.outcome or "") if free else ""
        claims, known = _shown(persona), [case.line() for case in context.cases]

        def read() -> tuple[Terms, Sequence[str]]:
            earlier = self._stood(episode)
            terms = self._terms.read(
                text,
                query=query,
                kept=kept,
                claims=claims,
                earlier=earlier,
                known=known,
                of_reason=not free,
            )
            return terms, earlier

        terms, earlier = await asyncio.to_thread(read)
        if self._asked is None:
            return terms
        return await self._asked.complete(
            terms, model, text, query=query, kept=kept, claims=claims, earlier=earlier, known=known
        )

    def _stood(self, episode: Episode) -> tuple[str, ...]:
        """Return what the agent answered to the most similar earlier questions and was kept.

        It is the same for every persona and policy, so that those that recall little are held to
        it as well.
        """
        key = (episode.user_id, episode.id)
        if key not in self._said:
            (vector,) = self._vectors([episode])
            found = self._episodes.recall(
                episode.user_id,
                vector,
                limit=EARLIER,
                before=episode.at,
                task=episode.query.task_name,
                with_outcome=True,
            )
            said = (one.episode for one in found)
            self._said[key] = tuple(
                one.response for one in said if one.response and one.response == one.outcome
            )
        return self._said[key]


def _shown(persona: Persona) -> list[str]:
    """Return the statements that a persona's policy shows."""
    if persona.policy.is_generic:
        return []
    return [claim.text for claim in persona.claims if persona.policy.show_claims or claim.protected]
