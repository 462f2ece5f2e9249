"""The prompts of the consistency lab: playing a part, judging it, and mending it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from persona_agent.prompts.template import PromptInputs, TypedPrompt
from persona_agent.prompts.typed import NOTHING, Case, Sentence, numbered, shorten
from persona_agent.schema.base import Record

LONGEST_LINE = 1_000
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000)]
Verdict = Literal["entailment", "neutral", "contradiction"]
Discourse = Literal[
    "comment", "clarification-question", "elaboration", "acknowledgement", "continuation",
    "explanation", "conditional", "qa-pair", "alternation", "question-elaboration", "result",
    "background", "narration", "correction", "parallel", "contrast", "topic-shift", "none",
]  # fmt: skip
"""The 16 relations of the STAC corpus, a shift of the topic, and no relation."""


class Line(Record):
    """One line of a conversation; ``speaker`` is as the prompt shows it."""

    speaker: str
    text: str


def conversation(lines: Sequence[Line]) -> str:
    """Return the lines, one each, with their speakers."""
    shown = [f"{shorten(one.speaker, 60)}: {shorten(one.text, LONGEST_LINE)}" for one in lines]
    return "\n".join(shown) or NOTHING


def bullets(items: Sequence[str]) -> str:
    """Return the items, one a line."""
    return "\n".join(f"- {shorten(item, LONGEST_LINE)}" for item in items) or NOTHING


# --- relate: does what was said contradict statements? ------------------------------------------


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


# --- say: play the persona ----------------------------------------------------------------------


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


# --- listen: who of these said it? --------------------------------------------------------------


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
    """The number of the person, from 1, and what gave the speaker away."""

    reason: Sentence = ""
    speaker: int


def _check_speaker(inputs: ListenInputs, output: ListenOutput) -> None:
    if not 1 <= output.speaker <= len(inputs.persons):
        raise ValueError(f"speaker {output.speaker} is not among the {len(inputs.persons)} persons")


# --- discourse: how does a reply relate to an earlier line? -------------------------------------


class DiscourseInputs(PromptInputs):
    """An earlier line of a conversation and a later reply."""

    earlier: str
    reply: str

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {"earlier": shorten(self.earlier, 4_000), "reply": shorten(self.reply, 4_000)}


class DiscourseOutput(Record):
    """The relation, and how far the reply gives the line what it calls for, 0 to 1."""

    reason: Sentence = ""
    relation: Discourse
    relevance: float = Field(ge=0, le=1)


# --- assert: is a statement true, in and out of character? --------------------------------------


class AssertInputs(PromptInputs):
    """Notes about a person, a statement, and in which role it is answered."""

    role: Literal["in character", "out of character"]
    notes: tuple[str, ...] = ()
    statement: str

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "role": self.role,
            "notes": bullets(self.notes),
            "statement": shorten(self.statement, LONGEST_LINE),
        }


class AssertOutput(Record):
    """Yes or no, and how likely the statement is true, 0 to 1."""

    answer: Literal["yes", "no"]
    probability: float = Field(ge=0, le=1)


# --- the gym: questions, calibrated examples, grades --------------------------------------------


class GymQuestionsInputs(PromptInputs):
    """A person, what the questions test, and the situations to choose from."""

    person: str
    task: str
    situations: tuple[str, ...]
    count: int = Field(ge=1, le=50)

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "person": shorten(self.person, 4_000),
            "task": shorten(self.task, 2_000),
            "situations": bullets(self.situations),
            "count": str(self.count),
        }


class GymQuestion(Record):
    """A question put to a person in a situation."""

    situation: Sentence = ""
    question: Text


class GymQuestionsOutput(Record):
    """The questions, all different."""

    questions: tuple[GymQuestion, ...]


def _check_questions(inputs: GymQuestionsInputs, output: GymQuestionsOutput) -> None:
    if len({one.question for one in output.questions}) != inputs.count:
        raise ValueError(f"{inputs.count} different questions are needed")


class GymExemplarsInputs(PromptInputs):
    """A question to a person and the rubric of its grades."""

    person: str
    rubric: str
    question: str

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "person": shorten(self.person, 4_000),
            "rubric": self.rubric,
            "question": shorten(self.question, 2_000),
        }


class GymExemplarsOutput(Record):
    """Answers that deserve 1, 2, 3, 4 and 5, in this order."""

    answers: Annotated[tuple[Text, ...], Field(min_length=5, max_length=5)]


class GymGradeInputs(PromptInputs):
    """An answer to a question, the rubric, and an example for each score where there are any."""

    person: str
    rubric: str
    question: str
    examples: tuple[str, ...] = ()
    answer: str

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "person": shorten(self.person, 4_000),
            "rubric": self.rubric,
            "question": shorten(self.question, 2_000),
            "examples": numbered(self.examples) or NOTHING,
            "answer": shorten(self.answer, 4_000),
        }


class GymGradeOutput(Record):
    """The score, 1 to 5, and the words that decided it."""

    evidence: Sentence = ""
    score: int = Field(ge=1, le=5)


# --- flaws: role fidelity by deduction ----------------------------------------------------------


class FlawsInputs(PromptInputs):
    """What an actor said in the part of a character with these traits."""

    character: str
    traits: tuple[str, ...]
    scene: str = ""
    lines: tuple[str, ...]

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "character": shorten(self.character, 4_000),
            "traits": bullets(self.traits),
            "scene": shorten(self.scene, 2_000) or NOTHING,
            "lines": numbered(self.lines) or NOTHING,
        }


class Flaw(Record):
    """A violated trait, the number of the line, how severe it is (1 to 5), and why."""

    trait: Sentence
    line: int = Field(ge=1)
    severity: int = Field(ge=1, le=5)
    reason: Sentence = ""


class FlawsOutput(Record):
    """The flaws; none when nothing is wrong."""

    flaws: tuple[Flaw, ...]


def _check_flaws(inputs: FlawsInputs, output: FlawsOutput) -> None:
    known = {shorten(trait, LONGEST_LINE).casefold() for trait in inputs.traits}
    for flaw in output.flaws:
        if flaw.trait.casefold() not in known:
            raise ValueError(f"{flaw.trait!r} is not among the traits")
        if flaw.line > len(inputs.lines):
            raise ValueError(f"there is no line {flaw.line}")


# --- a simulated user ---------------------------------------------------------------------------


class UserTurnInputs(PromptInputs):
    """Who the user is (all session long), what this message is for, and how the user writes."""

    user: tuple[str, ...]
    intent: str
    examples: tuple[str, ...] = ()
    conversation: tuple[Line, ...] = ()

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "user": bullets(self.user),
            "intent": shorten(self.intent, LONGEST_LINE),
            "examples": bullets(self.examples),
            "conversation": conversation(self.conversation),
        }


class UserTurnOutput(Record):
    """The user's next message."""

    message: Text


# --- the mediator -------------------------------------------------------------------------------


class MediateInputs(PromptInputs):
    """How this user phrases and omits things, and the conversation so far."""

    habits: tuple[str, ...] = ()
    conversation: tuple[Line, ...]

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "habits": bullets(self.habits),
            "conversation": conversation(self.conversation),
        }


class MediateOutput(Record):
    """An explicit request, what was assumed in it, and what remains open."""

    request: Text
    assumptions: tuple[Sentence, ...] = ()
    open: tuple[Sentence, ...] = ()


class RefineInputs(PromptInputs):
    """Past interactions: how a wish was put, and what the user settled on."""

    records: tuple[Case, ...]

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {"records": numbered([case.line() for case in self.records]) or NOTHING}


class Guideline(Record):
    """How this user phrases or omits something, and the records that show it, from 1."""

    text: Sentence
    records: tuple[int, ...]


class RefineOutput(Record):
    """The guidelines; none when the records show no habit."""

    guidelines: tuple[Guideline, ...] = ()


def _check_guidelines(inputs: RefineInputs, output: RefineOutput) -> None:
    for one in output.guidelines:
        if len({n for n in one.records if 1 <= n <= len(inputs.records)}) < 2:
            raise ValueError(f"two of the records have to show it: {one.text[:60]!r}")


# --- repairs of a chat turn: which draft contradicts what is known, for whom was it written? -----

OF_USER, OF_ASSISTANT = "The user: ", "The assistant: "
"""What a statement in a check of drafts begins with."""


class CheckInputs(PromptInputs):
    """A user's message, drafts of the reply to it, and what is known of both sides."""

    message: str
    drafts: tuple[str, ...] = Field(min_length=1)
    statements: tuple[str, ...]

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "message": shorten(self.message, 4_000),
            "drafts": numbered(self.drafts),
            "statements": numbered(self.statements) or NOTHING,
        }


class DraftConflict(Record):
    """A draft and a statement that it contradicts, both counted from 1, and the words in it."""

    draft: int
    statement: int
    evidence: Sentence = ""


class CheckOutput(Record):
    """The contradictions; none when the drafts agree with all statements."""

    contradictions: tuple[DraftConflict, ...] = ()


def _check_conflicts(inputs: CheckInputs, output: CheckOutput) -> None:
    for one in output.contradictions:
        if not 1 <= one.draft <= len(inputs.drafts):
            raise ValueError(f"there is no draft {one.draft}")
        if not 1 <= one.statement <= len(inputs.statements):
            raise ValueError(f"there is no statement {one.statement}")


REPLY_CHECK = TypedPrompt("reply_check", CheckInputs, CheckOutput, check=_check_conflicts)
REPLY_LISTEN = TypedPrompt("reply_listen", ListenInputs, ListenOutput, check=_check_speaker)
RELATE = TypedPrompt("lab_relate", RelateInputs, RelateOutput, check=_check_relations)
SAY = TypedPrompt("lab_say", SayInputs, SayOutput)
LISTEN = TypedPrompt("lab_listen", ListenInputs, ListenOutput, check=_check_speaker)
DISCOURSE = TypedPrompt("lab_discourse", DiscourseInputs, DiscourseOutput)
ASSERT = TypedPrompt("lab_assert", AssertInputs, AssertOutput)
GYM_QUESTIONS = TypedPrompt(
    "lab_gym_questions", GymQuestionsInputs, GymQuestionsOutput, check=_check_questions
)
GYM_EXEMPLARS = TypedPrompt("lab_gym_exemplars", GymExemplarsInputs, GymExemplarsOutput)
GYM_GRADE = TypedPrompt("lab_gym_grade", GymGradeInputs, GymGradeOutput)
FLAWS = TypedPrompt("lab_flaws", FlawsInputs, FlawsOutput, check=_check_flaws)
USER_TURN = TypedPrompt("lab_user_turn", UserTurnInputs, UserTurnOutput)
MEDIATE = TypedPrompt("lab_mediate", MediateInputs, MediateOutput)
REFINE = TypedPrompt("lab_refine", RefineInputs, RefineOutput, check=_check_guidelines)


def lab_prompts() -> tuple[TypedPrompt[Any, Any], ...]:
    """Return the prompts of this module."""
    return (
        RELATE, SAY, LISTEN, DISCOURSE, ASSERT, GYM_QUESTIONS, GYM_EXEMPLARS, GYM_GRADE, FLAWS,
        USER_TURN, MEDIATE, REFINE, REPLY_CHECK, REPLY_LISTEN,
    )  # fmt: skip
