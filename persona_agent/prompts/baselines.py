"""The prompts of methods that are compared with ours: PersonaAgent as published, and ReAct."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from persona_agent.prompts.parts import NOTHING, Case, Sentence, numbered, shorten
from persona_agent.prompts.template import PromptInputs, TypedPrompt
from persona_agent.schema import Query
from persona_agent.schema.base import Record

# --- PersonaAgent: feedback on one answer, and the rewrite of the whole text ---------------------


class FeedbackInputs(PromptInputs):
    """One simulated answer, right or wrong, with what the user did, and the persona behind it."""

    persona: str
    case: Case
    answer: str

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "persona": self.persona or NOTHING,
            "query": self.case.query,
            "options": numbered(self.case.options) or NOTHING,
            "answer": self.answer or "(no answer)",
            "outcome": self.case.outcome,
        }


class FeedbackOutput(Record):
    """The textual loss: how the persona should change, or stay, because of this answer."""

    feedback: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)
    ]


class CriticizedAnswer(Record):
    """A simulated answer with the feedback on it."""

    case: Case
    answer: str
    feedback: str


class RewriteInputs(PromptInputs):
    """The persona's text, and the feedback on a batch of answers, oldest first."""

    persona: str
    feedback: tuple[CriticizedAnswer, ...]

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        lines = [
            f"- {one.case.head}{shorten(one.case.query, 400)}\n"
            f"  answered: {shorten(one.answer, 200)}\n"
            f"  the user: {shorten(one.case.outcome, 200)}\n"
            f"  feedback: {shorten(one.feedback, 800)}"
            for one in self.feedback
        ]
        return {"persona": self.persona or NOTHING, "feedback": "\n".join(lines) or NOTHING}


class RewriteOutput(Record):
    """The new text of the persona, whole."""

    persona: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000)
    ]


# --- ReAct: one step of thought and action -------------------------------------------------------


class Observation(Record):
    """What one search found, best first."""

    search: str
    cases: tuple[Case, ...] = ()


class ReactInputs(PromptInputs):
    """The query, what was searched and found so far, and how many searches are left."""

    query: Query
    observations: tuple[Observation, ...] = ()
    searches_left: int = Field(ge=0)

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        lines = []
        for one in self.observations:
            lines.append(f"search: {shorten(one.search, 400)}")
            lines += [f"- {case.date} {case.line()}" for case in one.cases] or [f"- {NOTHING}"]
        return {
            "observations": "\n".join(lines) or NOTHING,
            "query": self.query.text,
            "options": numbered(self.query.options),
            "searches_left": str(self.searches_left),
        }


class ReactOutput(Record):
    """A thought, and either a text to search for or the number of an option."""

    thought: Sentence = ""
    search: Sentence = ""
    choice: int | None = None
    confidence: float = Field(default=0.5, ge=0, le=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.search and self.choice is None:
            raise ValueError("either 'search' or 'choice' is needed")
        return self


def _check_step(inputs: ReactInputs, output: ReactOutput) -> None:
    count = len(inputs.query.options)
    if output.choice is None and not inputs.searches_left:
        raise ValueError("no searches are left: 'choice' is needed")
    if output.choice is not None and not 1 <= output.choice <= count:
        raise ValueError(f"choice {output.choice} is not the number of an option (1 to {count})")


TEXT_FEEDBACK = TypedPrompt("text_feedback", FeedbackInputs, FeedbackOutput)
REWRITE_PERSONA = TypedPrompt("rewrite_persona", RewriteInputs, RewriteOutput)
REACT_STEP = TypedPrompt("react_step", ReactInputs, ReactOutput, check=_check_step)


def baseline_prompts() -> tuple[TypedPrompt[Any, Any], ...]:
    """Return the prompts of this module."""
    return (TEXT_FEEDBACK, REWRITE_PERSONA, REACT_STEP)
