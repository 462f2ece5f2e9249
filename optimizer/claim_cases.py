"""Which cases can tell something of proposed claims, and of the claims that they replace."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from persona_agent.optimizer.alike import telling_cases
from persona_agent.schema import Claim, Edit, Episode

_SINCE = re.compile(r"\bsince (\d{4}-\d\d-\d\d)", re.IGNORECASE)


def cases_for(
    edits: Sequence[Edit],
    history: Sequence[Episode],
    most: int,
    *,
    claims: Sequence[Claim] = (),
    missed: Mapping[str, Sequence[str]] | None = None,
) -> list[Episode]:
    """Return the cases that can tell most of edits, in time order.

    They are of the tasks that the edits rest on, and preferably about what they state. Where claims
    are replaced, up to half are cases in which those were wrong or that they rest on, and others
    are about what they state: some of these are inside the old scope and outside the new one. What
    all edits rest on is left out; what some of them do can still tell something of the others. So
    it is with cases from before the day since which an edit says that something is so.
    """
    by_all = _in_all([frozenset(edit.evidence) for edit in edits])
    tasks = tasks_of(history, edits, claims)
    own = [
        one
        for one in history
        if one.id not in by_all and (not tasks or one.query.task_name in tasks)
    ]
    own = [one for one in own if any(may_tell(edit.statement, one) for edit in edits)]
    replaced = {claim.id: claim for edit in edits for claim in replaced_by(edit, claims)}
    wrong: set[str] = set()
    right: set[str] = set()
    for edit in edits:
        fit = {one.id for one in own if may_tell(edit.statement, one)}
        for claim in replaced_by(edit, claims):
            wrong |= fit.intersection((missed or {}).get(claim.id, ()))
            right |= fit.intersection(claim.evidence)
    known = sorted((one for one in own if one.id in wrong | right), key=lambda one: one.id in wrong)
    first = known[len(known) - min(len(known), most // 2) :]
    texts = [edit.statement for edit in edits] + [one.statement for one in replaced.values()]
    rest = [one for one in own if one not in first]
    told = telling_cases(texts, rest, most - len(first), latest_share=0.25, may_tell=may_tell)
    return sorted([*first, *told], key=lambda one: one.at)


def may_tell(statement: str, case: Episode) -> bool:
    """Tell whether a case is not from before the day since which something is stated to be so."""
    since = _SINCE.search(statement)
    return since is None or case.at.date().isoformat() >= since[1]


def begins(statement: str) -> bool:
    """Tell whether a statement names the day since which it is so."""
    return _SINCE.search(statement) is not None


def replaced_by(edit: Edit, claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims that an edit replaces."""
    return [claim for claim in claims if claim.id in edit.claim_ids]


def tasks_of(
    history: Sequence[Episode], edits: Sequence[Edit], claims: Sequence[Claim]
) -> set[str]:
    """Return the tasks of the cases that edits rest on, or what they replace."""
    used = {name for edit in edits for name in edit.evidence}
    used |= {
        name for edit in edits for claim in replaced_by(edit, claims) for name in claim.evidence
    }
    return {episode.query.task_name for episode in history if episode.id in used}


def _in_all(evidence: Sequence[frozenset[str]]) -> frozenset[str]:
    return frozenset.intersection(*evidence) if evidence else frozenset()
