"""Distillation: what new episodes add to the facts known about a user."""

from __future__ import annotations

import asyncio

from persona_agent.memory.facts import FactStore, Learned
from persona_agent.prompts import DistilInputs, DistilledFact, DistilOutput
from persona_agent.protocols import EpisodeStore, LanguageModel, Prompt
from persona_agent.schema import Episode, Fact

BATCH = 20
"""Episodes in one call of the model."""

MOST_KNOWN = 200
"""Known facts that one call shows, the strongest ones: a prompt must not grow without bound."""


async def distil(
    user_id: str,
    episodes: EpisodeStore,
    facts: FactStore,
    model: LanguageModel,
    prompt: Prompt[DistilInputs, DistilOutput],
) -> list[Fact]:
    """Distil the episodes that were not yet, oldest first, in batches; return what was learned.

    The facts of a batch and the mark that its episodes are done are written together. When a call
    fails, its batch leaves no trace and comes again next time; earlier batches are kept.

    Raises:
        ModelError: a call failed.
    """
    timeline = await asyncio.to_thread(episodes.timeline, user_id)
    pending = await asyncio.to_thread(facts.pending, user_id, timeline)
    learned: dict[str, Fact] = {}
    for start in range(0, len(pending), BATCH):
        batch = tuple(pending[start : start + BATCH])
        known = await asyncio.to_thread(facts.profile, user_id, limit=MOST_KNOWN)
        inputs = DistilInputs(episodes=batch, facts=tuple(known))
        output = await model.ask(prompt, inputs)
        new = [one for one in (_learned(user_id, inputs, fact) for fact in output.facts) if one]
        stored = await asyncio.to_thread(facts.learn, user_id, new, batch)
        learned |= {fact.id: fact for fact in stored}
    return list(learned.values())


def _learned(user_id: str, inputs: DistilInputs, said: DistilledFact) -> Learned | None:
    """Return the fact with real ids; None when none of its sources is an episode of the batch.

    It is valid from its latest source on: before that, nobody could have known it.
    """
    cited = dict.fromkeys(inputs.episode_id(reference) for reference in said.sources)
    sources = [_episode(inputs, id_) for id_ in cited if id_ is not None]
    if not sources:
        return None
    old = dict.fromkeys(inputs.fact_id(reference) for reference in said.supersedes)
    fact = Fact(
        user_id=user_id,
        text=said.text,
        sources=tuple(source.id for source in sources),
        valid_from=max(source.at for source in sources),
    )
    return Learned(fact=fact, supersedes=tuple(id_ for id_ in old if id_ is not None))


def _episode(inputs: DistilInputs, episode_id: str) -> Episode:
    return next(episode for episode in inputs.episodes if episode.id == episode_id)
