"""Checking claims on cases that they were not written from, before they are believed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from persona_agent.errors import ModelAnswerError
from persona_agent.optimizer.claim_cases import (
    begins,
    cases_for,
    may_tell,
    replaced_by,
    tasks_of,
)
from persona_agent.optimizer.draft import LEAST_EVIDENCE
from persona_agent.persona.left_out import NO_RULE, leave_out
from persona_agent.prompts import VERIFY_CLAIMS, Case, VerifyInputs
from persona_agent.protocols import LanguageModel
from persona_agent.schema import Claim, Edit, EditOperation, Episode
from persona_agent.schema.base import Record

SEVERAL = 3
"""Cases that a claim must rest on to be tried where no other case speaks of it."""


class Support(Record):
    """Ids of the episodes that support and contradict one statement."""

    supports: tuple[str, ...] = ()
    contradicts: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether more cases support than contradict; none at all is no support."""
        return len(self.supports) > len(self.contradicts)

    @property
    def told(self) -> frozenset[str]:
        """The episodes that say anything of it."""
        return frozenset(self.supports) | frozenset(self.contradicts)

    @classmethod
    def of_all(cls, several: Sequence[Support]) -> Support:
        """Return what is said of several statements together, each episode once a side."""
        return cls(
            supports=tuple(dict.fromkeys(name for one in several for name in one.supports)),
            contradicts=tuple(dict.fromkeys(name for one in several for name in one.contradicts)),
        )

    def without(self, episodes: Collection[str]) -> Support:
        """Return what other episodes say."""
        return Support(
            supports=tuple(one for one in self.supports if one not in episodes),
            contradicts=tuple(one for one in self.contradicts if one not in episodes),
        )

    @property
    def refutes(self) -> bool:
        """Whether there are cases that contradict, and no more that support."""
        return bool(self.contradicts) and not self.holds


async def verify(
    statements: Sequence[str], episodes: Sequence[Episode], model: LanguageModel
) -> list[Support] | None:
    """Ask what episodes say of statements; None where nothing usable came back.

    All statements share one call. Answers about cases that do not exist are left out.
    """
    if not statements or not episodes:
        return None
    inputs = VerifyInputs(
        claims=tuple(statements), cases=tuple(Case.of(episode) for episode in episodes)
    )
    try:
        said = await model.ask(VERIFY_CLAIMS, inputs)
    except ModelAnswerError:
        return None
    found = [Support()] * len(statements)
    for verdict in said.verdicts:
        place = inputs.claim_index(verdict.claim)
        if place is not None:
            found[place] = Support(
                supports=_ids(inputs, verdict.supports),
                contradicts=_ids(inputs, verdict.contradicts),
            )
    return found


class Checked(NamedTuple):
    """Edits whose wording other cases support, refute, or say too little of."""

    supported: list[Edit]
    refuted: list[Edit]
    unknown: list[Edit]


async def supported(
    edits: Sequence[Edit],
    history: Sequence[Episode],
    most: int,
    model: LanguageModel,
    *,
    claims: Sequence[Claim] = (),
    missed: Mapping[str, Sequence[str]] | None = None,
) -> Checked:
    """Split edits into those whose wording other cases support, those they refute, and the rest.

    Each edit is judged by those of ``most`` episodes that it does not rest on, see
    :func:`cases_for`. One that replaces claims is compared with them: of the cases that it leaves,
    no more may have ended as the claims said than otherwise. A deletion claims nothing, so there
    is nothing to check. An edit that names every case about it leaves none that could support it:
    where the others are silent it passes if it rests on SEVERAL, or leaves more cases that went
    against what it replaces. A new claim that something is so since a day does not: cases from
    then on have to support it. When the check cannot be made (no such episode, or no usable
    answer) the edits are left to the gates. What the cases said goes with those that pass.

    Args:
        edits: what is proposed.
        history: episodes that may be learned from.
        most: cases to check on.
        model: tells what they say.
        claims: of the persona, those that edits replace among them.
        missed: by the id of a claim, cases in which it was followed and wrong.
    """
    found = Checked([], [], [])
    verdicts = await _verdicts(edits, history, most, model, claims, missed)
    for edit in edits:
        verdict = verdicts.get(edit)
        if verdict is None:
            found.supported.append(edit)
        elif verdict.passes(edit):
            found.supported.append(verdict.added_to(edit))
        else:
            (found.refuted if verdict.refutes else found.unknown).append(edit)
    return found


async def unrefuted(
    claims: Sequence[Claim], history: Sequence[Episode], most: int, model: LanguageModel
) -> list[Claim]:
    """Return claims with what other cases say of them, without those that are no rule by that.

    The cases are those of :func:`cases_for`; where none can be asked, the claims stay as they are.
    A claim that names all that shows it leaves mostly exceptions, so its own cases count too.
    """
    edits = [_adding(claim) for claim in claims]
    verdicts = await _verdicts(edits, history, most, model)
    kept = []
    for claim, edit in zip(claims, edits, strict=True):
        told = verdicts[edit].added_to(edit) if edit in verdicts else edit
        if len(told.evidence) > len(told.contrary):
            found = {"evidence": told.evidence, "contrary": told.contrary}
            kept.append(claim.model_copy(update=found))
        else:
            leave_out(claim.statement, NO_RULE)
    return kept


def _adding(claim: Claim) -> Edit:
    return Edit(
        operation=EditOperation.ADD,
        section=claim.section,
        scope=claim.scope,
        text=claim.text,
        evidence=claim.evidence,
        contrary=claim.contrary,
    )


class Verdict(Record):
    """What cases that an edit does not rest on say of it, and of what it replaces.

    ``left`` is what they say of the replaced claims where they say nothing of the edit.
    """

    said: Support
    left: Support = Support()

    @property
    def refutes(self) -> bool:
        """Whether cases speak against an edit: against what it says, or for what it gives up."""
        return self.said.refutes or len(self.left.supports) > len(self.left.contradicts)

    def passes(self, edit: Edit) -> bool:
        """Whether cases speak for an edit: for what it says, and for what it gives up."""
        left = self.left
        if self.refutes:
            return False
        rests_on = len(edit.evidence) + len(self.said.supports)
        mends = len(left.contradicts) > len(left.supports) and rests_on >= LEAST_EVIDENCE
        added_since = edit.operation is EditOperation.ADD and begins(edit.statement)
        several = len(edit.evidence) >= SEVERAL and not added_since
        return self.said.holds or several or mends

    def added_to(self, edit: Edit) -> Edit:
        """Return the edit with the cases that speak for it and against it."""
        contrary = dict.fromkeys([*edit.contrary, *self.said.contradicts])
        evidence = (*edit.evidence, *self.said.supports)
        against = tuple(name for name in contrary if name not in evidence)
        return edit.model_copy(update={"evidence": evidence, "contrary": against})


async def _verdicts(
    edits: Sequence[Edit],
    history: Sequence[Episode],
    most: int,
    model: LanguageModel,
    claims: Sequence[Claim] = (),
    missed: Mapping[str, Sequence[str]] | None = None,
) -> dict[Edit, Verdict]:
    """Return what cases say of edits and of what they replace, as far as there are cases."""
    claiming = [edit for edit in edits if edit.operation is not EditOperation.DELETE]
    cases = cases_for(claiming, history, most, claims=claims, missed=missed)
    old = {claim.id: claim.statement for edit in claiming for claim in replaced_by(edit, claims)}
    found = await verify([*(edit.statement for edit in claiming), *old.values()], cases, model)
    if found is None:
        return {}
    of_claims = dict(zip(old, found[len(claiming) :], strict=True))
    verdicts = {}
    for edit, of_edit in zip(claiming, found, strict=False):
        tasks = tasks_of(history, [edit], claims)
        # Before the day since which it is so, the old wording may well have been right.
        silent = {one.id for one in cases if not may_tell(edit.statement, one)}
        silent.update(edit.evidence)
        others = [one for one in cases if one.id not in silent]
        if any(not tasks or one.query.task_name in tasks for one in others):
            left = Support.of_all([of_claims[name] for name in edit.claim_ids if name in old])
            said = of_edit.without(silent)
            verdicts[edit] = Verdict(said=said, left=left.without({*silent, *of_edit.told}))
    return verdicts


async def of_learned(
    claims: Sequence[Claim], episodes: Sequence[Episode], model: LanguageModel
) -> list[tuple[Claim, Support]]:
    """Return what episodes say of each claim but those that the user fixed; [] if not to be had."""
    learned = [claim for claim in claims if not claim.protected]
    found = await verify([claim.statement for claim in learned], episodes, model)
    return list(zip(learned, found, strict=True)) if found else []


def outdated(told: Sequence[tuple[Claim, Support]], *, least: int) -> list[Edit]:
    """Propose to retire claims that recent outcomes contradict.

    Args:
        told: claims of the persona in use, with what the latest episodes say of them.
        least: how many of these must contradict a claim, and more than support it.
    """
    return [
        Edit(
            operation=EditOperation.DELETE,
            claim_ids=(claim.id,),
            section=claim.section,
            reason=f"{len(support.contradicts)} recent outcomes contradict it, "
            f"{len(support.supports)} support it",
            evidence=support.contradicts,
        )
        for claim, support in told
        if len(support.contradicts) >= least and not support.holds
    ]


def with_cases(claim: Claim, said: Support) -> Claim:
    """Return a claim with the cases for and against it; the latest word on each holds."""
    evidence = [name for name in claim.evidence if name not in said.contradicts]
    contrary = [name for name in claim.contrary if name not in said.supports]
    found = {
        "evidence": tuple(dict.fromkeys([*evidence, *said.supports])) or claim.evidence,
        "contrary": tuple(dict.fromkeys([*contrary, *said.contradicts])),
    }
    return claim.model_copy(update=found)


def _ids(inputs: VerifyInputs, references: Sequence[str]) -> tuple[str, ...]:
    named = (inputs.episode_id(reference) for reference in references)
    return tuple(dict.fromkeys(name for name in named if name is not None))
