"""The prompts that examine how a part is acted: questions, examples, grades, and flaws."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from persona_agent.prompts.lab.talk import LONGEST_LINE, Text, bullets
from persona_agent.prompts.parts import NOTHING, Sentence, numbered, shorten
from persona_agent.prompts.template import PromptInputs, TypedPrompt
from persona_agent.schema.base import Record


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


GYM_QUESTIONS = TypedPrompt(
    "lab_gym_questions", GymQuestionsInputs, GymQuestionsOutput, check=_check_questions
)
GYM_EXEMPLARS = TypedPrompt("lab_gym_exemplars", GymExemplarsInputs, GymExemplarsOutput)
GYM_GRADE = TypedPrompt("lab_gym_grade", GymGradeInputs, GymGradeOutput)
FLAWS = TypedPrompt("lab_flaws", FlawsInputs, FlawsOutput, check=_check_flaws)
