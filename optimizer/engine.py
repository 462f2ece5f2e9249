"""The search for a better persona: draft, policy, edits, and nothing worse than generic.

Candidate 0 is the generic prompt. The history is split in time: its earlier part is simulated and
learned from, its later part only judges. What is served in the end must be no worse than the
generic prompt and plain retrieval. What is shown is searched by ``policy_search``, what is claimed
by ``edit_search``, which version answers what by ``version_search``; this module knows only their
order.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from persona_agent.optimizer.config import OptimizerConfig
from persona_agent.optimizer.draft import draft_upon, with_stated
from persona_agent.optimizer.edit_search import EditSearch, showing_claims
from persona_agent.optimizer.imagined import Imagination, is_simulated
from persona_agent.optimizer.judging import Judge, Slices
from persona_agent.optimizer.policies import first_policy
from persona_agent.optimizer.policy_search import choose_policy, do_no_harm, seeing_since
from persona_agent.optimizer.pool import Candidate
from persona_agent.optimizer.trials import Evaluate, Trials
from persona_agent.optimizer.verification import unrefuted, with_cases
from persona_agent.optimizer.version_search import VectorsOf, choose_versions
from persona_agent.optimizer.watch import Drafted, tell
from persona_agent.persona import outcome_statistics
from persona_agent.persona.alternatives import without_alternatives
from persona_agent.persona.overtaking import changes_of_taste, seeing_turns
from persona_agent.protocols import LanguageModel
from persona_agent.schema import ContextPolicy, Edit, Episode, Fact, GateResult, Noise, Persona

MOST_COMPARED = 1_000
"""Episodes, the latest ones, among which changes of taste are looked for."""


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
        again: Sequence[LanguageModel] = (),
        earlier: Sequence[Persona] = (),
        vectors: VectorsOf | None = None,
    ) -> None:
        """Take what a search needs.

        Args:
            user_id: whose persona it is.
            history: episodes with outcomes, in time order; invented ones are left out.
            evaluate: simulates episodes.
            model: writes drafts, critiques and edits, and answers in simulation.
            config: settings.
            current: the version in use.
            facts: of semantic memory, oldest first; with those that were replaced, a draft from
                the earlier part of the history knows what was known then.
            again: the same model, each time with answers drawn anew.
            earlier: versions that were in use before, the latest first.
            vectors: of episodes; without them no choice among versions is tried, and no change of
                taste is seen.
        """
        self.config = config
        self.draft: Persona | None = None
        self._facts = facts
        self._model = model
        history = [one for one in history if not is_simulated(one)]
        changes, self._since = _changes(user_id, history, vectors)
        self._slices = Slices.of(history, config, changes)
        trials = Trials(evaluate, model, again=again, draws=config.contradiction_draws)
        self._judge = Judge(user_id, self._slices, trials, config)
        begun = without_alternatives(current or Persona(user_id=user_id, cause="draft"))
        begun = seeing_since(begun, None)
        later = self._slices.validation
        moment = later[0].at if later else begun.created_at
        imagination = Imagination(self._slices.train, moment, model)
        self._edits = EditSearch(Candidate(begun), self._judge, model, imagination)
        self._earlier = earlier
        self._vectors = vectors

    @property
    def persona(self) -> Persona:
        """The best persona so far."""
        return self._edits.best.persona

    @property
    def accepted(self) -> tuple[Edit, ...]:
        """The edits that led to it, in order."""
        return self._edits.best.edits

    @property
    def rejected(self) -> list[Edit]:
        """The edits that did not help."""
        return self._edits.rejected

    @property
    def noise(self) -> Noise | None:
        """What scores vary by between personas, episodes and runs; None where runs are alike."""
        return self._judge.noise

    @property
    def gates(self) -> list[GateResult]:
        """Every comparison, in order."""
        return self._judge.gates

    async def run(self) -> Persona:
        """Return the persona to serve: its claims earned, its policy chosen by validation."""
        if len(self._slices.history) < self.config.min_history:  # too few to judge anything
            return self._finished(self.persona.model_copy(update={"policy": ContextPolicy()}))
        if all(claim.origin == "user" for claim in self.persona.claims):
            await self._draft_first()
        await self._judge.measure_noise(self.persona)
        await self._choose_policy()
        if self.draft is None:
            await self._edits.retire()
            await self._draft_anew()
        await self._edits.rounds()
        await self._edits.merge()
        if self.accepted:
            await self._choose_policy()
        await self._choose_versions()
        self._edits.best = await do_no_harm(self._edits.best, self._judge)
        await self._refit()
        return self._finished(self.persona)

    async def _choose_policy(self) -> None:
        self._edits.best = await choose_policy(self._edits.best, self._judge)

    async def _choose_versions(self) -> None:
        if self._vectors is not None:
            earlier = self._earlier[: self.config.alternatives]
            self._edits.best = await choose_versions(
                self._edits.best, earlier, self._judge, self._vectors
            )

    # --- drafts ---------------------------------------------------------------------------------

    async def _drafted(
        self, history: Sequence[Episode], refused: Sequence[str] = (), *, judged: bool = True
    ) -> Persona:
        return await draft_upon(
            self.persona,
            history,
            self._facts,
            self._model,
            self.config,
            refused=refused,
            judged=judged,
        )

    async def _draft_first(self) -> None:
        """Begin with a draft; nothing of it is proven yet."""
        self.draft = await self._drafted(self._slices.train)
        policy = first_policy(self._slices.train)
        self._edits.best = Candidate(self.draft.model_copy(update={"policy": policy}))
        tell(Drafted(claims=self.draft.claims))

    async def _draft_anew(self) -> None:
        """Replace the claims in use by a new draft where that is better on what came later."""
        fresh = await self._drafted(self._slices.train)
        persona = showing_claims(fresh.model_copy(update={"policy": self.persona.policy}))
        if await self._edits.accepts("a new draft", Candidate(persona), self.config.edit_errors):
            self.draft = fresh

    async def _refit(self) -> None:
        """Write a draft that earned its place once more, now from the whole history.

        What the gates chose is a recipe: a draft, shown by this policy. The part that judged it is
        the latest of the history, and too good to be left out. What was chosen before taste changed
        is left out, as it is where cases are recalled. A persona whose claims were edited stays as
        it was judged. Nothing is left to judge the new draft as a whole, but what can be told
        without is: no claim comes back that failed or was refuted, and none that was not judged
        stays against the cases that it does not rest on.
        """
        shown = self.persona.policy.show_claims and self.persona.policy.recalled > 0
        if self.config.refit and self.draft is not None and shown and not self.accepted:
            history, tried = self._of_this_taste(), {one.statement for one in self.draft.claims}
            refused = [one.statement for one in self._edits.failed if one.text]
            new = [one for one in refused if one not in tried]
            whole = await self._drafted(history, new, judged=False)
            whole = await self._unrefuted(whole, tried, history)
            judged = ("policy", "alternatives", "track_record")
            kept = whole.model_copy(update={name: getattr(self.persona, name) for name in judged})
            self._edits.best = replace(self._edits.best, persona=kept)

    async def _unrefuted(
        self, whole: Persona, judged: Collection[str], history: Sequence[Episode]
    ) -> Persona:
        """Return a persona without claims that cases refute; what was judged or fixed stays."""
        new = [one for one in whole.claims if not one.protected and one.statement not in judged]
        most = self.config.verify_cases
        kept = {one.id: one for one in await unrefuted(new, history, most, self._model)}
        gone = {one.id for one in new} - kept.keys()
        claims = (kept.get(one.id, one) for one in whole.claims if one.id not in gone)
        return whole.model_copy(update={"claims": tuple(claims)})

    def _of_this_taste(self) -> Sequence[Episode]:
        since, history = self._since, self._slices.history
        return [one for one in history if since is None or one.at >= since]

    def _finished(self, persona: Persona) -> Persona:
        """Add what needs no judging: counts, what cases said of claims, what the user said, and
        since when taste is this.

        Policies are judged without that moment. What a replay has of the time since is mostly what
        did not change, and there old cases serve.
        """
        persona = seeing_since(persona, self._since)
        told = self._edits.told
        claims = [
            with_cases(one, told[one.statement]) if one.statement in told else one
            for one in persona.claims
        ]
        history = self._slices.history
        known = {"statistics": outcome_statistics(history), "claims": tuple(claims)}
        told_of = seeing_turns(persona.model_copy(update=known), history)
        return with_stated(told_of, self._facts)


def _changes(
    user_id: str, history: Sequence[Episode], vectors: VectorsOf | None
) -> tuple[frozenset[str], datetime | None]:
    """Return the episodes, of the latest ones, that show a change of taste, and since when taste
    as a whole is another, if it is."""
    recent = history[-MOST_COMPARED:]
    if vectors is None or not recent:
        return frozenset(), None
    return changes_of_taste(recent, vectors(user_id, [one.id for one in recent]))
