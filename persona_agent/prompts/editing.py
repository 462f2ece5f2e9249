"""The prompts of textual gradients: the critique of a miss, and edits that would have avoided it.

``episode_id`` and ``claim_id`` of an input translate the references of its prompt back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from persona_agent.prompts.parts import (
    MOST_SOURCES,
    NOTHING,
    Case,
    Sentence,
    cases_text,
    items,
    labels_in,
    numbered,
    resolve,
    shorten,
)
from persona_agent.prompts.template import PromptInputs, TypedPrompt
from persona_agent.schema import Claim, EditOperation, Section
from persona_agent.schema.base import Record

MOST_RECALLED = 24
"""Cases that an answer was given from, the closest ones, that its critique shows."""


class Failure(Record):
    """A case that was answered wrongly: what was answered, and what the user really did.

    ``reason`` is the one given with the answer. ``critique`` says why the answer missed,
    ``preference`` what the user seems to want.
    """

    case: Case
    answer: str
    reason: str = ""
    critique: str = ""
    preference: str = ""


class CritiqueInputs(PromptInputs):
    """One wrong answer with what it was given from, and what was known beside that.

    ``unused`` are the ids of those claims that were not shown. A claim has the number of its place
    here and where edits are proposed; behind U it was not shown. ``besides`` is what the persona's
    text held but claims, ``recalled`` the cases shown, ``similar`` others before.

    That a claim leads to the case that it was written from shows nothing: one of this case says so,
    and one of nothing else is left out where it was not shown.
    """

    failure: Failure
    claims: tuple[Claim, ...] = ()
    unused: tuple[str, ...] = ()
    besides: str = ""
    recalled: tuple[Case, ...] = ()
    similar: tuple[Case, ...] = ()

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        case = self.failure.case
        shown = [n for n, one in enumerate(self.claims, 1) if one.id not in self.unused]
        unused = [
            n
            for n, one in enumerate(self.claims, 1)
            if one.id in self.unused and (one.protected or set(one.evidence) != {case.episode_id})
        ]
        return {
            "claims": _claims(self.claims, shown, about=case),
            "besides": self.besides or NOTHING,
            "recalled": self._recalled(),
            "unused": _claims(self.claims, unused, letter="U", about=case),
            "similar": cases_text(self.similar, offered=case.options),
            "query": f"{case.head}{case.query}",
            "options": numbered(case.options) or NOTHING,
            "answer": self._answer(),
            "outcome": case.outcome,
        }

    def _answer(self) -> str:
        reason = shorten(self.failure.reason, 600)
        given = [f"(reason given: {reason})"] if reason else []
        return "\n".join([self.failure.answer or "(no answer)", *given])

    def _recalled(self) -> str:
        text = cases_text(self.recalled[:MOST_RECALLED], offered=self.failure.case.options)
        left = len(self.recalled) - MOST_RECALLED
        return f"{text}\n(and {left} more, less close)" if left > 0 else text

    def claim_id(self, reference: str) -> str | None:
        """Translate a reference of the prompt to the id of a claim that was shown."""
        found = resolve(reference, "C", [claim.id for claim in self.claims])
        return None if found in self.unused else found


class CritiqueOutput(Record):
    """Why the answer missed, what the user seems to want, and which claims misled.

    ``stretched`` names claims that were followed in a case that their scope does not cover: that
    says nothing against them.
    """

    critique: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)
    ]
    preference: Sentence = ""
    misleading: tuple[str, ...] = ()
    stretched: tuple[str, ...] = ()


def _claims(
    claims: Sequence[Claim],
    numbers: Sequence[int] | None = None,
    *,
    letter: str = "C",
    cases: Sequence[Case] = (),
    about: Case | None = None,
) -> str:
    """Return one line for each claim, or for those of some numbers, which count from 1.

    A line names the latest of the cases, which are shown as E1, E2, …, that its claim rests on, and
    how many more there are, and tells whether the case that all is about is one of them.
    """
    chosen = range(1, len(claims) + 1) if numbers is None else numbers
    places = {case.episode_id: place for place, case in enumerate(cases, 1)}
    this = about.episode_id if about else ""
    lines = [f"[{letter}{number}] {_claim(claims[number - 1], places, this)}" for number in chosen]
    return "\n".join(lines) or NOTHING


def _claim(claim: Claim, places: Mapping[str, int], this: str) -> str:
    parts: list[str] = [claim.section.value]
    if claim.evidence or claim.contrary:
        own = ", this case among them" if this in claim.evidence else ""
        otherwise = f", otherwise {len(claim.contrary)}x" if claim.contrary else ""
        otherwise += ", all later" if claim.contrary and claim.turned else ""
        parts.append(f"seen {len(claim.evidence)}x{own}{otherwise}")
    if shown := sorted(places[name] for name in claim.evidence if name in places):
        named = ", ".join(f"E{place}" for place in shown[-MOST_SOURCES:])
        more = len(claim.evidence) - len(shown[-MOST_SOURCES:])
        parts.append(f"rests on {named}{f' and {more} more' if more else ''}")
    if claim.helpful or claim.harmful:
        parts.append(f"helped {claim.helpful}, harmed {claim.harmful}")
    if claim.protected:
        parts.append("fixed by the user")
    return f"({'; '.join(parts)}) {shorten(claim.statement, 600)}"


class ProposeInputs(PromptInputs):
    """The claims, what failed and why, what must stay right, and the edits that did not help.

    ``history`` holds other cases, earlier and later ones, in time order.
    """

    claims: tuple[Claim, ...] = ()
    failures: tuple[Failure, ...]
    correct: tuple[Case, ...] = ()
    history: tuple[Case, ...] = ()
    statistics: str = ""
    rejected: tuple[str, ...] = ()
    max_edits: int = Field(default=3, ge=1, le=20)

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder. Failures come first in the E numbering."""
        labels = labels_in(self._cases())
        failed = []
        for number, failure in enumerate(self.failures, 1):
            failed.append(
                f"[E{number}] {failure.case.head}{shorten(failure.case.query, 400)}\n"
                f"  answered: {shorten(failure.answer, 200)}\n"
                f"  the user: {shorten(failure.case.outcome, 200)}{failure.case.rivals(labels)}\n"
                f"  critique: {shorten(failure.critique, 600) or NOTHING}"
                + (f"\n  wants: {shorten(failure.preference, 400)}" if failure.preference else "")
            )
        first = len(self.failures) + 1
        kept = [f"[E{n}] {case.whole(labels=labels)}" for n, case in enumerate(self.correct, first)]
        first += len(self.correct)
        past = [f"[E{n}] {case.whole(labels=labels)}" for n, case in enumerate(self.history, first)]
        return {
            "claims": _claims(self.claims, cases=self._cases()),
            "failures": "\n".join(failed) or NOTHING,
            "correct": "\n".join(kept) or NOTHING,
            "history": "\n".join(past) or NOTHING,
            "statistics": self.statistics or NOTHING,
            "rejected": items(self.rejected),
            "max_edits": str(self.max_edits),
        }

    def episode_id(self, reference: str) -> str | None:
        """Translate a reference of the prompt to an episode id."""
        return resolve(reference, "E", [case.episode_id for case in self._cases()])

    def _cases(self) -> list[Case]:
        return [*(failure.case for failure in self.failures), *self.correct, *self.history]

    def claim_id(self, reference: str) -> str | None:
        """Translate a reference of the prompt to a claim id."""
        return resolve(reference, "C", [claim.id for claim in self.claims])


class ProposedEdit(Record):
    """An edit as a model writes it, with references instead of ids."""

    operation: EditOperation
    claims: tuple[str, ...] = ()
    section: Section = Section.PREFERENCES
    scope: Sentence = ""
    text: Sentence = ""
    reason: Sentence = ""
    evidence: tuple[str, ...] = ()
    contrary: tuple[str, ...] = ()


class ProposeOutput(Record):
    """The edits, most useful first."""

    edits: tuple[ProposedEdit, ...] = ()


CRITIQUE = TypedPrompt("critique", CritiqueInputs, CritiqueOutput)
PROPOSE_EDITS = TypedPrompt("propose_edits", ProposeInputs, ProposeOutput)
