"""Episodes: what happened between a user and the agent."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from persona_agent.schema.base import Record

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _no_control_characters(value: str) -> str:
    if _CONTROL.search(value) or "\n" in value or "\r" in value:
        raise ValueError("must not contain control characters or line breaks")
    return value


def clean(value: str) -> str:
    """Drop what no reader sees and SQL or terminals may trip over: control and surrogate codes."""
    return _CONTROL.sub("", value).encode("utf-8", "replace").decode("utf-8")


UserId = Annotated[
    str, StringConstraints(min_length=1, max_length=256), AfterValidator(_no_control_characters)
]
"""Any text without control characters; compared exactly, never as a prefix or a pattern."""

EpisodeId = Annotated[
    str, StringConstraints(min_length=1, max_length=256), AfterValidator(_no_control_characters)
]
"""Unique within a user. Recording an id again is a retry, not a second episode."""

Text = Annotated[str, StringConstraints(max_length=100_000), AfterValidator(clean)]
JsonScalar = str | int | float | bool

SIMULATED = "persona_agent:simulated"
"""Key of the metadata of what was invented and is nobody's evidence; no store takes it."""

TaskKind = Literal["choice", "rating", "text"]


def new_id() -> str:
    """Return a fresh id; ids made later sort later."""
    stamp = int(datetime.now(UTC).timestamp() * 1_000_000)
    return f"{stamp:016x}{uuid.uuid4().hex[:12]}"


def task_kind(options: Sequence[str]) -> TaskKind:
    """Tell the kind of task from its options: all numbers is a rating, none is free text."""
    if not options:
        return "text"
    return "rating" if all(_is_number(option) for option in options) else "choice"


def _is_number(option: str) -> bool:
    try:
        return math.isfinite(float(option))
    except ValueError:
        return False


DESCRIBED = 12
"""Least length of options that are described rather than named."""


class Query(Record):
    """What is asked of the agent.

    ``options`` are the possible answers in full text; empty means a free-text answer.
    ``task`` names the recurring job, so that outcome statistics of different jobs stay apart.
    """

    text: Annotated[Text, StringConstraints(min_length=1)]
    options: tuple[Text, ...] = Field(default=(), max_length=500)
    task: Annotated[
        str, StringConstraints(max_length=128), AfterValidator(_no_control_characters)
    ] = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.options)) != len(self.options):
            raise ValueError("options must be distinct")
        if any(not option.strip() for option in self.options):
            raise ValueError("an option must not be blank")
        return self

    @property
    def kind(self) -> TaskKind:
        """Choice, rating or text, told from the options."""
        return task_kind(self.options)

    @property
    def described(self) -> bool:
        """Whether the options are described for this one query, and say nothing of another."""
        return self.kind == "choice" and min(map(len, self.options)) >= DESCRIBED

    @property
    def task_name(self) -> str:
        """The task, or its kind where no task was named."""
        return self.task or self.kind


class Feedback(Record):
    """What the user said of a response, apart from the outcome itself."""

    thumb: Literal[-1, 1] | None = None
    comment: Text = ""
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class Episode(Record):
    """One stored interaction.

    ``outcome`` is what the user really chose, wrote or corrected the response to; ``None`` until
    it is known. For a query with options it is the full text of one option. ``metadata`` is the
    host's own, less the key :data:`SIMULATED`.
    """

    id: EpisodeId = Field(default_factory=new_id)
    user_id: UserId
    query: Query
    response: Text | None = None
    outcome: Text | None = None
    feedback: Feedback | None = None
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    metadata: dict[str, JsonScalar] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.outcome is not None and self.query.options:
            if self.outcome not in self.query.options:
                shown = ", ".join(repr(option[:40]) for option in self.query.options[:8])
                raise ValueError(
                    f"outcome {self.outcome[:60]!r} is not one of the options: {shown}"
                )
        elif self.outcome is not None and not self.outcome.strip():
            raise ValueError("outcome must not be blank; leave it out while it is unknown")
        return self

    @property
    def unsettled(self) -> bool:
        """Whether it is a decision that the user did not settle yet: it says nothing of them."""
        return bool(self.query.options) and self.outcome is None and self.feedback is None


class Recalled(Record):
    """An episode found by recall, with its blended score and the cosine similarity in it."""

    episode: Episode
    score: float
    similarity: float = Field(ge=-1.001, le=1.001)
