"""How what a user says in a chat reaches each arm.

A chat turn is an episode without options and without an outcome. Plain retrieval gets to see it
like any other episode. The arms with a persona go the way of the agent: turns are distilled into
facts, what the user stated becomes a claim in the user's own words, and an answer recalls what the
agent would recall, which is nothing where nothing was decided.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from persona_agent.evals.arms.arm import Answerer, Arm, Bench, known_at_first, persona_answerer
from persona_agent.evals.arms.catalog import choose_arms
from persona_agent.evals.arms.sparse import SPARSE, sparse
from persona_agent.evals.data.eval_data import EvalUser
from persona_agent.memory.distil import distil
from persona_agent.memory.episodes import InMemoryEpisodeStore
from persona_agent.memory.facts import FactStore
from persona_agent.memory.store import Question
from persona_agent.optimizer import Search
from persona_agent.optimizer.draft import draft_persona
from persona_agent.optimizer.policies import UNALIGNED
from persona_agent.prompts import DISTIL_FACTS
from persona_agent.protocols import EpisodeStore
from persona_agent.schema import Episode, Fact, Persona, Recalled

PREFEVAL_ARMS = ("generic", "icl", "rag", "rag+stats", "persona", "persona+alignment", SPARSE)

Facts = list[Fact]


class SpokenMemory(InMemoryEpisodeStore):
    """A memory in which a query recalls turns of every task, answered or not."""

    def _recall(self, user_id: str, question: Question) -> list[Recalled]:
        said = dataclasses.replace(question.selection, task=None, with_outcome=False)
        return super()._recall(user_id, question._replace(selection=said))


def prefeval_arms(names: Sequence[str] | None = None) -> dict[str, Arm]:
    """Return the named arms, :data:`PREFEVAL_ARMS` by default; personas from what was stated.

    Raises:
        InputError: an arm is not known.
    """
    whole = _from_facts(_aligned)
    stated = {
        "persona": _from_facts(_drafted),
        "persona+alignment": whole,
        SPARSE: sparse(whole),
    }
    return {
        name: stated.get(name, arm) for name, arm in choose_arms(names or PREFEVAL_ARMS).items()
    }


def _from_facts(make: Callable[[Bench, EvalUser, Facts], Awaitable[Persona]]) -> Arm:
    """Return the arm of a persona made as the agent makes it, from this user's memory alone."""

    async def fit(bench: Bench, user: EvalUser) -> Answerer:
        own = dataclasses.replace(bench, episodes=_agent_memory(bench, user))
        facts = await _distilled(own, user)
        return persona_answerer(own, await make(own, user, facts))

    return fit


async def _drafted(bench: Bench, user: EvalUser, facts: Facts) -> Persona:
    decided = _decided(bench, user)
    written = await draft_persona(user.user_id, decided, bench.model, bench.config, facts=facts)
    return written.model_copy(update={"policy": UNALIGNED})


async def _aligned(bench: Bench, user: EvalUser, facts: Facts) -> Persona:
    search = Search(
        user.user_id,
        _decided(bench, user),
        evaluate=bench.simulate,
        model=bench.model,
        config=bench.config,
        facts=facts,
        vectors=bench.episodes.vectors,
    )
    return await search.run()


def _decided(bench: Bench, user: EvalUser) -> list[Episode]:
    return bench.episodes.timeline(user.user_id, with_outcome=True)


def _agent_memory(bench: Bench, user: EvalUser) -> EpisodeStore:
    """Return the memory of an agent that only this user has talked to so far."""
    memory = InMemoryEpisodeStore()
    known = known_at_first(user)
    if known:
        memory.add(known, bench.episodes.vectors(user.user_id, [one.id for one in known]))
    return memory


async def _distilled(bench: Bench, user: EvalUser) -> Facts:
    with tempfile.TemporaryDirectory() as folder:
        facts = FactStore(Path(folder) / "facts.db")
        try:
            await distil(user.user_id, bench.episodes, facts, bench.model, DISTIL_FACTS)
            return facts.profile(user.user_id)
        finally:
            facts.close()
