"""How what a user says in a chat reaches each arm.

A chat turn is an episode without options and without an outcome. Retrieval finds it like any other
episode. The arms with a persona distil the turns into facts, as the agent does before it
optimizes; what the user stated of themselves becomes a claim in the user's own words.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from persona_agent.evals.arm import Arm, Bench, known_at_first, with_persona
from persona_agent.evals.arms import choose_arms
from persona_agent.evals.eval_data import EvalUser
from persona_agent.memory.distil import distil
from persona_agent.memory.episodes import InMemoryEpisodeStore
from persona_agent.memory.facts import FactStore
from persona_agent.optimizer import Search
from persona_agent.optimizer.policies import UNALIGNED
from persona_agent.prompts import DISTIL_FACTS
from persona_agent.schema import Claim, Fact, Persona, RecallBlend, Recalled, Section

PREFEVAL_ARMS = ("generic", "icl", "rag", "rag+stats", "persona", "persona+alignment")


class SpokenMemory(InMemoryEpisodeStore):
    """A memory in which a query recalls turns of every task, answered or not."""

    def recall(
        self,
        user_id: str,
        vector: npt.NDArray[np.float32],
        *,
        limit: int,
        blend: RecallBlend | None = None,
        now: datetime | None = None,
        before: datetime | None = None,
        task: str | None = None,
        with_outcome: bool = False,
        where: Mapping[str, str | int | float | bool] | None = None,
    ) -> list[Recalled]:
        """Return the best episodes, as the protocol has it, whatever their task and outcome."""
        return super().recall(
            user_id, vector, limit=limit, blend=blend, now=now, before=before, where=where
        )


def prefeval_arms(names: Sequence[str] | None = None) -> dict[str, Arm]:
    """Return the named arms, :data:`PREFEVAL_ARMS` by default; personas from what was stated.

    Raises:
        InputError: an arm is not known.
    """
    stated = {"persona": with_persona(_drafted), "persona+alignment": with_persona(_aligned)}
    return {
        name: stated.get(name, arm) for name, arm in choose_arms(names or PREFEVAL_ARMS).items()
    }


async def _drafted(bench: Bench, user: EvalUser) -> Persona:
    return Persona(user_id=user.user_id, policy=UNALIGNED, claims=await _stated(bench, user))


async def _aligned(bench: Bench, user: EvalUser) -> Persona:
    """Start from what was stated and optimize on what was chosen, where anything was."""
    search = Search(
        user.user_id,
        [episode for episode in known_at_first(user) if episode.outcome is not None],
        evaluate=bench.simulate,
        model=bench.model,
        config=bench.config,
        current=Persona(user_id=user.user_id, claims=await _stated(bench, user)),
    )
    return await search.run()


async def _stated(bench: Bench, user: EvalUser) -> tuple[Claim, ...]:
    """Distil the user's turns into facts, and return those that hold as the user's own claims."""
    turns = InMemoryEpisodeStore()
    said = [one for one in known_at_first(user) if one.outcome is None and not one.query.options]
    if said:
        turns.add(said, bench.episodes.vectors(user.user_id, [one.id for one in said]))
    with tempfile.TemporaryDirectory() as folder:
        facts = FactStore(Path(folder) / "facts.db")
        try:
            await distil(user.user_id, turns, facts, bench.model, DISTIL_FACTS)
            return tuple(_claim(fact) for fact in facts.current(user.user_id))
        finally:
            facts.close()


def _claim(fact: Fact) -> Claim:
    return Claim(
        section=Section.VALUES,
        text=fact.text[:1_000],
        evidence=fact.sources,
        origin="user",
        since=fact.valid_from,
    )
