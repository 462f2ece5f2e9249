"""The prompts that answer for the user: a choice among options, or a text."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from persona_agent.prompts.parts import (
    NOTHING,
    Case,
    Sentence,
    cases_text,
    heading,
    numbered,
)
from persona_agent.prompts.template import PromptInputs, TypedPrompt
from persona_agent.schema import Query
from persona_agent.schema.base import Record


class RespondInputs(PromptInputs):
    """A query, the rendered persona, and the recalled cases, best first.

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
        }


class DecideInputs(RespondInputs):
    """The same for a query with options, which are numbered from 1."""

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return super().sections() | {"options": numbered(self.query.options)}


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


class RespondOutput(Record):
    """The answer as the user would want it."""

    answer: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


DECIDE = TypedPrompt("decide", DecideInputs, DecideOutput, check=_check_choice)
DECIDE_BRIEF = TypedPrompt("decide_brief", DecideInputs, DecideOutput, check=_check_choice)
RESPOND = TypedPrompt("respond", RespondInputs, RespondOutput)
