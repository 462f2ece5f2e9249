"""The prompt that drafts a persona from a history.

``episode_id`` and its like translate the references of a prompt back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from persona_agent.prompts.parts import (
    MOST_SOURCES,
    NOTHING,
    Case,
    Sentence,
    cases_text,
    items,
    resolve,
    shorten,
)
from persona_agent.prompts.template import PromptInputs, TypedPrompt
from persona_agent.schema import Fact, Section
from persona_agent.schema.base import Record


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
            "rejected": items(self.rejected),
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


DRAFT_PERSONA = TypedPrompt("draft_persona", DraftInputs, DraftOutput)
