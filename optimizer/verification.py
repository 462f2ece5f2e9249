"""Checking claims on cases that they were not written from, before they are believed."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from persona_agent.errors import ModelAnswerError
from persona_agent.optimizer.alike import telling_cases
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


async def supported(
    edits: Sequence[Edit], history: Sequence[Episode], most: int, model: LanguageModel
) -> tuple[list[Edit], list[Edit]]:
    """Split edits into those whose wording other cases support, and the rest.

    Each edit is judged by those of ``most`` episodes that it does not rest on, see
    :func:`cases_for`. A deletion claims nothing, so there is nothing to check. An edit that names
    every case about it leaves none that could support it: where the others are silent it passes
    if it rests on SEVERAL. When the check cannot be made (no such episode, or no usable answer)
    the edits are left to the gates.
    """
    claiming = [edit for edit in edits if edit.operation is not EditOperation.DELETE]
    others = cases_for(claiming, history, most)
    found = await verify([edit.statement for edit in claiming], others, model)
    if found is None:
        return list(edits), []
    failed = []
    for edit, said in zip(claiming, found, strict=True):
        support = said.without(edit.evidence)
        if support.refutes or (not support.holds and len(edit.evidence) < SEVERAL):
            failed.append(edit)
    return [edit for edit in edits if edit not in failed], failed


def cases_for(edits: Sequence[Edit], history: Sequence[Episode], most: int) -> list[Episode]:
    """Return the cases that can tell most of edits, in time order.

    They are of the tasks that the edits rest on, and preferably about what they state. What all
    edits rest on is left out; what some of them do can still tell something of the others.
    """
    evidence = [frozenset(edit.evidence) for edit in edits]
    used, by_all = frozenset[str]().union(*evidence), _in_all(evidence)
    others = [episode for episode in history if episode.id not in by_all]
    tasks = {episode.query.task_name for episode in history if episode.id in used}
    own = [episode for episode in others if episode.query.task_name in tasks] or others
    return telling_cases([edit.statement for edit in edits], own, most, latest_share=0.25)


def _in_all(evidence: Sequence[frozenset[str]]) -> frozenset[str]:
    return frozenset.intersection(*evidence) if evidence else frozenset()


async def outdated(
    claims: Sequence[Claim], episodes: Sequence[Episode], model: LanguageModel, *, least: int
) -> list[Edit]:
    """Propose to retire claims that recent outcomes contradict.

    Args:
        claims: claims of the persona in use; those that the user fixed are passed over.
        episodes: the latest episodes.
        model: tells what they say of the claims.
        least: how many of them must contradict a claim, and more than support it.
    """
    learned = [claim for claim in claims if not claim.protected]
    found = await verify([claim.statement for claim in learned], episodes, model)
    return [
        Edit(
            operation=EditOperation.DELETE,
            claim_ids=(claim.id,),
            section=claim.section,
            reason=f"{len(support.contradicts)} recent outcomes contradict it, "
            f"{len(support.supports)} support it",
            evidence=support.contradicts,
        )
        for claim, support in zip(learned, found or [], strict=False)
        if len(support.contradicts) >= least and not support.holds
    ]


def _ids(inputs: VerifyInputs, references: Sequence[str]) -> tuple[str, ...]:
    named = (inputs.episode_id(reference) for reference in references)
    return tuple(dict.fromkeys(name for name in named if name is not None))
