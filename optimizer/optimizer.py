"""Optimization of one user's persona: search, store, revision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from persona_agent.optimizer.config import OptimizerConfig
from persona_agent.optimizer.engine import Search
from persona_agent.optimizer.journal import JournaledModel, journal_path
from persona_agent.optimizer.trials import Evaluate
from persona_agent.optimizer.version_search import VectorsOf
from persona_agent.persona import diff
from persona_agent.prompts import (
    CRITIQUE,
    DECIDE,
    DECIDE_BRIEF,
    DRAFT_PERSONA,
    PROPOSE_EDITS,
    RESPOND,
    VERIFY_CLAIMS,
)
from persona_agent.protocols import LanguageModel, PersonaStore
from persona_agent.schema import Episode, Fact, Persona, Revision, Usage, new_id


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
    ) -> None:
        """Take what optimizations need.

        Args:
            simulator: makes what simulates episodes, anew for each optimization.
            model: answers.
            personas: where versions and revisions are kept.
            journal_dir: where paid answers are kept until a run has ended.
            config: settings.
            vectors: of episodes, to tell similar ones; without them no earlier version may answer.
        """
        self._simulator = simulator
        self._model = model
        self._personas = personas
        self._journal_dir = journal_dir
        self.config = config or OptimizerConfig()
        self._vectors = vectors

    def journaled(self, user_id: str) -> LanguageModel:
        """Return the model with what it answers for this user's optimization on record.

        The offline model costs nothing, so a journal of it would only cost time.
        """
        if self._model.deterministic:
            return self._model
        return JournaledModel(self._model, journal_path(self._journal_dir, user_id))

    async def optimize(
        self, user_id: str, history: Sequence[Episode], *, facts: Sequence[Fact] = ()
    ) -> Revision:
        """Search from the persona in use, and store the result when it differs.

        Args:
            user_id: whose persona it is.
            history: episodes with outcomes, in time order.
            facts: current facts of semantic memory.

        Raises:
            ConflictError: the persona changed meanwhile; nothing was written, and what was
                paid for is journaled.
            ModelError: the search could not go on; what was paid for is journaled.
        """
        current = await asyncio.to_thread(self._personas.latest, user_id)
        versions = await asyncio.to_thread(self._personas.history, user_id)
        model = self.journaled(user_id)
        before = self._model.usage(user_id=user_id)
        search = Search(
            user_id,
            history,
            evaluate=self._simulator(),
            model=model,
            config=self.config,
            current=current,
            facts=facts,
            again=model.again() if isinstance(model, JournaledModel) else None,
            earlier=[one for one in reversed(versions) if one.cause == "optimize"],
            vectors=self._vectors,
        )
        found = await search.run()
        used = spent(before, self._model.usage(user_id=user_id))
        revision = self._revision(user_id, current, found, search, used, len(history))
        await asyncio.to_thread(self._store, current, search.draft, found, revision)
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
        prompts = (
            DECIDE,
            DECIDE_BRIEF,
            RESPOND,
            DRAFT_PERSONA,
            CRITIQUE,
            PROPOSE_EDITS,
            VERIFY_CLAIMS,
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
            usage=used,
            model=self._model.name,
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
        return f"only what the user stated is taken up, as stated and unjudged: {few}"
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
