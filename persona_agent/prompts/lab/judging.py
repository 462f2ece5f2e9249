"""The prompts that judge a line: what it contradicts, who says it, how it answers another."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from persona_agent.prompts.lab.talk import Line, conversation
from persona_agent.prompts.parts import NOTHING, Sentence, numbered, shorten
from persona_agent.prompts.template import PromptInputs, TypedPrompt
from persona_agent.schema.base import Record

Verdict = Literal["entailment", "neutral", "contradiction"]
Discourse = Literal[
    "comment", "clarification-question", "elaboration", "acknowledgement", "continuation",
    "explanation", "conditional", "qa-pair", "alternation", "question-elaboration", "result",
    "background", "narration", "correction", "parallel", "contrast", "topic-shift", "none",
]  # fmt: skip
"""The 16 relations of the STAC corpus, a shift of the topic, and no relation."""


class RelateInputs(PromptInputs):
    """What a speaker said, in its conversation, and statements about that speaker."""

    utterance: str
    statements: tuple[str, ...]
    conversation: tuple[Line, ...] = ()

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "conversation": conversation(self.conversation),
            "utterance": shorten(self.utterance, 4_000),
            "statements": numbered(self.statements) or NOTHING,
        }


class Related(Record):
    """How the utterance relates to one statement, counted from 1; ``evidence`` is a quotation."""

    statement: int
    relation: Verdict
    evidence: Sentence = ""


class RelateOutput(Record):
    """One relation for each statement."""

    relations: tuple[Related, ...]


def _check_relations(inputs: RelateInputs, output: RelateOutput) -> None:
    found = sorted(one.statement for one in output.relations)
    if found != list(range(1, len(inputs.statements) + 1)):
        raise ValueError(f"each statement from 1 to {len(inputs.statements)} is needed once")


class ListenInputs(PromptInputs):
    """A line in its conversation, and the persons of whom one said it, in random order."""

    conversation: tuple[Line, ...] = ()
    utterance: str
    persons: tuple[str, ...] = Field(min_length=2)

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "conversation": conversation(self.conversation),
            "utterance": shorten(self.utterance, 4_000),
            "persons": numbered(self.persons),
        }


class ListenOutput(Record):
    """The number of the person, from 1, and what gave the speaker away.

    0 is a listener who cannot tell, where the prompt allows it.
    """

    reason: Sentence = ""
    speaker: int


def check_speaker(inputs: ListenInputs | WhoseInputs, output: ListenOutput) -> None:
    """Raise ValueError where nobody of the persons is named."""
    if not 1 <= output.speaker <= len(inputs.persons):
        raise ValueError(f"speaker {output.speaker} is not among the {len(inputs.persons)} persons")


class WhoseInputs(PromptInputs):
    """What one of the persons received, asked or was to judge, and the persons in random order."""

    item: str
    persons: tuple[str, ...] = Field(min_length=2)

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {"item": shorten(self.item, 4_000), "persons": numbered(self.persons)}


class DiscourseInputs(PromptInputs):
    """An earlier line of a conversation and a later reply; and whether one speaker said both."""

    earlier: str
    reply: str
    same_speaker: bool = False

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "earlier": shorten(self.earlier, 4_000),
            "reply": shorten(self.reply, 4_000),
            "same_speaker": "yes" if self.same_speaker else "no",
        }


class DiscourseOutput(Record):
    """The relation, and how far the reply gives the line what it calls for, 0 to 1."""

    reason: Sentence = ""
    relation: Discourse
    relevance: float = Field(ge=0, le=1)


def _check_answer(inputs: DiscourseInputs, output: DiscourseOutput) -> None:
    if inputs.same_speaker and output.relation == "qa-pair":
        raise ValueError('one speaker said both lines: the later answers nothing, no "qa-pair"')


RELATE = TypedPrompt("lab_relate", RelateInputs, RelateOutput, check=_check_relations)
LISTEN = TypedPrompt("lab_listen", ListenInputs, ListenOutput, check=check_speaker)
WHOSE = TypedPrompt("lab_whose", WhoseInputs, ListenOutput, check=check_speaker)
DISCOURSE = TypedPrompt("lab_discourse", DiscourseInputs, DiscourseOutput, check=_check_answer)
