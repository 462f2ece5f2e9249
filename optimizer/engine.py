"""The search for a better persona: simulate, critique, propose, gate. Sequential and readable.

Candidate 0 is the generic prompt. The history is split in time: its earlier part is simulated and
learned from, its later part only judges. An edit enters the persona when it gains on the batch
whose errors it mends and does not lose on the later part; what is served in the end must be no
worse there than the generic prompt and plain retrieval.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from persona_agent.optimizer.config import OptimizerConfig
from persona_agent.optimizer.draft import draft_persona
from persona_agent.optimizer.gates import compare
from persona_agent.optimizer.gradient import blame, critique_errors, propose_edits, words_of
from persona_agent.optimizer.policies import CANDIDATES
from persona_agent.persona import apply_edits, outcome_statistics
from persona_agent.protocols import LanguageModel
from persona_agent.schema import (
    Claim,
    ContextPolicy,
    Edit,
    EditOperation,
    Episode,
    Fact,
    GateResult,
    Persona,
    Trial,
)

Evaluate = Callable[[Persona, Sequence[Episode], LanguageModel], Awaitable[list[Trial]]]
"""Simulates episodes with a persona: one trial an episode, in order, memory strictly before it."""


class Search:
    """One search for one user. ``persona`` is the best so far; the rest is the record of it."""

    def __init__(
        self,
        user_id: str,
        history: Sequence[Episode],
        *,
        evaluate: Evaluate,
        model: LanguageModel,
        config: OptimizerConfig,
        current: Persona | None = None,
        facts: Sequence[Fact] = (),
    ) -> None:
        self.config = config
        self.draft: Persona | None = None
        self.accepted: list[Edit] = []
        self.rejected: list[Edit] = []
        self.gates: list[GateResult] = []
        self.persona = current or Persona(user_id=user_id, cause="draft")
        self._trials: dict[tuple[tuple[Claim, ...], ContextPolicy], dict[str, Trial]] = {}
        self._current = current
        self._facts = facts
        self._history = history
        self._evaluate = evaluate
        self._model = model
        count = min(config.max_validation, round(len(history) * config.validation_share))
        cut = len(history) - max(1, count)
        self._train, self._validation = history[:cut], history[cut:]
        warm = max(1, round(len(history) * config.warm_up_share))
        self._replay = history[warm:][-config.max_replay :]

    async def run(self) -> Persona:
        """Return the persona to serve: its claims earned, its policy chosen by validation."""
        if len(self._history) < self.config.min_history:
            return self._finished(self.persona.model_copy(update={"policy": ContextPolicy()}))
        if self._current is None:
            self.persona = self.draft = await draft_persona(
                self.persona.user_id, self._train, self._model, self.config, facts=self._learned()
            )
        await self._choose_policy()
        idle = 0
        for epoch in range(self.config.epochs):
            gained = await self._round(epoch)
            idle = 0 if gained else idle + 1
            if idle >= self.config.patience:
                break
        if self.accepted:
            await self._choose_policy()
        await self._do_no_harm()
        return self._finished(self.persona)

    async def _simulate(self, persona: Persona, episodes: Sequence[Episode]) -> list[Trial]:
        """Simulate episodes, each once for what a persona shows: batches and slices overlap."""
        known = self._trials.setdefault((persona.claims, persona.policy), {})
        missing = [episode for episode in episodes if episode.id not in known]
        for trial in await self._evaluate(persona, missing, self._model):
            known[trial.episode_id] = trial
        return [known[episode.id] for episode in episodes]

    def _learned(self) -> list[Fact]:
        """Return the facts that rest on training episodes alone: others know what judges."""
        train = {episode.id for episode in self._train}
        return [fact for fact in self._facts if train.issuperset(fact.sources)]

    # --- what is shown --------------------------------------------------------------------------

    async def _choose_policy(self) -> None:
        """Leave the policy in use only for one that is clearly better in replay.

        What is recalled and counted for an episode is strictly before it, so nearly the whole
        history can judge a policy; claims drafted from its earlier part are shown by most.
        """
        best = await self._simulate(self.persona, self._replay)
        for name, policy in CANDIDATES.items():
            if policy == self.persona.policy or policy == ContextPolicy.generic():
                continue
            rival = self.persona.model_copy(update={"policy": policy})
            trials = await self._simulate(rival, self._replay)
            if self._gate(f"policy {name}", trials, best, self.config.switch_errors):
                self.persona, best = rival, trials

    async def _do_no_harm(self) -> None:
        """Serve the generic prompt where it is better than everything that was learned."""
        best = await self._simulate(self.persona, self._replay)
        generic = await self._simulate(Persona.generic(self.persona.user_id), self._replay)
        if not self._gate("no worse than generic", best, generic, -self.config.harm_errors):
            policy = ContextPolicy.generic()
            self.persona = self.persona.model_copy(update={"policy": policy})

    def _gate(
        self, name: str, candidate: Sequence[Trial], incumbent: Sequence[Trial], errors: float
    ) -> bool:
        result = compare(
            name,
            candidate,
            incumbent,
            confidence_weight=self.config.confidence_weight,
            margin_errors=errors,
        )
        self.gates.append(result)
        return result.passed

    # --- what is claimed ------------------------------------------------------------------------

    async def _round(self, epoch: int) -> bool:
        """Simulate one batch, learn from its errors; return whether an edit was accepted."""
        batch = self._batch(epoch)
        trials = await self._simulate(self.persona, batch)
        critiques = await critique_errors(self.persona, trials, batch, self._train, self._model)
        if not critiques:
            return False
        correct = [e for e, trial in zip(batch, trials, strict=True) if trial.loss == 0]
        self.persona = blame(self.persona, critiques)
        edits = await propose_edits(
            self.persona,
            critiques,
            correct,
            self._train,
            [words_of(edit) for edit in self.rejected],
            self._model,
            self.config,
        )
        gained = [await self._try(edit, batch) for edit in edits]
        return any(gained)

    def _batch(self, epoch: int) -> Sequence[Episode]:
        """Return the latest training episodes, a window further back each round."""
        size = self.config.batch_size
        end = len(self._train) - epoch * size
        return self._train[max(0, end - size) : end] if end > 0 else self._train[-size:]

    async def _try(self, edit: Edit, batch: Sequence[Episode]) -> bool:
        """Accept one edit when it gains on the batch and does not lose on validation."""
        candidate = apply_edits(self.persona, [edit], cause="optimize", at=self._history[-1].at)
        if candidate.claims == self.persona.claims:
            self.rejected.append(edit)
            return False
        name = words_of(edit)
        bar = 0.0 if edit.operation is not EditOperation.DELETE else -self.config.harm_errors
        for gate, episodes, errors in (
            ("minibatch", batch, bar),
            (
                "validation",
                self._validation,
                max(bar, self.config.edit_errors) if bar >= 0 else bar,
            ),
        ):
            trials = await self._simulate(candidate, episodes)
            before = await self._simulate(self.persona, episodes)
            if not self._gate(f"{gate}: {name}", trials, before, errors):
                self.rejected.append(edit)
                return False
        self.persona = candidate
        self.accepted.append(edit)
        return True

    def _finished(self, persona: Persona) -> Persona:
        return persona.model_copy(update={"statistics": outcome_statistics(self._history)})
