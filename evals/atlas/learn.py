"""Personas learned from histories, each with a memory of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from persona_agent.agent import Simulator
from persona_agent.evals.runner import USERS_AT_ONCE, Progress, side_by_side, silent
from persona_agent.memory.episodes import InMemoryEpisodeStore
from persona_agent.optimizer import OptimizerConfig, Search
from persona_agent.protocols import Embedder, LanguageModel
from persona_agent.schema import Episode, Persona

STAGES = 3


@dataclass(frozen=True)
class Learner:
    """Optimizes personas. The memory of one holds the episodes that it is learned from, only."""

    model: LanguageModel
    embedder: Embedder
    config: OptimizerConfig = field(default_factory=OptimizerConfig)
    persona_tokens: int = 600

    async def learn(self, user_id: str, history: Sequence[Episode]) -> Persona:
        """Return the persona after optimization on a history.

        Raises:
            ModelError: the model gave no usable answer.
        """
        if not history:
            return Persona(user_id=user_id)
        episodes = InMemoryEpisodeStore()
        episodes.add(history, self.embedder.embed([one.query.text for one in history]))
        search = Search(
            user_id,
            history,
            evaluate=Simulator(episodes, self.embedder, persona_tokens=self.persona_tokens),
            model=self.model,
            config=self.config,
        )
        with self.model.account(user_id=user_id, purpose="atlas"):
            return await search.run()

    async def stages(
        self, user_id: str, history: Sequence[Episode], count: int = STAGES
    ) -> list[Persona]:
        """Return the persona as it would have been learned from each growing part of a history."""
        found: list[Persona] = []
        for stage in range(1, count + 1):
            known = history[: max(1, round(len(history) * stage / count))]
            learned = await self.learn(user_id, known)
            parent = found[-1].version if found else None
            version = f"{user_id[:200]}-{stage}"
            found.append(learned.model_copy(update={"version": version, "parent": parent}))
        return found

    async def all(
        self,
        tasks: Sequence[tuple[str, Sequence[Episode]]],
        *,
        what: str = "learning",
        progress: Progress = silent,
    ) -> list[Persona]:
        """Learn a persona for each (user id, history), several at once, in order."""
        jobs = [partial(self.learn, user_id, history) for user_id, history in tasks]
        return await side_by_side(jobs, at_once=USERS_AT_ONCE, what=what, progress=progress)
