"""The prompts of this library with their input and output models.

``episode_id`` and ``claim_id`` of an input translate the references of its prompt back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from persona_agent.prompts.parts import (
    NOTHING,
    Case,
    Sentence,
    cases_text,
    heading,
    labels_in,
    numbered,
    resolve,
    shorten,
)
from persona_agent.prompts.template import PromptInputs, TypedPrompt
from persona_agent.schema import Claim, EditOperation, Episode, Fact, Query, Section
from persona_agent.schema.base import Record

# --- decide: choose among options -------------------------------------------------------------


class DecideInputs(PromptInputs):
    """A query with options, the rendered persona, and the recalled cases, best first.

    ``date`` is the day of the query, which tells how long ago the cases were; "" where not known.
    """

    query: Query
    persona: str = ""
    recalled: tuple[Case, ...] = ()
    date: str = ""

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "persona": self.persona or NOTHING,
            "recalled": cases_text(self.recalled, offered=self.query.options),
            "query": f"{heading(self.date, self.query.task)}{self.query.text}",
            "options": numbered(self.query.options),
        }


class DecideOutput(Record):
    """``choice`` is the number of an option, from 1; ``confidence`` is between 0 and 1."""

    reason: Sentence = ""
    choice: int
    confidence: float = Field(default=0.5, ge=0, le=1)


def _check_choice(inputs: DecideInputs, output: DecideOutput) -> None:
    if not 1 <= output.choice <= len(inputs.query.options):
        raise ValueError(
            f"choice {output.choice} is not the number of an option "
            f"(1 to {len(inputs.query.options)})"
        )


# --- respond: answer freely -------------------------------------------------------------------


class RespondInputs(PromptInputs):
    """A free-text query with its day, the rendered persona, and the recalled cases, best first."""

    query: Query
    persona: str = ""
    recalled: tuple[Case, ...] = ()
    date: str = ""

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "persona": self.persona or NOTHING,
            "recalled": cases_text(self.recalled),
            "query": f"{heading(self.date, self.query.task)}{self.query.text}",
        }


class RespondOutput(Record):
    """The answer as the user would want it."""

    answer: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


# --- draft a persona from history -------------------------------------------------------------


MOST_SOURCES = 6
"""Interactions that are named behind a fact or a claim, the latest ones."""


class DraftInputs(PromptInputs):
    """Interactions in time order, known facts, outcome statistics as text, what did not help."""

    cases: tuple[Case, ...]
    facts: tuple[Fact, ...] = ()
    statistics: str = ""
    rejected: tuple[str, ...] = ()
    max_claims: int = Field(default=8, ge=1, le=50)

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "interactions": cases_text(self.cases, letter="E"),
            "facts": "\n".join(self._facts_with_sources()) or NOTHING,
            "statistics": self.statistics or NOTHING,
            "rejected": _items(self.rejected),
            "max_claims": str(self.max_claims),
        }

    def _facts_with_sources(self) -> Iterator[str]:
        """Yield one line for each fact, with the latest of the interactions that it rests on."""
        places = {case.episode_id: n for n, case in enumerate(self.cases, 1)}
        for number, fact in enumerate(self.facts, 1):
            shown = sorted(places[source] for source in fact.sources if source in places)
            latest = [f"E{place}" for place in shown[-MOST_SOURCES:]]
            more = len(fact.sources) - len(latest)
            rests_on = [", ".join(latest)] if latest else []
            if more:
                rests_on.append(f"{more} more" if latest else f"{more} not shown")
            yield f"[F{number}] {shorten(fact.text, 500)} (from {' and '.join(rests_on)})"

    def episode_id(self, reference: str) -> str | None:
        """Translate a reference of the prompt to an episode id."""
        return resolve(reference, "E", [case.episode_id for case in self.cases])

    def episode_ids(self, references: Sequence[str]) -> tuple[str, ...]:
        """Translate references of the prompt to distinct episode ids; a fact's to its sources.

        Where some of a fact's sources that are shown are named themselves, the others that are
        shown do not come with the fact: they show the fact, and were not said to show more.
        """
        found = dict.fromkeys(name for one in references if (name := self.episode_id(one)))
        named, shown = set(found), {case.episode_id for case in self.cases}
        for reference in references:
            fact = self._fact(reference)
            sources = () if fact is None or self.episode_id(reference) else fact.sources
            chosen = not named.isdisjoint(sources)
            kept = (source for source in sources if not (chosen and source in shown))
            found |= dict.fromkeys(kept)
        return tuple(found)

    def _fact(self, reference: str) -> Fact | None:
        named = resolve(reference, "F", [fact.id for fact in self.facts])
        return next((fact for fact in self.facts if fact.id == named), None)


class DraftedClaim(Record):
    """A claim as a model writes it; ``evidence`` are references such as ``E3`` or ``F1``.

    ``contrary`` names interactions of the claim's situation that ended otherwise.
    """

    section: Section = Section.PREFERENCES
    scope: Sentence = ""
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]
    evidence: tuple[str, ...] = ()
    contrary: tuple[str, ...] = ()


class DraftOutput(Record):
    """The claims, most telling first."""

    claims: tuple[DraftedClaim, ...] = ()


# --- critique: the textual loss of one simulated answer ---------------------------------------


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
        unused = [n for n, one in enumerate(self.claims, 1) if one.id in self.unused]
        return {
            "claims": _claims(self.claims, shown),
            "besides": self.besides or NOTHING,
            "recalled": self._recalled(),
            "unused": _claims(self.claims, unused, letter="U"),
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
) -> str:
    """Return one line for each claim, or for those of some numbers, which count from 1.

    A line names those of the cases, which are shown as E1, E2, …, that its claim rests on.
    """
    chosen = range(1, len(claims) + 1) if numbers is None else numbers
    places = {case.episode_id: place for place, case in enumerate(cases, 1)}
    lines = [f"[{letter}{number}] {_claim(claims[number - 1], places)}" for number in chosen]
    return "\n".join(lines) or NOTHING


def _items(texts: Sequence[str]) -> str:
    return "\n".join(f"- {shorten(text, 400)}" for text in texts) or NOTHING


def _claim(claim: Claim, places: Mapping[str, int]) -> str:
    parts: list[str] = [claim.section.value]
    if claim.evidence or claim.contrary:
        otherwise = f", otherwise {len(claim.contrary)}x" if claim.contrary else ""
        parts.append(f"seen {len(claim.evidence)}x{otherwise}")
    if shown := sorted(places[name] for name in claim.evidence if name in places):
        parts.append(f"rests on {', '.join(f'E{place}' for place in shown[-MOST_SOURCES:])}")
    if claim.helpful or claim.harmful:
        parts.append(f"helped {claim.helpful}, harmed {claim.harmful}")
    if claim.protected:
        parts.append("fixed by the user")
    return f"({'; '.join(parts)}) {shorten(claim.statement, 600)}"


# --- propose edits: the textual gradient becomes a change -------------------------------------


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
            "rejected": _items(self.rejected),
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


# --- distil facts -----------------------------------------------------------------------------


def _facts(facts: Sequence[Fact]) -> str:
    lines = [f"[F{n}] {shorten(fact.text, 500)}" for n, fact in enumerate(facts, 1)]
    return "\n".join(lines) or NOTHING


class DistilInputs(PromptInputs):
    """New episodes, the facts known so far, and earlier episodes that ended as rare new ones."""

    episodes: tuple[Episode, ...]
    facts: tuple[Fact, ...] = ()
    earlier: tuple[Episode, ...] = ()

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "facts": _facts(self.facts),
            "earlier": _episodes(self.earlier, "P"),
            "episodes": _episodes(self.episodes, "E"),
        }

    def episode_id(self, reference: str) -> str | None:
        """Translate a reference of the prompt to an episode id, of a new or an earlier one."""
        new = resolve(reference, "E", [episode.id for episode in self.episodes])
        return new or resolve(reference, "P", [episode.id for episode in self.earlier])

    def fact_id(self, reference: str) -> str | None:
        """Translate a reference of the prompt to a fact id."""
        return resolve(reference, "F", [fact.id for fact in self.facts])


def _episodes(episodes: Sequence[Episode], letter: str) -> str:
    lines = []
    for number, episode in enumerate(episodes, 1):
        outcome = shorten(episode.outcome or "(not known)", 300)
        lines.append(
            f"[{letter}{number}] {episode.at.date().isoformat()} ({episode.query.task_name}) "
            f"{shorten(episode.query.text, 400)} -> {outcome}{_feedback(episode)}"
        )
    return "\n".join(lines) or NOTHING


def _feedback(episode: Episode) -> str:
    """Return a comment, behind what it is about: a question, or an answer that was not kept."""
    said, asked = episode.feedback, episode.metadata.get("question")
    if said is None:
        return ""
    comment = f" (comment: {shorten(said.comment, 200)})" if said.comment else ""
    if asked:
        return f" (the assistant asked: {shorten(str(asked), 200)}){comment}" if comment else ""
    if episode.outcome is not None or not episode.response:
        return comment
    shown = shorten(episode.response, 300)
    if said.thumb:
        judged = "liked" if said.thumb > 0 else "disliked"
        return f" (the user {judged} this answer: {shown}){comment}"
    return f" (the assistant answered: {shown}){comment}" if comment else ""


class DistilledFact(Record):
    """A fact as a model writes it; ``sources`` and ``supersedes`` are references."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]
    sources: tuple[str, ...] = ()
    supersedes: tuple[str, ...] = ()


class ConfirmedFact(Record):
    """A known fact that new episodes show again; ``fact`` and ``sources`` are references."""

    fact: str
    sources: tuple[str, ...] = ()


class DistilOutput(Record):
    """New facts, and known ones that were confirmed; none when nothing lasting is said."""

    facts: tuple[DistilledFact, ...] = ()
    confirmed: tuple[ConfirmedFact, ...] = ()


# --- profile: the summary of the PAG baseline ---------------------------------------------------


class ProfileInputs(PromptInputs):
    """The history to be summarized, in time order."""

    cases: tuple[Case, ...]

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {"interactions": cases_text(self.cases)}


class ProfileOutput(Record):
    """A short summary of the user's habits."""

    profile: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000)
    ]


DECIDE = TypedPrompt("decide", DecideInputs, DecideOutput, check=_check_choice)
DECIDE_BRIEF = TypedPrompt("decide_brief", DecideInputs, DecideOutput, check=_check_choice)
RESPOND = TypedPrompt("respond", RespondInputs, RespondOutput)
DRAFT_PERSONA = TypedPrompt("draft_persona", DraftInputs, DraftOutput)
CRITIQUE = TypedPrompt("critique", CritiqueInputs, CritiqueOutput)
PROPOSE_EDITS = TypedPrompt("propose_edits", ProposeInputs, ProposeOutput)
DISTIL_FACTS = TypedPrompt("distil_facts", DistilInputs, DistilOutput)
PROFILE = TypedPrompt("profile", ProfileInputs, ProfileOutput)
