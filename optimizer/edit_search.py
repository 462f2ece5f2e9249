"""The search over what is claimed of a user: small edits, each of which has to gain by itself.

A proposed claim is first checked on cases that it was not written from. It enters the pool when it
gains on the batch whose errors it mends, and the persona when it gains on the later part too. To
the batch come invented queries, where the settings ask for some; nothing else ever sees them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from persona_agent.optimizer.gradient import (
    Critique,
    blame,
    credit,
    critique_errors,
    missed_by,
    propose_edits,
    words_of,
)
from persona_agent.optimizer.imagined import Imagination
from persona_agent.optimizer.judging import Judge
from persona_agent.optimizer.objective import objective
from persona_agent.optimizer.pool import Candidate, Pool, merged
from persona_agent.optimizer.trials import acts
from persona_agent.optimizer.verification import Support, of_learned, outdated, supported
from persona_agent.optimizer.watch import Critiqued, Proposed, tell
from persona_agent.persona import apply_edits
from persona_agent.persona.overtaking import seeing_turns
from persona_agent.protocols import LanguageModel
from persona_agent.schema import Claim, Edit, EditOperation, Episode, Persona, Trial

_Comparison = tuple[tuple[object, ...], tuple[object, ...], tuple[str, ...], bool]
"""How two personas act, on which episodes, and whether the first has to gain."""


class EditSearch:
    """Looks for edits of one persona. ``best`` is the best so far, ``rejected`` what was not taken.

    ``failed`` are those of them that cases refuted or a gate turned down: of the others, too little
    is known. ``told`` is what cases were found to say of claims, by their statements: the latest
    ones of claims that were in use, and those in which a claim misled.
    """

    def __init__(
        self, best: Candidate, judge: Judge, model: LanguageModel, imagination: Imagination
    ) -> None:
        self.best = best
        self.rejected: list[Edit] = []
        self.failed: list[Edit] = []
        self.told: dict[str, Support] = {}
        self._judge = judge
        self._config = judge.config
        self._model = model
        self._imagination = imagination
        self._pool = Pool()
        self._validated = 0
        self._failed: set[_Comparison] = set()

    async def rounds(self) -> None:
        """Go round until rounds stop helping: simulate, critique, propose, verify, gate."""
        await self._enter(self.best)
        idle = 0
        for epoch in range(self._config.epochs):
            idle = 0 if await self._round(epoch) else idle + 1
            if idle >= self._config.patience:
                break

    async def merge(self) -> None:
        """Try the best candidate with the edits of one that is good where it is not."""
        partner = self._pool.partner(self.best)
        if partner is None:
            return
        child = merged(self.best, partner, self._judge.slices.history[-1].at)
        if child.persona.claims != self.best.persona.claims:
            child = Candidate(showing_claims(child.persona), child.edits)
            await self.accepts("merge", child, self._config.edit_errors)

    async def retire(self) -> None:
        """Try without each claim that the latest outcomes contradict: tastes change."""
        history, most = self._judge.slices.history, self._config.verify_cases
        latest = history[-most:] if most else ()
        told = await of_learned(self.best.persona.claims, latest, self._model)
        self.told = {claim.statement: said for claim, said in told}
        for edit in outdated(told, least=self._config.retire_cases):
            persona = self._edited(self.best.persona, edit)
            child = Candidate(persona, (*self.best.edits, edit))
            name = f"retire: {words_of(edit)}"
            if not await self.accepts(name, child, -self._config.harm_errors):
                self.rejected.append(edit)

    async def accepts(self, name: str, candidate: Candidate, errors: float) -> bool:
        """Compare a candidate with the best and the generic prompt on the later part; keep it.

        One that acts the same as one that failed is not compared with the same best again: another
        name, or a lower bar, makes it no better.
        """
        later = self._judge.slices.validation
        comparison = _comparison(candidate.persona, self.best.persona, later, errors)
        if comparison in self._failed:
            return False
        trials = await self._judge.trials.of(candidate.persona, later)
        best = await self._judge.trials.of(self.best.persona, later)
        generic = await self._judge.trials.of(self._judge.generic, later)
        if not self._judge.gate(name, trials, best, errors) or not self._judge.gate(
            f"against generic: {name}", trials, generic, -self._config.harm_errors
        ):
            self._failed.add(comparison)
            return False
        credited = credit(candidate.persona, self.best.persona, trials, best)
        self.best = Candidate(credited, candidate.edits)
        return True

    # --- one round ------------------------------------------------------------------------------

    async def _round(self, epoch: int) -> bool:
        """Simulate one batch, learn from its errors; return whether an edit was accepted."""
        parent = self._pool.parent(epoch)
        batch = self._batch(epoch, parent.persona.claims)
        trials = await self._judge.simulated(f"batch {epoch + 1}", parent.persona, batch)
        train = self._judge.slices.train
        critiques = await critique_errors(parent.persona, trials, batch, train, self._model)
        tell(Critiqued(critiques=tuple(critiques)))
        if not critiques:
            return False
        self._note(parent.persona, critiques)
        blamed = Candidate(blame(parent.persona, critiques), parent.edits)
        if parent.edits == self.best.edits:
            self.best = blamed
        correct = [e for e, trial in zip(batch, trials, strict=True) if trial.loss == 0]
        proposed = await propose_edits(
            blamed.persona,
            critiques,
            correct,
            train,
            [words_of(edit) for edit in self.rejected],
            self._model,
            self._config,
        )
        before, parent = self.best.edits, blamed
        edits = await self._checked(proposed, blamed.persona, missed_by(critiques))
        if edits:
            count = self._config.simulated
            batch = [*batch, *await self._imagination.queries(parent.persona, count, epoch)]
        for edit in edits:
            parent = await self._try(edit, parent, batch)
        return self.best.edits != before

    def _note(self, persona: Persona, critiques: Sequence[Critique]) -> None:
        """Keep the cases in which claims of a persona were wrong."""
        for critique in critiques:
            wrong = Support(contradicts=(critique.failure.case.episode_id,))
            for claim in persona.claims:
                if claim.id in critique.misleading and not claim.protected:
                    known = self.told.get(claim.statement, Support())
                    self.told[claim.statement] = Support.of_all([known, wrong])

    async def _checked(
        self, proposed: Sequence[Edit], persona: Persona, missed: Mapping[str, Sequence[str]]
    ) -> list[Edit]:
        edits, refuted, unknown = await supported(
            proposed,
            self._judge.slices.train,
            self._config.verify_cases,
            self._model,
            claims=persona.claims,
            missed=missed,
        )
        self.failed.extend(refuted)
        self.rejected.extend([*refuted, *unknown])
        tell(Proposed(edits=tuple(edits), unsupported=(*refuted, *unknown)))
        return edits

    async def _try(self, edit: Edit, parent: Candidate, batch: Sequence[Episode]) -> Candidate:
        """Return the parent with one more edit where that gains on the batch, else the parent.

        The child becomes the best candidate when it does not lose on validation either.
        """
        base = parent.persona
        if edit.operation is not EditOperation.DELETE:  # a claim can only help where it is shown
            base = showing_claims(base)  # of both, so that no edit is credited with all the others
        persona = self._edited(base, edit)
        child = Candidate(persona, (*parent.edits, edit))
        name = words_of(edit)
        if persona.claims == base.claims:  # nothing changes, so that there is nothing to judge
            self.rejected.append(edit)
            return parent
        known = self._failed_before(persona, edit, parent)
        if not known and await self._gains(f"minibatch: {name}", persona, base, batch, edit):
            await self._enter(child)
            if await self.accepts(f"validation: {name}", child, self._validation_bar(edit, parent)):
                return child
        self.rejected.append(edit)
        self.failed.append(edit)
        return parent

    async def _gains(
        self, name: str, persona: Persona, base: Persona, batch: Sequence[Episode], edit: Edit
    ) -> bool:
        """Return whether an edit gains on the batch; a deletion need only do no harm there."""
        errors = -self._config.harm_errors if edit.operation is EditOperation.DELETE else 0.0
        comparison = _comparison(persona, base, batch, errors)
        if comparison in self._failed:
            return False
        trials = await self._judge.trials.of(persona, batch)
        before = await self._judge.trials.of(base, batch)
        passed = self._judge.gate(name, trials, before, errors)
        if not passed:
            self._failed.add(comparison)
        return passed

    def _failed_before(self, persona: Persona, edit: Edit, parent: Candidate) -> bool:
        """Return whether what acts the same has failed on validation: no batch can change that."""
        errors = 0.0 if self._must_gain(edit, parent) else -self._config.harm_errors
        later = self._judge.slices.validation
        return _comparison(persona, self.best.persona, later, errors) in self._failed

    def _edited(self, persona: Persona, edit: Edit) -> Persona:
        history = self._judge.slices.history
        edited = apply_edits(persona, [edit], cause="optimize", at=history[-1].at)
        return seeing_turns(edited, history)

    def _validation_bar(self, edit: Edit, parent: Candidate) -> float:
        """The bar for the m-th edit that is tried on the same later part: sqrt(e^2 + 2 ln m).

        The best of m edits that change nothing looks better by about sqrt(2 ln m) standard errors
        (the expected maximum of m normal variables is at most that). Without this, more rounds
        end in more lucky edits. Below 0, e keeps its sign: what passes anyway is not counted.
        """
        self._validated += 1
        least = self._config.edit_errors
        errors = math.copysign(math.sqrt(least**2 + 2 * math.log(self._validated)), least)
        return errors if self._must_gain(edit, parent) else -self._config.harm_errors

    def _must_gain(self, edit: Edit, parent: Candidate) -> bool:
        """A deletion makes the persona smaller: it need not gain, only do no harm.

        A parent that is not the best brings what was not accepted along, so that a deletion from it
        has to gain like any other edit.
        """
        return edit.operation is not EditOperation.DELETE or parent.edits != self.best.edits

    async def _enter(self, candidate: Candidate) -> None:
        """Take a candidate into the pool, scored on the latest training episodes."""
        episodes = self._judge.slices.train[-self._config.pool_cases :]
        trials = await self._judge.trials.of(candidate.persona, episodes)
        self._pool.add(candidate, {one.episode_id: self._cost(one) for one in trials})

    def _cost(self, trial: Trial) -> float:
        return objective(trial, self._config)

    def _batch(self, epoch: int, claims: Sequence[Claim]) -> Sequence[Episode]:
        """Return the latest training episodes, a window further back each round.

        Within twice the window, those go first that no claim was written from: what a claim was
        written from can hardly show where it misleads.
        """
        train, size = self._judge.slices.train, self._config.batch_size
        end = len(train) - epoch * size
        end = end if end > 0 else len(train)
        cited = {name for claim in claims for name in claim.evidence}
        near = train[max(0, end - 2 * size) : end]
        unseen = [one for one in near if one.id not in cited][-size:]
        seen = [one for one in near if one.id in cited]
        chosen = {one.id for one in (*unseen, *seen[max(0, len(seen) + len(unseen) - size) :])}
        return [one for one in near if one.id in chosen][-size:]


def _comparison(
    candidate: Persona, incumbent: Persona, episodes: Sequence[Episode], errors: float
) -> _Comparison:
    """Return what decides a gate but for the height of its bar: who is compared, and on what."""
    return acts(candidate), acts(incumbent), tuple(one.id for one in episodes), errors >= 0


def showing_claims(persona: Persona) -> Persona:
    """Return the persona with a policy that shows its claims."""
    policy = persona.policy.model_copy(update={"show_claims": True})
    return persona.model_copy(update={"policy": policy})
