"""What the user does to the own persona: state, correct, pin and delete claims.

Each function returns a new version and leaves its input as it is. What the user said is the
user's (``origin="user"``): no optimization changes it afterwards. Such claims are shown whatever
the budget, so their number is bounded by :data:`MOST_FIXED`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from persona_agent.errors import InputError, NotFoundError
from persona_agent.persona.admission import require_admitted
from persona_agent.schema import Claim, Persona, Section, new_id

MOST_FIXED = 200
"""Claims of a persona that its user stated, corrected or pinned."""


def state_claim(persona: Persona, text: str, *, section: Section, scope: str = "") -> Persona:
    """Add a claim that the user stated.

    Raises:
        InputError: it is blank, would change rules, tools, keys or safety wording, or there are as
            many of the user's as may be.
    """
    require_admitted(scope, text)
    said = Claim(section=section, text=text, scope=scope, origin="user", stated_at=_now())
    stated = _told(said)
    version = _version(persona, [*persona.claims, stated], f"stated claim {stated.id}")
    return _bounded(persona, version)


def correct_claim(
    persona: Persona, claim_id: str, text: str, *, scope: str | None = None
) -> Persona:
    """Replace the text of a claim, and its scope where one is given, by the user's own words.

    The claim rests on the user's word from then on; its counts start anew, its evidence is kept.

    Raises:
        InputError: it is blank, would change rules, tools, keys or safety wording, or there are as
            many of the user's as may be.
        NotFoundError: the persona has no such claim.
    """
    require_admitted(scope or "", text)
    old = _claim(persona, claim_id)
    change = {"text": text, "scope": old.scope if scope is None else scope}
    fresh = {"origin": "user", "helpful": 0, "harmful": 0, "since": None, "stated_at": _now()}
    mended = _told(Claim.model_validate(old.model_dump() | change | fresh))
    return _replaced(persona, mended, f"corrected claim {claim_id}")


def pin_claim(persona: Persona, claim_id: str, *, pinned: bool = True) -> Persona:
    """Pin a claim, or release it.

    Raises:
        InputError: there are as many of the user's as may be.
        NotFoundError: the persona has no such claim.
    """
    claim = _claim(persona, claim_id).model_copy(update={"pinned": pinned})
    return _replaced(persona, claim, f"{'pinned' if pinned else 'released'} claim {claim_id}")


def delete_claim(persona: Persona, claim_id: str) -> Persona:
    """Take a claim out; it is remembered as unwanted, in these words. Raises NotFoundError."""
    gone = _claim(persona, claim_id)
    rest = [claim for claim in persona.claims if claim.id != claim_id]
    unwanted = tuple(dict.fromkeys([*persona.unwanted, gone.statement]))
    version = _version(persona, rest, f"deleted claim {claim_id}")
    return version.model_copy(update={"unwanted": unwanted})


def _now() -> datetime:
    return datetime.now(UTC)


def _told(claim: Claim) -> Claim:
    """Return a claim of the user's. Raises InputError where it says nothing."""
    if not claim.text.strip():
        raise InputError("a claim needs a text, got a blank one")
    return claim


def _claim(persona: Persona, claim_id: str) -> Claim:
    found = persona.claim(claim_id)
    if found is None:
        raise NotFoundError(f"the persona of {persona.user_id!r} has no claim {claim_id!r}")
    return found


def _replaced(persona: Persona, claim: Claim, cause: str) -> Persona:
    claims = [claim if one.id == claim.id else one for one in persona.claims]
    return _bounded(persona, _version(persona, claims, cause))


def _bounded(before: Persona, after: Persona) -> Persona:
    """Return a version, unless it has more of the user's claims than may be and than before."""
    had, has = (sum(claim.protected for claim in one.claims) for one in (before, after))
    if has > max(had, MOST_FIXED):
        raise InputError(
            f"the persona of {before.user_id!r} holds {had} claims that its user stated, corrected "
            f"or pinned, and {MOST_FIXED} is the most: delete or release some first"
        )
    return after


def _version(persona: Persona, claims: Sequence[Claim], cause: str) -> Persona:
    fields = persona.model_dump(exclude={"version", "created_at", "claims"})
    parent = persona.version or None
    changed = {"version": new_id(), "parent": parent, "claims": tuple(claims), "cause": cause}
    return Persona.model_validate(fields | changed)
