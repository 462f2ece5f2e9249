"""The prompt that asks the user, where what is known speaks for two options."""

from __future__ import annotations

from persona_agent.prompts.answering import DecideInputs
from persona_agent.prompts.parts import Sentence
from persona_agent.prompts.template import TypedPrompt
from persona_agent.schema.base import Record


class ClarifyInputs(DecideInputs):
    """What a decision was made from, and further cases of the same situation."""


class ClarifyOutput(Record):
    """A question and the numbers of the two options that it is about; both empty for none."""

    question: Sentence = ""
    between: tuple[int, ...] = ()


def _check_question(inputs: ClarifyInputs, output: ClarifyOutput) -> None:
    if not output.question and not output.between:
        return
    known = range(1, len(inputs.query.options) + 1)
    named = [number for number in output.between if number in known]
    if not output.question or len(set(named)) != 2 or len(output.between) != 2:
        raise ValueError(
            "a question is about two different options (the numbers before them in 'between'), "
            "and without a question 'between' is empty"
        )


CLARIFY = TypedPrompt("clarify", ClarifyInputs, ClarifyOutput, check=_check_question)
