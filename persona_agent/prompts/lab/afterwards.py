"""The prompts after a talk: what came through of a persona, and what is remembered."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from persona_agent.prompts.lab.talk import Line, bullets, conversation
from persona_agent.prompts.parts import Sentence, numbered, shorten
from persona_agent.prompts.template import PromptInputs, TypedPrompt
from persona_agent.schema.base import Record

SIDES = Literal["assistant", "user"]


class QuestionInputs(PromptInputs):
    """Options of which one is true of a side of a conversation, and what else is known of it.

    The speakers of the conversation are named as in ``of``.
    """

    of: SIDES
    known: tuple[str, ...] = ()
    conversation: tuple[Line, ...] = ()
    options: tuple[str, ...] = Field(min_length=2)

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "of": self.of,
            "known": bullets(self.known),
            "conversation": conversation(self.conversation),
            "options": numbered(self.options),
        }


class QuestionOutput(Record):
    """The number of the option, from 1."""

    reason: Sentence = ""
    choice: int


def _check_option(inputs: QuestionInputs, output: QuestionOutput) -> None:
    if not 1 <= output.choice <= len(inputs.options):
        raise ValueError(f"choice {output.choice} is not among the {len(inputs.options)} options")


class RecallInputs(PromptInputs):
    """An early question with its answer, and a later question about that answer."""

    asked: str
    answered: str
    later: str
    reply: str

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "asked": shorten(self.asked, 4_000),
            "answered": shorten(self.answered, 4_000),
            "later": shorten(self.later, 4_000),
            "reply": shorten(self.reply, 4_000),
        }


class RecallOutput(Record):
    """Whether the reply gives what was answered; the words of the reply that decide it.

    "not known" is an honest gap, "wrong" an invention or a denial; "cannot tell" is of an early
    answer that held nothing.
    """

    evidence: Sentence = ""
    verdict: Literal["right", "not known", "wrong", "cannot tell"]


QUESTION = TypedPrompt("lab_question", QuestionInputs, QuestionOutput, check=_check_option)
RECALL = TypedPrompt("lab_recall", RecallInputs, RecallOutput)
