"""The prompts of the consistency lab: playing a part, judging it, and mending it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from persona_agent.prompts.template import PromptInputs, TypedPrompt
from persona_agent.prompts.typed import NOTHING, Case, Sentence, numbered, shorten
from persona_agent.schema.base import Record

LONGEST_LINE = 1_000
MOST_LABELS = 12
LONGEST_DRAFT = 4_000
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
    """The number of the person, from 1, and what gave the speaker away.

    0 is a listener who cannot tell, where the prompt allows it.
    """

    reason: Sentence = ""
    speaker: int


def _check_speaker(inputs: ListenInputs, output: ListenOutput) -> None:
    if not 1 <= output.speaker <= len(inputs.persons):
        raise ValueError(f"speaker {output.speaker} is not among the {len(inputs.persons)} persons")


def _check_reader(inputs: ListenInputs, output: ListenOutput) -> None:
    if output.speaker:  # 0 is allowed here: nothing in the reply tells the users apart
        _check_speaker(inputs, output)


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


# --- assert and believe: what is said in character, what is believed out of it -------------------

STRANGER = "A stranger who does not mind either answer."


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


# --- after a talk: what came through, and what is remembered ------------------------------------

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
    """Whether the reply gives what was answered; the words of the reply that decide it."""

    evidence: Sentence = ""
    verdict: Literal["right", "wrong", "cannot tell"]


# --- the gym: questions, calibrated examples, grades --------------------------------------------


class GymQuestionsInputs(PromptInputs):
    """A person, what each question should provoke, and the situations to choose from."""

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


class Exchange(Record):
    """A message and the reply to it."""

    message: str
    reply: str

    def line(self) -> str:
        """Return both on one line."""
        return (
            f"message: {shorten(self.message, LONGEST_LINE)} "
            f"/ reply: {shorten(self.reply, LONGEST_LINE)}"
        )


class FlawsInputs(PromptInputs):
    """What an actor said in the part of a character of whom these statements are true."""

    character: str
    traits: tuple[str, ...]
    scene: str = ""
    lines: tuple[Exchange, ...]

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "character": shorten(self.character, 4_000),
            "traits": bullets(self.traits),
            "scene": shorten(self.scene, 2_000) or NOTHING,
            "lines": numbered([one.line() for one in self.lines]) or NOTHING,
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
    known = {shorten(trait, LONGEST_LINE).casefold().rstrip(".") for trait in inputs.traits}
    for flaw in output.flaws:
        if flaw.trait.casefold().rstrip(".") not in known:
            raise ValueError(f"{flaw.trait!r} is not among the traits")
        if flaw.line > len(inputs.lines):
            raise ValueError(f"there is no line {flaw.line}")


# --- a simulated user ---------------------------------------------------------------------------


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
    """An explicit request, what was assumed in it, and what remains open.

    ``changed`` is False, and the request may be empty, where the message stands as it is.
    """

    changed: bool = True
    request: Annotated[str, StringConstraints(strip_whitespace=True, max_length=4_000)] = ""
    assumptions: tuple[Sentence, ...] = ()
    open: tuple[Sentence, ...] = ()


def _check_request(inputs: MediateInputs, output: MediateOutput) -> None:
    if output.changed and not output.request:
        raise ValueError('"request" is empty: give it, or say "changed": false')


class RefineInputs(PromptInputs):
    """Past interactions: how a wish was put, and what the user settled on."""

    records: tuple[Case, ...]

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {"records": numbered([_record(case) for case in self.records]) or NOTHING}


def _record(case: Case) -> str:
    """Return a case on one line with its task, and the labels it was chosen from."""
    labels = ", ".join(shorten(option, 120) for option in case.options[:MOST_LABELS])
    more = ", …" if len(case.options) > MOST_LABELS else ""
    head = "; ".join(
        part for part in (case.task, f"one of: {labels}{more}" if labels else "") if part
    )
    return f"({head}) {case.line()}" if head else case.line()


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
    """A user's message, drafts of the reply to it, and what is known of both sides.

    ``request`` is the message as it was rewritten before it was answered, empty where it was not.
    """

    message: str
    request: str = ""
    drafts: tuple[str, ...] = Field(min_length=1)
    statements: tuple[str, ...]

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "message": shorten(self.message, 4_000),
            "request": shorten(self.request, 4_000) or NOTHING,
            "drafts": "\n".join(_draft(i, one) for i, one in enumerate(self.drafts, 1)),
            "statements": numbered(self.statements) or NOTHING,
        }


def _draft(number: int, text: str) -> str:
    """Return a draft with its lines under each other, indented, so that none begins an item."""
    lines = [" ".join(line.split()) for line in text[:LONGEST_DRAFT].splitlines()]
    shown = "\n   ".join(line for line in lines if line)
    return f"{number}. {shown}{'…' if len(text) > LONGEST_DRAFT else ''}"


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
REPLY_LISTEN = TypedPrompt("reply_listen", ListenInputs, ListenOutput, check=_check_reader)
RELATE = TypedPrompt("lab_relate", RelateInputs, RelateOutput, check=_check_relations)
SAY = TypedPrompt("lab_say", SayInputs, SayOutput)
LISTEN = TypedPrompt("lab_listen", ListenInputs, ListenOutput, check=_check_speaker)
DISCOURSE = TypedPrompt("lab_discourse", DiscourseInputs, DiscourseOutput)
ASSERT = TypedPrompt("lab_assert", AssertInputs, AssertOutput)
BELIEVE = TypedPrompt("lab_believe", BelieveInputs, BelieveOutput)
QUESTION = TypedPrompt("lab_question", QuestionInputs, QuestionOutput, check=_check_option)
RECALL = TypedPrompt("lab_recall", RecallInputs, RecallOutput)
GYM_QUESTIONS = TypedPrompt(
    "lab_gym_questions", GymQuestionsInputs, GymQuestionsOutput, check=_check_questions
)
GYM_EXEMPLARS = TypedPrompt("lab_gym_exemplars", GymExemplarsInputs, GymExemplarsOutput)
GYM_GRADE = TypedPrompt("lab_gym_grade", GymGradeInputs, GymGradeOutput)
FLAWS = TypedPrompt("lab_flaws", FlawsInputs, FlawsOutput, check=_check_flaws)
USER_TURN = TypedPrompt("lab_user_turn", UserTurnInputs, UserTurnOutput)
MEDIATE = TypedPrompt("lab_mediate", MediateInputs, MediateOutput, check=_check_request)
REFINE = TypedPrompt("lab_refine", RefineInputs, RefineOutput, check=_check_guidelines)


def lab_prompts() -> tuple[TypedPrompt[Any, Any], ...]:
    """Return the prompts of this module."""
    return (
        RELATE, SAY, LISTEN, DISCOURSE, ASSERT, BELIEVE, QUESTION, RECALL, GYM_QUESTIONS,
        GYM_EXEMPLARS, GYM_GRADE, FLAWS, USER_TURN, MEDIATE, REFINE, REPLY_CHECK, REPLY_LISTEN,
    )  # fmt: skip
