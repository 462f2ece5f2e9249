"""Simulated answers of one search: each asked for once, and how much they vary when asked again."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from persona_agent.persona import render
from persona_agent.persona.losses import evidence_weight
from persona_agent.persona.variance import Floats, components, number_distances, stability
from persona_agent.protocols import LanguageModel
from persona_agent.schema import Episode, Noise, Persona, Trial

Evaluate = Callable[[Persona, Sequence[Episode], LanguageModel], Awaitable[list[Trial]]]
"""Simulates episodes with a persona: one trial an episode, in order, memory strictly before it."""

UNBOUNDED = 1_000_000


class Trials:
    """The simulations of one search. Batches and slices overlap; nothing is simulated twice."""

    def __init__(
        self,
        evaluate: Evaluate,
        model: LanguageModel,
        *,
        again: Sequence[LanguageModel] = (),
        draws: int = 1,
    ) -> None:
        """Take what simulates and what answers.

        Args:
            evaluate: simulates episodes.
            model: answers.
            again: the same model, each time with answers drawn anew; none where they would be the
                same.
            draws: how many answers tell how often one contradicts.
        """
        self._evaluate = evaluate
        self._model = model
        self._again = tuple(again)
        self._draws = draws
        self._known: dict[tuple[object, ...], dict[str, Trial]] = {}

    async def of(self, persona: Persona, episodes: Sequence[Episode]) -> list[Trial]:
        """Return one trial an episode, in order."""
        known = self._known.setdefault(acts(persona), {})
        missing = [episode for episode in episodes if episode.id not in known]
        for trial in await self._weighed(persona, missing) if missing else ():
            known[trial.episode_id] = trial
        return [known[episode.id] for episode in episodes]

    async def _weighed(self, persona: Persona, episodes: Sequence[Episode]) -> list[Trial]:
        """Simulate, and draw again where an answer contradicts, to tell how often one does."""
        trials = list(await self._evaluate(persona, episodes, self._model))
        against = [place for place, trial in enumerate(trials) if trial.terms.contradiction]
        again = self._again[: self._draws - 1]
        if not against or not again:
            return trials
        chosen = [episodes[place] for place in against]
        runs = [[trials[place] for place in against]]
        runs += [await self._evaluate(persona, chosen, model) for model in again]
        for place, trial in zip(against, by_frequency(runs)[0], strict=True):
            trials[place] = trial
        return trials

    def adopt(self, persona: Persona, trials: Sequence[Trial]) -> None:
        """Take in what a persona is known to answer, so that it is not asked again."""
        self._known.setdefault(acts(persona), {}).update({one.episode_id: one for one in trials})

    async def noise(
        self,
        personas: Sequence[Persona],
        episodes: Sequence[Episode],
        score: Callable[[Trial], float],
    ) -> Noise | None:
        """Return what scores vary by, from two runs of each persona on each episode.

        An episode that anybody failed to answer tells nothing and is left out. None for a model
        whose answers do not vary, and where fewer than two personas or episodes are left.
        """
        if not self._again or len(personas) < 2:
            return None
        cells = []
        for persona in personas:
            first = await self.of(persona, episodes)
            second = await self._evaluate(persona, episodes, self._again[0])
            cells.append(by_frequency([first, second]))
        told = [
            place
            for place in range(len(episodes))
            if all(run[place].error is None for runs in cells for run in runs)
        ]
        if len(told) < 2:
            return None
        scores = [[[score(run[place]) for run in runs] for place in told] for runs in cells]
        return split(np.asarray(scores, dtype=np.float64))


def by_frequency(runs: Sequence[Sequence[Trial]]) -> list[list[Trial]]:
    """Return runs of the same episodes with contradictions that count by how often they are said.

    A run without an answer is not among those drawn; what does not contradict counts fully.
    """
    weighed: list[list[Trial]] = [list(run) for run in runs]
    for place, drawn in enumerate(zip(*runs, strict=True)):
        answered = [one for one in drawn if one.error is None]
        said = sum(bool(one.terms.contradiction) for one in answered)
        for run, one in zip(weighed, drawn, strict=True):
            if one.error is None and one.terms.contradiction:
                weight = evidence_weight(said, len(answered))
                terms = one.terms.model_copy(update={"said": weight})
                run[place] = one.model_copy(update={"terms": terms})
    return weighed


def split(scores: Floats) -> Noise:
    """Return the components of variance of scores of shape (personas, episodes, runs)."""
    found = components(scores)
    icc = stability(number_distances(scores)).icc
    personas, items, runs = scores.shape
    return Noise(
        persona=found.persona,
        item=found.item,
        interaction=found.interaction,
        run=found.run,
        icc=None if math.isnan(icc) else icc,
        personas=personas,
        items=items,
        runs=runs,
    )


def acts(persona: Persona) -> tuple[object, ...]:
    """Return what decides the answers of a persona.

    Counts of help and harm only sort claims: a claim that is blamed meanwhile, and moves down,
    is not worth asking everything again.
    """
    others = tuple(one.version for one in persona.alternatives)
    uncounted = [one.model_copy(update={"helpful": 0, "harmful": 0}) for one in persona.claims]
    shown = persona.model_copy(update={"claims": tuple(uncounted)})
    return (render(shown, max_tokens=UNBOUNDED), persona.policy, others)
