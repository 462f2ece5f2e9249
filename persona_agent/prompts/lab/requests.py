"""The mediator's prompts: a wish that is spread over a talk, and how a user puts wishes."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from persona_agent.prompts.lab.talk import Line, bullets, conversation
from persona_agent.prompts.parts import NOTHING, Case, Sentence, numbered, shorten
from persona_agent.prompts.template import PromptInputs, TypedPrompt
from persona_agent.schema.base import Record

MOST_LABELS = 12


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


MEDIATE = TypedPrompt("lab_mediate", MediateInputs, MediateOutput, check=_check_request)
REFINE = TypedPrompt("lab_refine", RefineInputs, RefineOutput, check=_check_guidelines)
