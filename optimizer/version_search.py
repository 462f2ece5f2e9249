"""The search over versions: whether each query is better answered by the version that suits it.

The versions are those that were in use before. On the replayed episodes, each is answered by the
version that did best on the most similar ones before it, and this has to beat the version that the
search found, which would answer all of them otherwise. Episodes that a version's shown claims rest
on are left out: it knows their outcomes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from persona_agent.optimizer.judging import Judge
from persona_agent.optimizer.objective import objective
from persona_agent.optimizer.policy_search import seeing_since
from persona_agent.optimizer.pool import Candidate
from persona_agent.persona.alternatives import (
    LEAST_CASES,
    Floats,
    alternative,
    as_version,
    choose,
)
from persona_agent.protocols import Vectors
from persona_agent.schema import Alternative, Episode, Persona, Trial

VectorsOf = Callable[[str, Sequence[str]], Vectors]
"""Returns the unit vectors of a user's episodes, in the order asked for. Blocking."""


async def choose_versions(
    best: Candidate, earlier: Sequence[Persona], judge: Judge, vectors: VectorsOf
) -> Candidate:
    """Return the candidate with alternatives where choosing among them gains, else as it is."""
    offered = _with_alternatives(best.persona, earlier)
    versions = [as_version(offered, place) for place in range(1 + len(offered.alternatives))]
    episodes = _unseen(judge.slices.replay, versions)
    if len(versions) < 2 or len(episodes) < 2 * LEAST_CASES:
        return best
    trials = [await judge.trials.of(version, episodes) for version in versions]
    costs = np.array([[objective(one, judge.config) for one in each] for each in trials]).T
    ids = [one.id for one in episodes]
    places = _places(episodes, costs, await asyncio.to_thread(vectors, offered.user_id, ids))
    chosen = [trials[place][row] for row, place in enumerate(places)]
    if not judge.gate("version by similar cases", chosen, trials[0], judge.config.choice_errors):
        return best
    record = {one.id: tuple(map(float, row)) for one, row in zip(episodes, costs, strict=True)}
    persona = offered.model_copy(update={"track_record": record})
    judge.trials.adopt(persona, await _replayed(best.persona, judge, chosen))
    return replace(best, persona=persona)


def _with_alternatives(persona: Persona, earlier: Sequence[Persona]) -> Persona:
    """Return the persona with the earlier versions that differ from it and from each other."""
    found = {_acts(alternative(persona)): alternative(persona)}
    for version in earlier:
        found.setdefault(_acts(alternative(version)), alternative(version))
    offered = persona.model_copy(update={"alternatives": tuple(found.values())[1:]})
    return seeing_since(offered, None)  # judged like any policy: without that moment


def _acts(one: Alternative) -> tuple[object, ...]:
    said = tuple(claim.statement for claim in one.claims) if one.policy.show_claims else ()
    policy = one.policy.model_copy(update={"since": None})  # it is of the moment, not of a version
    return (policy, *said)


def _unseen(episodes: Sequence[Episode], versions: Sequence[Persona]) -> list[Episode]:
    seen = {
        name
        for version in versions
        for claim in version.claims
        if version.policy.show_claims and not claim.protected
        for name in claim.evidence
    }
    return [episode for episode in episodes if episode.id not in seen]


def _places(episodes: Sequence[Episode], costs: Floats, vectors: Vectors) -> list[int]:
    """Return the version chosen for each episode from those of its task strictly before it."""
    similarity = np.asarray(vectors @ vectors.T, dtype=np.float64)
    places = []
    for row, one in enumerate(episodes):
        past = [
            n
            for n, other in enumerate(episodes)
            if other.at < one.at and other.query.task_name == one.query.task_name
        ]
        places.append(choose(costs[past], similarity[row, past]))
    return places


async def _replayed(persona: Persona, judge: Judge, chosen: Sequence[Trial]) -> list[Trial]:
    """Return the trials of the whole replay: those chosen, and the version's own elsewhere."""
    known = {one.episode_id: one for one in chosen}
    own = await judge.trials.of(persona, judge.slices.replay)
    return [known.get(one.episode_id, one) for one in own]
