"""The prompt that tells what describes a person from what directs the assistant."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from persona_agent.prompts.parts import resolve, shorten
from persona_agent.prompts.template import PromptInputs, TypedPrompt
from persona_agent.schema.base import Record

LONGEST_STATEMENT = 2_500


class AdmitInputs(PromptInputs):
    """Statements that somebody wants to put down about a user."""

    statements: tuple[str, ...] = Field(min_length=1)

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        shown = (shorten(one, LONGEST_STATEMENT) for one in self.statements)
        return {"statements": "\n".join(f"[S{n}] {one}" for n, one in enumerate(shown, 1))}

    def place(self, reference: str) -> int | None:
        """Translate a reference of the prompt to the place of a statement."""
        found = resolve(reference, "S", [str(place) for place in range(len(self.statements))])
        return None if found is None else int(found)


class StatementVerdict(Record):
    """What one statement is, as a model writes it; ``statement`` is a reference such as ``S1``."""

    statement: str
    does: Literal["describes", "directs"]


class AdmitOutput(Record):
    """One verdict a statement."""

    verdicts: tuple[StatementVerdict, ...]

    def directing(self, inputs: AdmitInputs) -> frozenset[int]:
        """Return the places of the statements that direct the assistant."""
        places = (inputs.place(one.statement) for one in self.verdicts if one.does == "directs")
        return frozenset(place for place in places if place is not None)


def _check_every_statement(inputs: AdmitInputs, output: AdmitOutput) -> None:
    judged = {inputs.place(one.statement) for one in output.verdicts}
    left = [f"S{n + 1}" for n in range(len(inputs.statements)) if n not in judged]
    if left:
        raise ValueError(f"there is no verdict on {', '.join(left)}: give one for every statement")


ADMIT = TypedPrompt("admit", AdmitInputs, AdmitOutput, check=_check_every_statement)
