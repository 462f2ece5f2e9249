"""Applying edits to a persona: small, linked to evidence, never touching what the user fixed."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import UTC, datetime

from persona_agent.schema import Claim, Edit, EditOperation, Persona, new_id

ENOUGH = 2
"""Cases of its own from which on a new wording needs none of the old one's."""


def apply_edits(
    persona: Persona, edits: Sequence[Edit], *, cause: str, at: datetime | None = None
) -> Persona:
    """Return a new version with the edits applied in order; the input is left as it is.

    An edit that names an unknown claim, would change a protected claim, repeats a claim word for
    word, brings back one that the user deleted, or has no evidence of its own nor of what it
    replaces, is passed over.
    """
    claims = {claim.id: claim for claim in persona.claims}
    unwanted = {statement.casefold() for statement in persona.unwanted}
    moment = at or datetime.now(UTC)
    for edit in edits:
        _apply(claims, edit, moment, unwanted)
    return persona.model_copy(
        update={
            "version": new_id(),
            "parent": persona.version,
            "claims": tuple(claims.values()),
            "created_at": moment,
            "cause": cause,
        }
    )


def _apply(claims: dict[str, Claim], edit: Edit, at: datetime, unwanted: Set[str]) -> None:
    named = () if edit.operation is EditOperation.ADD else tuple(dict.fromkeys(edit.claim_ids))
    targets = [claims[name] for name in named if name in claims]
    if len(targets) != len(named) or any(target.protected for target in targets):
        return
    if edit.operation is EditOperation.DELETE:
        for target in targets:
            del claims[target.id]
        return
    heirs_to = [] if _stands_alone(edit) else targets
    evidence = _joined([edit.evidence, *(target.evidence for target in heirs_to)])
    contrary = _joined([edit.contrary, *(target.contrary for target in heirs_to)])
    known = {claim.statement.casefold() for claim in claims.values() if claim not in targets}
    if not evidence:
        return
    claim = Claim(
        id=targets[0].id if targets else new_id(),
        section=edit.section,
        text=edit.text,
        scope=edit.scope,
        evidence=evidence,
        contrary=tuple(name for name in contrary if name not in evidence),
        helpful=sum(target.helpful for target in targets),
        harmful=0,
        since=at,
    )
    if claim.statement.casefold() in known | unwanted:
        return
    for target in targets[1:]:
        del claims[target.id]
    claims[claim.id] = claim


def _stands_alone(edit: Edit) -> bool:
    """Whether a new wording rests on cases of its own: those of the old one may be outside it."""
    return edit.operation is EditOperation.UPDATE and len(edit.evidence) >= ENOUGH


def _joined(names: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for several in names for name in several))
