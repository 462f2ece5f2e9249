"""What changed between two versions of a persona."""

from __future__ import annotations

from typing import Literal

from persona_agent.schema import Claim, ContextPolicy, Persona, TermMeans
from persona_agent.schema.base import Record

Change = Literal["added", "changed", "removed"]


class ClaimChange(Record):
    """One claim that was added, changed or removed."""

    change: Change
    before: Claim | None = None
    after: Claim | None = None

    @property
    def evidence(self) -> tuple[str, ...]:
        """Episodes behind the change: those of the new wording, else of the old."""
        claim = self.after or self.before
        return claim.evidence if claim else ()


class PersonaDiff(Record):
    """The changes from one version to another."""

    before: str | None
    after: str
    claims: tuple[ClaimChange, ...] = ()
    policy_before: ContextPolicy | None = None
    policy_after: ContextPolicy | None = None
    demonstrations: tuple[int, int] = (0, 0)
    alternatives: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    terms: tuple[TermMeans, ...] = ()
    """The parts of the objective by which the later version was judged, where it was."""

    @property
    def empty(self) -> bool:
        """Whether nothing that acts has changed."""
        shown = (self.demonstrations, self.alternatives, (self.policy_before, self.policy_after))
        return not self.claims and all(before == after for before, after in shown)


def diff(before: Persona | None, after: Persona) -> PersonaDiff:
    """Compare two versions; ``before=None`` compares with an empty persona.

    Claims are matched by id, and those of new ids by what they say: a draft that was written
    again says most of it again. Counts of use alone are no change.
    """
    old = {claim.id: claim for claim in before.claims} if before else {}
    kept = {claim.id for claim in after.claims}
    gone = {_content(claim): claim for claim in old.values() if claim.id not in kept}
    changes: list[ClaimChange] = []
    for claim in after.claims:
        earlier = old.get(claim.id) or gone.pop(_content(claim), None)
        if earlier is None:
            changes.append(ClaimChange(change="added", after=claim))
        elif _content(earlier) != _content(claim):
            changes.append(ClaimChange(change="changed", before=earlier, after=claim))
    changes.extend(ClaimChange(change="removed", before=claim) for claim in gone.values())
    return PersonaDiff(
        before=before.version if before else None,
        after=after.version,
        claims=tuple(changes),
        policy_before=before.policy if before else None,
        policy_after=after.policy,
        demonstrations=(len(before.demonstrations) if before else 0, len(after.demonstrations)),
        alternatives=(_others(before) if before else (), _others(after)),
    )


def _others(persona: Persona) -> tuple[str, ...]:
    return tuple(one.version for one in persona.alternatives)


def _content(claim: Claim) -> tuple[str, str, str, bool]:
    return (claim.section.value, claim.statement, claim.origin, claim.pinned)
