"""The prompts on an assistant's replies: what a draft contradicts, and for whom it was written."""

from __future__ import annotations

from pydantic import Field

from persona_agent.prompts.lab.judging import ListenInputs, ListenOutput, check_speaker
from persona_agent.prompts.lab.talk import indented
from persona_agent.prompts.parts import NOTHING, Sentence, shorten
from persona_agent.prompts.template import PromptInputs, TypedPrompt
from persona_agent.schema.base import Record

LONGEST_DRAFT = 4_000
MOST_BEARING = 3
"""Statements on which a reply depends that a critic may name."""

OF_USER, OF_ASSISTANT = "The user: ", "The assistant: "
"""What a statement in a check of drafts begins with; one that was said on an occasion, with it."""
_BOTH, _ONE = '"contradictions" and "bearing"', '"contradictions" and an empty list as "bearing"'


class CheckInputs(PromptInputs):
    """A user's message, drafts of the reply to it, and what is known of both sides.

    ``request`` is the message as it was rewritten before it was answered, empty where it was not.
    ``bearing`` asks for the statements on which a good reply depends, beside the contradictions.
    """

    message: str
    request: str = ""
    drafts: tuple[str, ...] = Field(min_length=1)
    statements: tuple[str, ...]
    bearing: bool = False

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "message": shorten(self.message, 4_000),
            "request": shorten(self.request, 4_000) or NOTHING,
            "drafts": "\n".join(_draft(i, one) for i, one in enumerate(self.drafts, 1)),
            "statements": "\n".join(_statements(self.statements)) or NOTHING,
            "wanted": _BOTH if self.bearing else _ONE,
        }


def _draft(number: int, text: str) -> str:
    return f"[D{number}] {indented(text, LONGEST_DRAFT)}"


def _statements(texts: tuple[str, ...]) -> list[str]:
    return [f"{number}. {indented(one, 2_000)}" for number, one in enumerate(texts, 1)]


class DraftConflict(Record):
    """A draft and a statement that it contradicts, both counted from 1, and the words in it."""

    draft: int
    statement: int
    evidence: Sentence = ""


class CheckOutput(Record):
    """The contradictions; none when the drafts agree with all statements.

    ``bearing`` numbers the statements about the user on which a good reply depends.
    """

    contradictions: tuple[DraftConflict, ...] = ()
    bearing: tuple[int, ...] = ()


def _check_conflicts(inputs: CheckInputs, output: CheckOutput) -> None:
    for one in output.contradictions:
        if not 1 <= one.draft <= len(inputs.drafts):
            raise ValueError(f"there is no draft {one.draft}")
        if not 1 <= one.statement <= len(inputs.statements):
            raise ValueError(f"there is no statement {one.statement}")
    for number in output.bearing:
        if not 1 <= number <= len(inputs.statements):
            raise ValueError(f"there is no statement {number}")


def _check_reader(inputs: ListenInputs, output: ListenOutput) -> None:
    if output.speaker:  # 0 is allowed here: nothing in the reply tells the users apart
        check_speaker(inputs, output)


REPLY_CHECK = TypedPrompt("reply_check", CheckInputs, CheckOutput, check=_check_conflicts)
REPLY_LISTEN = TypedPrompt("reply_listen", ListenInputs, ListenOutput, check=_check_reader)
