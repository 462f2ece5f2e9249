"""Where personas and histories come from: the demo users, a data file, or a data directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from persona_agent.errors import NotFoundError
from persona_agent.evals.atlas.histories import Histories
from persona_agent.evals.atlas.learn import STAGES, Learner
from persona_agent.evals.atlas.records import Entry
from persona_agent.evals.data.demo_data import load_demo_users
from persona_agent.evals.data.eval_data import EvalUser
from persona_agent.evals.data.lamp import load_dataset
from persona_agent.evals.data.own import known_interactions
from persona_agent.evals.runner import USERS_AT_ONCE, Progress, side_by_side, silent
from persona_agent.memory import Memory
from persona_agent.schema import Episode


def demo_histories() -> tuple[dict[str, Sequence[Episode]], dict[str, str]]:
    """Return all interactions of the built-in people, and their names."""
    people = load_demo_users()
    return (
        {person.user_id: person.interactions for person in people},
        {person.user_id: person.name for person in people},
    )


def file_histories(path: Path) -> dict[str, Sequence[Episode]]:
    """Return the interactions of a data file, its queries with their known outcomes among them.

    Nobody is asked anything here, so what an evaluation holds back may be learned from.

    Raises:
        InputError: the file is not valid.
    """
    own = known_interactions(path)
    if own is not None:
        return {user: tuple(episodes) for user, episodes in own.items()}
    return {user.user_id: _whole(user) for user in load_dataset(path).users}


def stored(memory: Memory) -> tuple[list[Entry], dict[str, Sequence[Episode]]]:
    """Return all versions of all personas of a data directory, and all histories with outcomes.

    Raises:
        NotFoundError: there is no persona.
        StoreError: the stores cannot be read.
    """
    entries = [
        Entry(persona=version)
        for user in memory.personas.users()
        for version in memory.personas.history(user)
    ]
    if not entries:
        raise NotFoundError(
            "there is no persona yet: import interactions (persona-agent import FILE) and "
            "optimize (persona-agent optimize --all), or leave --data away to see the demo users"
        )
    histories = {
        user: memory.episodes.timeline(user, with_outcome=True) for user in memory.episodes.users()
    }
    return entries, {user: history for user, history in histories.items() if history}


async def learned(
    histories: Histories,
    learner: Learner,
    *,
    names: Mapping[str, str] | None = None,
    stages: int = STAGES,
    progress: Progress = silent,
) -> list[Entry]:
    """Learn every user's persona from growing parts of the history: one version for each.

    Raises:
        ModelError: the model gave no usable answer.
    """
    jobs = [partial(learner.stages, user, history, stages) for user, history in histories.items()]
    found = await side_by_side(jobs, at_once=USERS_AT_ONCE, what="learning", progress=progress)
    return [
        Entry(persona=version, name=(names or {}).get(version.user_id, ""))
        for versions in found
        for version in versions
    ]


def _whole(user: EvalUser) -> list[Episode]:
    asked = [
        Episode(
            id=f"query {query.query_id}",
            user_id=user.user_id,
            query=query.query,
            outcome=query.outcome,
            at=query.at,
        )
        for query in user.queries
        if query.at is not None
    ]
    return sorted([*user.history, *asked], key=lambda one: (one.at, one.id))
