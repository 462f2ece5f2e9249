"""The prompts in which a part is played, and what is asserted in it and believed out of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from persona_agent.prompts.lab.talk import LONGEST_LINE, Line, Text, bullets, conversation
from persona_agent.prompts.parts import shorten
from persona_agent.prompts.template import PromptInputs, TypedPrompt
from persona_agent.schema.base import Record


class SayInputs(PromptInputs):
    """What is true of the person, the conversation before, and the message to answer."""

    persona: tuple[str, ...] = ()
    conversation: tuple[Line, ...] = ()
    message: str

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "persona": bullets(self.persona),
            "conversation": conversation(self.conversation),
            "message": shorten(self.message, 4_000),
        }


class SayOutput(Record):
    """What the person says."""

    reply: Text


STRANGER = "A stranger to whom it makes no difference which answer is given."


class AssertInputs(PromptInputs):
    """What is true of a person, who asks that person, and the statement that is asked about."""

    notes: tuple[str, ...] = ()
    asker: str = STRANGER
    statement: str

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "notes": bullets(self.notes),
            "asker": shorten(self.asker, LONGEST_LINE),
            "statement": shorten(self.statement, LONGEST_LINE),
        }


class AssertOutput(Record):
    """What the person says: yes, it is so, or no."""

    answer: Literal["yes", "no"]


class BelieveInputs(PromptInputs):
    """Notes about a person, and a statement that a reader of them judges."""

    notes: tuple[str, ...] = ()
    statement: str

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "notes": bullets(self.notes),
            "statement": shorten(self.statement, LONGEST_LINE),
        }


class BelieveOutput(Record):
    """How likely the statement is true, 0 to 1."""

    probability: float = Field(ge=0, le=1)


class UserTurnInputs(PromptInputs):
    """Who the user is (all session long), what is to be written, and how such texts look.

    ``kind`` tells what a user says to an assistant from what is put before the user to judge.
    """

    user: tuple[str, ...]
    kind: Literal["next message", "item"] = "next message"
    intent: str
    examples: tuple[str, ...] = ()
    conversation: tuple[Line, ...] = ()

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "user": bullets(self.user),
            "kind": self.kind,
            "intent": shorten(self.intent, LONGEST_LINE),
            "examples": bullets(self.examples),
            "conversation": conversation(self.conversation),
        }


class UserTurnOutput(Record):
    """The text that was asked for."""

    message: Text


SAY = TypedPrompt("lab_say", SayInputs, SayOutput)
ASSERT = TypedPrompt("lab_assert", AssertInputs, AssertOutput)
BELIEVE = TypedPrompt("lab_believe", BelieveInputs, BelieveOutput)
USER_TURN = TypedPrompt("lab_user_turn", UserTurnInputs, UserTurnOutput)
