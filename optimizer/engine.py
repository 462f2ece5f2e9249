"""The search for a better persona: simulate, critique, propose, verify, gate.

Candidate 0 is the generic prompt. The history is split in time: its earlier part is simulated and
learned from, its later part only judges. A proposed claim is first checked on cases that it was
not written from. It enters the pool when it gains on the batch whose errors it mends, and the
persona when it gains on the later part too; what is served in the end must be no worse than the
generic prompt and plain retrieval.
"""

from __future__ import annotations

from collections.abc import Sequence

from persona_agent.optimizer.config import OptimizerConfig
from persona_agent.optimizer.draft import draft_persona, with_stated
from persona_agent.optimizer.gates import compare, score
from persona_agent.optimizer.gradient import blame, credit, critique_errors, propose_edits, words_of
from persona_agent.optimizer.policies import CANDIDATES, first_policy
from persona_agent.optimizer.pool import Candidate, Pool, merged
from persona_agent.optimizer.trials import Evaluate, Trials
from persona_agent.optimizer.verification import outdated, supported
from persona_agent.optimizer.watch import Critiqued, Drafted, Proposed, Simulated, tell
from persona_agent.persona import apply_edits, outcome_statistics
from persona_agent.protocols import LanguageModel
from persona_agent.schema import (
    ContextPolicy,
    Edit,
    EditOperation,
    Episode,
    Fact,
    GateResult,
    Persona,
    Trial,
)


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
        again: LanguageModel | None = None,
    ) -> None:
        self.config = config
        self.draft: Persona | None = None
        self.rejected: list[Edit] = []
        self.gates: list[GateResult] = []
        self._best = Candidate(current or Persona(user_id=user_id, cause="draft"))
        self._generic = Persona.generic(user_id)
        self._pool = Pool()
        self._trials = Trials(evaluate, model, again=again)
        self._noise = 0.0
        self._facts = facts
        self._history = history
        self._model = model
        count = min(config.max_validation, round(len(history) * config.validation_share))
        cut = len(history) - max(1, count)
        self._train, self._validation = history[:cut], history[cut:]
        warm = max(1, round(len(history) * config.warm_up_share))
        self._replay = history[warm:][-config.max_replay :]

    @property
    def persona(self) -> Persona:
        """The best persona so far."""
        return self._best.persona

    @property
    def accepted(self) -> tuple[Edit, ...]:
        """The edits that led to it, in order."""
        return self._best.edits

    async def run(self) -> Persona:
        """Return the persona to serve: its claims earned, its policy chosen by validation."""
        if len(self._history) < self.config.min_history:  # too few to judge anything concluded
            return self._finished(self.persona.model_copy(update={"policy": ContextPolicy()}))
        if all(claim.origin == "user" for claim in self.persona.claims):
            self.draft = await self._drafted(self._train)
            policy = first_policy(self._train)
            self._best = Candidate(self.draft.model_copy(update={"policy": policy}))
            tell(Drafted(claims=self.draft.claims))
        self._noise = await self._trials.noise(
            self.persona, self._train[-self.config.batch_size :], self.config.confidence_weight
        )
        await self._choose_policy()
        if self.draft is None:
            await self._retire()
            await self._draft_anew()
        await self._enter(self._best)
        await self._rounds()
        await self._merge()
        if self.accepted:
            await self._choose_policy()
        await self._do_no_harm()
        await self._refit()
        return self._finished(self.persona)

    async def _rounds(self) -> None:
        idle = 0
        for epoch in range(self.config.epochs):
            idle = 0 if await self._round(epoch) else idle + 1
            if idle >= self.config.patience:
                break

    async def _simulated(
        self, what: str, persona: Persona, episodes: Sequence[Episode]
    ) -> list[Trial]:
        trials = await self._trials.of(persona, episodes)
        tell(Simulated(what=what, episodes=tuple(episodes), trials=tuple(trials)))
        return trials

    async def _drafted(self, history: Sequence[Episode]) -> Persona:
        """Return a draft on top of what the user fixed, without what the user deleted.

        It knows only facts that rest on this history, and what was said before its end: others
        know what judges.
        """
        own, end = {episode.id for episode in history}, history[-1].at
        facts = [
            fact
            for fact in self._facts
            if own.issuperset(fact.sources) or (fact.stated and fact.valid_from <= end)
        ]
        user_id = self.persona.user_id
        written = await draft_persona(user_id, history, self._model, self.config, facts=facts)
        said = with_stated(self.persona, facts)
        fixed = tuple(claim for claim in said.claims if claim.protected)
        known = {claim.statement.casefold() for claim in fixed}
        known |= {one.casefold() for one in self.persona.unwanted}
        new = [claim for claim in written.claims if claim.statement.casefold() not in known]
        kept = {"claims": (*fixed, *new), "unwanted": self.persona.unwanted}
        return written.model_copy(update=kept)

    async def _draft_anew(self) -> None:
        """Replace the claims in use by a new draft where that is better on what came later."""
        fresh = await self._drafted(self._train)
        persona = showing_claims(fresh.model_copy(update={"policy": self.persona.policy}))
        if await self._judge("a new draft", Candidate(persona), self.config.edit_errors):
            self.draft = fresh

    async def _refit(self) -> None:
        """Write a draft that earned its place once more, now from the whole history.

        What the gates chose is a recipe: a draft, shown by this policy. The part that judged it is
        the latest of the history, and too good to be left out. A persona whose claims were edited
        stays as it was judged.
        """
        shown = self.persona.policy.show_claims and self.persona.policy.recalled > 0
        if self.config.refit and self.draft is not None and shown and not self.accepted:
            whole = await self._drafted(self._history)
            self._best = Candidate(whole.model_copy(update={"policy": self.persona.policy}))

    # --- what is shown --------------------------------------------------------------------------

    async def _choose_policy(self) -> None:
        """Leave the policy in use only for one that is clearly better in replay.

        What is recalled and counted for an episode is strictly before it, so nearly the whole
        history can judge a policy; claims drafted from its earlier part are shown by most.
        """
        best = await self._simulated("replay", self.persona, self._replay)
        for name, policy in CANDIDATES.items():
            if policy == self.persona.policy or policy == ContextPolicy.generic():
                continue
            rival = self.persona.model_copy(update={"policy": policy})
            trials = await self._trials.of(rival, self._replay)
            if self._gate(f"policy {name}", trials, best, self.config.switch_errors):
                self._show(policy)
                best = trials

    async def _do_no_harm(self) -> None:
        """Serve the generic prompt where it is better than everything that was learned."""
        best = await self._trials.of(self.persona, self._replay)
        generic = await self._trials.of(self._generic, self._replay)
        if not self._gate("no worse than generic", best, generic, -self.config.harm_errors):
            self._show(ContextPolicy.generic())

    def _show(self, policy: ContextPolicy) -> None:
        persona = self.persona.model_copy(update={"policy": policy})
        self._best = Candidate(persona, self.accepted)

    def _gate(
        self, name: str, candidate: Sequence[Trial], incumbent: Sequence[Trial], errors: float
    ) -> bool:
        result = compare(
            name,
            candidate,
            incumbent,
            confidence_weight=self.config.confidence_weight,
            margin_errors=errors,
            noise=self._noise,
        )
        self.gates.append(result)
        tell(result)
        return result.passed

    # --- what is claimed ------------------------------------------------------------------------

    async def _round(self, epoch: int) -> bool:
        """Simulate one batch, learn from its errors; return whether an edit was accepted."""
        parent = self._pool.parent(epoch)
        batch = self._batch(epoch)
        trials = await self._simulated(f"batch {epoch + 1}", parent.persona, batch)
        critiques = await critique_errors(parent.persona, trials, batch, self._train, self._model)
        tell(Critiqued(critiques=tuple(critiques)))
        if not critiques:
            return False
        correct = [e for e, trial in zip(batch, trials, strict=True) if trial.loss == 0]
        blamed = blame(parent.persona, critiques)
        if parent.edits == self.accepted:
            self._best = Candidate(blamed, parent.edits)
        tried = [words_of(edit) for edit in self.rejected]
        proposed = await propose_edits(
            blamed, critiques, correct, self._train, tried, self._model, self.config
        )
        edits, unsupported = await supported(
            proposed, self._train, self.config.verify_cases, self._model
        )
        self.rejected.extend(unsupported)
        tell(Proposed(edits=tuple(edits), unsupported=tuple(unsupported)))
        before = self.accepted
        parent = Candidate(blamed, parent.edits)
        for edit in edits:
            parent = await self._try(edit, parent, batch)
        return self.accepted != before

    async def _try(self, edit: Edit, parent: Candidate, batch: Sequence[Episode]) -> Candidate:
        """Return the parent with one more edit where that gains on the batch, else the parent.

        The child becomes the best candidate when it does not lose on validation either.
        """
        persona = apply_edits(parent.persona, [edit], cause="optimize", at=self._history[-1].at)
        if persona.claims == parent.persona.claims:
            self.rejected.append(edit)
            return parent
        if edit.operation is not EditOperation.DELETE:  # a claim can only help where it is shown
            persona = showing_claims(persona)
        child = Candidate(persona, (*parent.edits, edit))
        name = words_of(edit)
        trials = await self._trials.of(persona, batch)
        before = await self._trials.of(parent.persona, batch)
        if not self._gate(f"minibatch: {name}", trials, before, self._bar(edit, 0.0)):
            self.rejected.append(edit)
            return parent
        await self._enter(child)
        errors = self._bar(edit, self.config.edit_errors)
        if await self._judge(f"validation: {name}", child, errors):
            return child
        self.rejected.append(edit)
        return parent

    def _bar(self, edit: Edit, errors: float) -> float:
        """A deletion makes the persona smaller: it need not gain, only do no harm."""
        return -self.config.harm_errors if edit.operation is EditOperation.DELETE else errors

    async def _judge(self, name: str, candidate: Candidate, errors: float) -> bool:
        """Compare a candidate with the best and the generic prompt on the later part; keep it."""
        trials = await self._trials.of(candidate.persona, self._validation)
        best = await self._trials.of(self.persona, self._validation)
        generic = await self._trials.of(self._generic, self._validation)
        if not self._gate(name, trials, best, errors) or not self._gate(
            f"against generic: {name}", trials, generic, -self.config.harm_errors
        ):
            return False
        self._best = Candidate(
            credit(candidate.persona, self.persona, trials, best), candidate.edits
        )
        return True

    async def _enter(self, candidate: Candidate) -> None:
        """Take a candidate into the pool, scored on the latest training episodes."""
        episodes = self._train[-self.config.pool_cases :]
        trials = await self._trials.of(candidate.persona, episodes)
        weight = self.config.confidence_weight
        self._pool.add(candidate, {one.episode_id: score(one, weight) for one in trials})

    async def _merge(self) -> None:
        """Try the best candidate with the edits of one that is good where it is not."""
        partner = self._pool.partner(self._best)
        if partner is None:
            return
        child = merged(self._best, partner, self._history[-1].at)
        if child.persona.claims != self.persona.claims:
            await self._judge("merge", child, self.config.edit_errors)

    async def _retire(self) -> None:
        """Try without each claim that the latest outcomes contradict: tastes change."""
        latest = self._history[-self.config.verify_cases :] if self.config.verify_cases else ()
        stale = await outdated(
            self.persona.claims, latest, self._model, least=self.config.retire_cases
        )
        for edit in stale:
            at = self._history[-1].at
            persona = apply_edits(self.persona, [edit], cause="optimize", at=at)
            child = Candidate(persona, (*self.accepted, edit))
            if not await self._judge(f"retire: {words_of(edit)}", child, -self.config.harm_errors):
                self.rejected.append(edit)

    def _batch(self, epoch: int) -> Sequence[Episode]:
        """Return the latest training episodes, a window further back each round."""
        size = self.config.batch_size
        end = len(self._train) - epoch * size
        return self._train[max(0, end - size) : end] if end > 0 else self._train[-size:]

    def _finished(self, persona: Persona) -> Persona:
        """Add what needs no judging: the counts, and what the user said up to now."""
        counted = persona.model_copy(update={"statistics": outcome_statistics(self._history)})
        return with_stated(counted, self._facts)


def showing_claims(persona: Persona) -> Persona:
    """Return the persona with a policy that shows its claims."""
    policy = persona.policy.model_copy(update={"show_claims": True})
    return persona.model_copy(update={"policy": policy})
