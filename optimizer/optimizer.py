"""Optimization of one user's persona: search, store, revision."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from persona_agent.llm.accounting import limit
from persona_agent.llm.admitting import AdmittingModel
from persona_agent.llm.critic_apart import CriticApart
from persona_agent.llm.drawing import draws
from persona_agent.memory.uncut import uncut
from persona_agent.optimizer.config import OptimizerConfig
from persona_agent.optimizer.engine import Search
from persona_agent.optimizer.journal import JournaledModel, journal_path
from persona_agent.optimizer.trials import Evaluate
from persona_agent.optimizer.version_search import VectorsOf
from persona_agent.persona import diff
from persona_agent.persona.left_out import counting_left_out
from persona_agent.prompts import (
    CRITIQUE,
    DECIDE,
    DECIDE_BRIEF,
    DRAFT_PERSONA,
    PROPOSE_EDITS,
    RESPOND,
    VERIFY_CLAIMS,
    TypedPrompt,
)
from persona_agent.prompts.admit import ADMIT
from persona_agent.prompts.lab import RELATE, REPLY_LISTEN, USER_TURN
from persona_agent.protocols import LanguageModel, PersonaStore
from persona_agent.schema import Episode, Fact, Persona, Revision, Usage, new_id

logger = logging.getLogger(__name__)


class PersonaOptimizer:
    """Runs searches and keeps their results. It knows no agent: it is given what simulates."""

    def __init__(
        self,
        *,
        simulator: Callable[[], Evaluate],
        model: LanguageModel,
        personas: PersonaStore,
        journal_dir: Path,
        config: OptimizerConfig | None = None,
        vectors: VectorsOf | None = None,
        critic: LanguageModel | None = None,
    ) -> None:
        """Take what optimizations need.

        Args:
            simulator: makes what simulates episodes, anew for each optimization.
            model: answers.
            personas: where versions and revisions are kept.
            journal_dir: where paid answers are kept until a run has ended.
            config: settings.
            vectors: of episodes, to tell similar ones; without them no earlier version may answer.
            critic: judges texts where the objective asks for it; by default the model itself.
        """
        self._simulator = simulator
        self._model = model
        self._personas = personas
        self._journal_dir = journal_dir
        self.config = config or OptimizerConfig()
        self._vectors = vectors
        self._critic = critic or model
        self._asked: tuple[TypedPrompt[Any, Any], ...] = (
            *([REPLY_LISTEN] if self.config.listener_weight else []),
            *([RELATE] if self.config.ask_invention else []),
        )

    def journaled(self, user_id: str) -> LanguageModel:
        """Return the model with what it answers for this user's optimization on record.

        The offline model costs nothing, so a journal of it would only cost time.
        """
        names = [prompt.name for prompt in self._asked]
        model: LanguageModel = self._model
        if names and self._critic is not model:
            model = CriticApart(model, self._critic, names)
        if model.deterministic:
            return model
        return JournaledModel(AdmittingModel(model), journal_path(self._journal_dir, user_id))

    def _again(self, model: LanguageModel) -> list[LanguageModel]:
        """Return the model with answers drawn anew: once for the noise, more for contradictions."""
        recorded = isinstance(model, JournaledModel)
        return draws(model, self.config.further_draws, recorded=recorded)

    async def optimize(
        self, user_id: str, history: Sequence[Episode], *, facts: Sequence[Fact] = ()
    ) -> Revision:
        """Search from the persona in use, and store the result when it differs.

        Args:
            user_id: whose persona it is.
            history: episodes with outcomes, in time order.
            facts: of semantic memory, those that were replaced among them, oldest first.

        Raises:
            ConflictError: the persona changed meanwhile; nothing was written, and what was
                paid for is journaled.
            ModelError: the search could not go on; what was paid for is journaled.
        """
        current = await asyncio.to_thread(self._personas.latest, user_id)
        versions = await asyncio.to_thread(self._personas.history, user_id)
        model = self.journaled(user_id)
        # In a thread: it looks through the history for changes of taste.
        search = await asyncio.to_thread(
            Search,
            user_id,
            history,
            evaluate=self._simulator(),
            model=model,
            config=self.config,
            current=current,
            facts=facts,
            again=self._again(model),
            earlier=[one for one in reversed(versions) if one.cause == "optimize"],
            vectors=self._vectors,
        )
        with (
            counting_left_out() as left_out,
            limit() as run,
        ):  # of this run alone, and not of what the user does meanwhile
            found = await search.run()
        revision = self._revision(user_id, current, found, search, run.used, len(history))
        revision = revision.model_copy(update={"left_out": left_out.reasons})
        if left_out.reasons:
            logger.info(
                "left out of what a model wrote", extra={"fields": {"left_out": left_out.reasons}}
            )
        await uncut(self._store, current, search.draft, found, revision)
        self.forget(user_id)
        return revision

    def _revision(
        self,
        user_id: str,
        current: Persona | None,
        found: Persona,
        search: Search,
        used: Usage,
        outcomes: int,
    ) -> Revision:
        changed = current is None or not diff(current, found).empty
        prompts: tuple[TypedPrompt[Any, Any], ...] = (
            DECIDE,
            DECIDE_BRIEF,
            RESPOND,
            DRAFT_PERSONA,
            CRITIQUE,
            PROPOSE_EDITS,
            VERIFY_CLAIMS,
            ADMIT,
            *self._asked,
            *([USER_TURN] if self.config.simulated else []),
        )
        return Revision(
            user_id=user_id,
            from_version=(current or search.draft or found).version,
            to_version=new_id() if changed else current.version if current else "",
            accepted=changed,
            outcomes=outcomes,
            edits=tuple(search.accepted),
            rejected=tuple(search.rejected),
            gates=tuple(search.gates),
            noise=search.noise,
            usage=used,
            model=self._model.name,
            critic=self._critic.name if self._asked else "",
            prompts={prompt.name: prompt.digest for prompt in prompts},
            reason=_reason(changed, bool(search.gates), outcomes),
        )

    def _store(
        self, current: Persona | None, draft: Persona | None, found: Persona, revision: Revision
    ) -> None:
        """Store the result, behind the draft that it came from where that is new."""
        if not revision.accepted:
            self._personas.add_revision(revision)
            return
        used = current.version if current else None
        behind = []
        if draft is not None:
            behind = [draft.model_copy(update={"created_at": revision.at, "parent": used})]
        version = found.model_copy(
            update={
                "version": revision.to_version,
                "parent": behind[0].version if behind else used,
                "cause": "optimize",
                "created_at": revision.at,
            }
        )
        self._personas.put(version, expected=used, revision=revision, behind=behind)

    def forget(self, user_id: str) -> None:
        """Remove the journal of a user."""
        journal_path(self._journal_dir, user_id).unlink(missing_ok=True)


def _reason(changed: bool, judged: bool, outcomes: int) -> str:
    """Return why a revision is as it is, where its gates do not tell."""
    if judged:
        return "" if changed else "nothing that was tried helped"
    few = f"{outcomes} known outcomes are too few to judge anything by"
    if changed:
        return f"what the user stated, if anything, is taken up as it was stated: {few}"
    return f"nothing new was stated, and {few}"


def spent(before: Usage, after: Usage) -> Usage:
    """Return what was used between two readings of the meter."""
    return Usage(
        calls=after.calls - before.calls,
        prompt_tokens=after.prompt_tokens - before.prompt_tokens,
        completion_tokens=after.completion_tokens - before.completion_tokens,
        cost_usd=max(0.0, after.cost_usd - before.cost_usd),
        seconds=max(0.0, after.seconds - before.seconds),
    )
