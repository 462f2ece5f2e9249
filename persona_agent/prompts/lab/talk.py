"""What prompts of the lab share: lines of a conversation, lists, and the length of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import StringConstraints

from persona_agent.prompts.parts import NOTHING, shorten
from persona_agent.schema.base import Record

LONGEST_LINE = 1_000
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000)]


class Line(Record):
    """One line of a conversation; ``speaker`` is as the prompt shows it."""

    speaker: str
    text: str


def conversation(lines: Sequence[Line]) -> str:
    """Return the lines with their speakers; further lines of one text stand indented under it."""
    shown = [f"{shorten(one.speaker, 60)}: {indented(one.text, LONGEST_LINE)}" for one in lines]
    return "\n".join(shown) or NOTHING


def indented(text: str, limit: int) -> str:
    """Return a text, cut at ``limit`` characters, with its lines but for the first indented.

    So its own lists stay lists, and none of its lines looks like one of the prompt's.
    """
    lines = [" ".join(line.split()) for line in text.splitlines()]
    shown = "\n   ".join(line for line in lines if line)
    return shown if len(shown) <= limit else shown[: limit - 1].rstrip() + "…"


def bullets(items: Sequence[str]) -> str:
    """Return the items, one a line."""
    return "\n".join(f"- {shorten(item, LONGEST_LINE)}" for item in items) or NOTHING
