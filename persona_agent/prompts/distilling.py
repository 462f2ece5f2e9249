"""The prompts that sum up a history: facts from new episodes, and a profile in prose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import StringConstraints

from persona_agent.prompts.parts import (
    NOTHING,
    Case,
    cases_text,
    resolve,
    shorten,
)
from persona_agent.prompts.template import PromptInputs, TypedPrompt
from persona_agent.schema import Episode, Fact
from persona_agent.schema.base import Record


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


DISTIL_FACTS = TypedPrompt("distil_facts", DistilInputs, DistilOutput)
PROFILE = TypedPrompt("profile", ProfileInputs, ProfileOutput)
