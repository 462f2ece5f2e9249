"""Edits, the trials that judge them, and revisions: edits that were accepted."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from persona_agent.schema.base import Record
from persona_agent.schema.episode import Episode, EpisodeId, UserId, new_id
from persona_agent.schema.persona import Section
from persona_agent.schema.usage import Usage

FINAL = "no worse than generic"
"""Name of the gate that every optimized persona has to pass."""


class EditOperation(StrEnum):
    """What an edit does to a persona's claims."""

    ADD = "add"
    UPDATE = "update"
    MERGE = "merge"
    DELETE = "delete"


class Edit(Record):
    """A change of claims. ``claim_ids`` names what is updated, merged or deleted.

    ``evidence`` names the episodes that show it, ``contrary`` those of its scope that do not.
    """

    operation: EditOperation
    claim_ids: tuple[str, ...] = ()
    section: Section = Section.PREFERENCES
    text: str = Field(default="", max_length=1_000)
    scope: str = Field(default="", max_length=500)
    reason: str = ""
    evidence: tuple[EpisodeId, ...] = ()
    contrary: tuple[EpisodeId, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        needed = {"add": 0, "update": 1, "merge": 2, "delete": 1}[self.operation]
        if len(self.claim_ids) < needed:
            raise ValueError(f"{self.operation} needs at least {needed} claim id(s)")
        if self.operation is not EditOperation.DELETE and not self.text.strip():
            raise ValueError(f"{self.operation} needs a text")
        return self

    @property
    def statement(self) -> str:
        """What the edit claims, as one sentence with its scope, like a claim's."""
        return f"{self.scope}: {self.text}" if self.scope else self.text


class Terms(Record):
    """What a text costs beside its task's loss: 0 (no worse than what the user kept) to 1.

    A term that does not apply is None, never 0: there was no text to read, no statement to
    contradict, no claim to copy, or nobody was asked. With ``of_reason`` the text is the reason
    given for a choice. ``said`` is how often the answer to the same contradicts, of those drawn:
    what a contradiction counts by.
    """

    contradiction: float | None = Field(default=None, ge=0, le=1)
    irrelevance: float | None = Field(default=None, ge=0, le=1)
    copying: float | None = Field(default=None, ge=0, le=1)
    invention: float | None = Field(default=None, ge=0, le=1)
    listener: float | None = Field(default=None, ge=0, le=1)
    of_reason: bool = False
    said: float = Field(default=1.0, ge=0, le=1)


class Trial(Record):
    """One simulated answer and its loss, 0 (right) to 1; ``error`` says why there is no answer.

    A trial with an error is unscored: ``loss`` is 1, but it is shown and counted as an error.
    ``loss`` is of the task alone; ``terms`` stand apart. An answer to an ``imagined`` query has no
    loss (it is 0), because nobody knows what the user would have done. ``reason`` is the one given
    with the answer. ``persona_text`` and ``recalled`` are what the answer was given from; the text
    is None where that is not known.
    """

    episode_id: EpisodeId
    answer: str | None
    loss: float = Field(ge=0, le=1)
    confidence: float | None = Field(default=None, ge=0, le=1)
    error: str | None = None
    reason: str = ""
    terms: Terms = Terms()
    imagined: bool = False
    persona_text: str | None = None
    recalled: tuple[Episode, ...] = ()


class Noise(Record):
    """What scores vary by when ``personas`` answer ``items`` several times (``runs``).

    The components of variance are unbiased, so those of effects may fall below 0. ``icc`` is the
    share between personas once run noise is taken out; None where nothing varies.
    """

    persona: float
    item: float
    interaction: float
    run: float
    icc: float | None
    personas: int = Field(ge=2)
    items: int = Field(ge=2)
    runs: int = Field(ge=2)

    @property
    def run_dominates(self) -> bool:
        """Whether runs of one persona vary at least as much as personas do."""
        return self.icc is not None and self.icc <= 0.5


class TermMeans(Record):
    """One term of the objective over the episodes of a gate: means, lower is better.

    Each is the mean over the episodes where the term applies, None where it applies to none.
    """

    term: str
    weight: float
    candidate: float | None
    incumbent: float | None

    @property
    def applies(self) -> bool:
        """Whether it applies to an episode of either side."""
        return self.candidate is not None or self.incumbent is not None


class GateResult(Record):
    """One decision on a candidate: mean losses on the same episodes, lower is better.

    The losses are those of the whole objective; ``terms`` tells its parts. ``difference`` is
    candidate minus incumbent, negative when the candidate is better.
    """

    gate: str
    episodes: int = Field(ge=0)
    candidate_loss: float
    incumbent_loss: float
    difference: float
    standard_error: float | None = None
    passed: bool
    reason: str = ""
    terms: tuple[TermMeans, ...] = ()


class Revision(Record):
    """The outcome of one optimization: what was tried, what was kept, and why.

    ``outcomes`` is the number of known outcomes that it learned from. ``noise`` is None where
    equal requests get equal answers, or too little was asked twice. ``critic`` names the model
    whose verdicts were in the objective; "" where rules alone judged. ``left_out`` is how many
    claims and edits that a model wrote were never tried, by reason.
    """

    id: str = Field(default_factory=new_id)
    user_id: UserId
    from_version: str | None
    to_version: str
    accepted: bool
    outcomes: int = Field(default=0, ge=0)
    edits: tuple[Edit, ...] = ()
    rejected: tuple[Edit, ...] = ()
    left_out: dict[str, int] = Field(default_factory=dict)
    gates: tuple[GateResult, ...] = ()
    noise: Noise | None = None
    usage: Usage = Usage()
    model: str = ""
    critic: str = ""
    prompts: dict[str, str] = Field(default_factory=dict)
    reason: str = ""
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))

    @property
    def final(self) -> GateResult | None:
        """The last comparison of what was found with the generic prompt; None without one."""
        return next((gate for gate in reversed(self.gates) if gate.gate == FINAL), None)
