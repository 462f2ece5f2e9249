"""Distillation: what new episodes add to the facts known about a user."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence, Set

from persona_agent.memory.facts import FactStore, Learned
from persona_agent.memory.uncut import uncut
from persona_agent.persona.admission import admitted
from persona_agent.prompts import ConfirmedFact, DistilInputs, DistilledFact, DistilOutput
from persona_agent.protocols import EpisodeStore, LanguageModel, Prompt
from persona_agent.schema import Episode, Fact

BATCH = 20
"""Episodes in one call of the model."""

MOST_KNOWN = 200
"""Known facts that one call shows, the strongest ones: a prompt must not grow without bound."""


ALIKE = 2
"""Earlier episodes that a call shows beside a new one that ended alike."""

MOST_EARLIER = 20


async def distil(
    user_id: str,
    episodes: EpisodeStore,
    facts: FactStore,
    model: LanguageModel,
    prompt: Prompt[DistilInputs, DistilOutput],
) -> list[Fact]:
    """Distil the episodes that were not yet, oldest first, in batches; return what was learned.

    A decision waits until the user has settled it.

    The facts of a batch and the mark that its episodes are done are written together. When a call
    fails, its batch leaves no trace and comes again next time; earlier batches are kept.

    Raises:
        ModelError: a call failed.
    """
    whole = await asyncio.to_thread(episodes.timeline, user_id)
    timeline = [one for one in whole if not one.unsettled]
    pending = await asyncio.to_thread(facts.pending, user_id, timeline)
    learned: dict[str, Fact] = {}
    for start in range(0, len(pending), BATCH):
        batch = tuple(pending[start : start + BATCH])
        known = await asyncio.to_thread(facts.profile, user_id, limit=MOST_KNOWN)
        earlier = _earlier(batch, timeline, {one.id for one in pending[start:]})
        inputs = DistilInputs(episodes=batch, facts=tuple(known), earlier=earlier)
        output = await model.ask(prompt, inputs)
        said = [*output.facts, *(_again(inputs, one) for one in output.confirmed)]
        new = [one for one in (_learned(user_id, inputs, fact) for fact in said if fact) if one]
        stored = await uncut(facts.learn, user_id, new, batch)
        await uncut(_drop_deleted, user_id, episodes, facts, (*batch, *earlier))
        learned |= {fact.id: fact for fact in stored}
    return list(learned.values())


def _drop_deleted(
    user_id: str, episodes: EpisodeStore, facts: FactStore, shown: Sequence[Episode]
) -> None:
    """Take out of facts what was deleted while the model was asked about it."""
    ids = [one.id for one in shown]
    gone = set(ids).difference(one.id for one in episodes.get(user_id, ids))
    if gone:
        facts.drop_sources(user_id, list(gone))


def _earlier(
    batch: Sequence[Episode], timeline: Sequence[Episode], undone: Set[str]
) -> tuple[Episode, ...]:
    """Return distilled episodes that ended as one of the batch did that stands alone in it.

    What comes up once in a while never comes up twice in a batch: only beside its like from
    earlier can it be seen to recur.
    """
    ended = Counter(_ending(episode) for episode in batch if episode.outcome)
    left = Counter({ending: ALIKE for ending, count in ended.items() if count == 1})
    found: list[Episode] = []
    for episode in reversed(timeline):
        if episode.id not in undone and left[_ending(episode)] and len(found) < MOST_EARLIER:
            left[_ending(episode)] -= 1
            found.append(episode)
    return tuple(reversed(found))


def _ending(episode: Episode) -> tuple[str, str]:
    return episode.query.task_name, episode.outcome or ""


def _again(inputs: DistilInputs, confirmed: ConfirmedFact) -> DistilledFact | None:
    """Return a confirmed fact as one of the same words, whose sources are added to the known."""
    known = inputs.fact_id(confirmed.fact)
    texts = (fact.text for fact in inputs.facts if fact.id == known)
    return next((DistilledFact(text=text, sources=confirmed.sources) for text in texts), None)


def _learned(user_id: str, inputs: DistilInputs, said: DistilledFact) -> Learned | None:
    """Return the fact with real ids; None when none of its sources is a new episode.

    None, too, for a fact that would change rules, tools, keys or safety wording.

    It is valid from its latest source on: before that, nobody could have known it.
    """
    cited = dict.fromkeys(inputs.episode_id(reference) for reference in said.sources)
    sources = [_episode(inputs, id_) for id_ in cited if id_ is not None]
    if not any(source in inputs.episodes for source in sources) or not admitted(said.text):
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
    return next(one for one in (*inputs.episodes, *inputs.earlier) if one.id == episode_id)
