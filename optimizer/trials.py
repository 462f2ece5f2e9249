"""Simulated answers of one search: each asked for once, and how much they vary when asked again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from statistics import fmean

from persona_agent.persona import render
from persona_agent.protocols import LanguageModel
from persona_agent.schema import Episode, Persona, Trial

Evaluate = Callable[[Persona, Sequence[Episode], LanguageModel], Awaitable[list[Trial]]]
"""Simulates episodes with a persona: one trial an episode, in order, memory strictly before it."""

UNBOUNDED = 1_000_000


class Trials:
    """The simulations of one search. Batches and slices overlap; nothing is simulated twice."""

    def __init__(
        self, evaluate: Evaluate, model: LanguageModel, *, again: LanguageModel | None = None
    ) -> None:
        """Take what simulates and what answers.

        Args:
            evaluate: simulates episodes.
            model: answers.
            again: the same model, with answers drawn anew; None where they would be the same.
        """
        self._evaluate = evaluate
        self._model = model
        self._again = again
        self._known: dict[tuple[object, ...], dict[str, Trial]] = {}

    async def of(self, persona: Persona, episodes: Sequence[Episode]) -> list[Trial]:
        """Return one trial an episode, in order."""
        known = self._known.setdefault(_acts(persona), {})
        missing = [episode for episode in episodes if episode.id not in known]
        for trial in await self._evaluate(persona, missing, self._model):
            known[trial.episode_id] = trial
        return [known[episode.id] for episode in episodes]

    def adopt(self, persona: Persona, trials: Sequence[Trial]) -> None:
        """Take in what a persona is known to answer, so that it is not asked again."""
        self._known.setdefault(_acts(persona), {}).update({one.episode_id: one for one in trials})

    async def noise(
        self, persona: Persona, episodes: Sequence[Episode], score: Callable[[Trial], float]
    ) -> float:
        """Return the variance of one score between runs: half the mean squared difference of two.

        0 for a model whose answers do not vary.
        """
        if self._again is None or not episodes:
            return 0.0
        first = await self.of(persona, episodes)
        second = await self._evaluate(persona, episodes, self._again)
        pairs = zip(first, second, strict=True)
        return fmean((score(one) - score(other)) ** 2 / 2 for one, other in pairs)


def _acts(persona: Persona) -> tuple[object, ...]:
    """Return what decides the answers of a persona; counts of help and harm only sort claims."""
    others = tuple(one.version for one in persona.alternatives)
    return (render(persona, max_tokens=UNBOUNDED), persona.policy, others)
