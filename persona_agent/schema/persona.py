"""The persona: claims, demonstrations, outcome statistics and the policy that goes with them."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from persona_agent.schema.base import Record
from persona_agent.schema.episode import EpisodeId, TaskKind, UserId, clean, new_id


class Section(StrEnum):
    """The parts of a persona, in the order in which they are shown."""

    PREFERENCES = "preferences"
    DECISION_HABITS = "decision habits"
    STYLE = "style"
    EXPERTISE = "expertise"
    VALUES = "values and constraints"
    CONTEXT = "context"


class Claim(Record):
    """One statement of a persona.

    ``scope`` says when it applies (empty: always). ``evidence`` names the episodes that it rests
    on; only a claim that the user stated (``origin="user"``) may have none. ``contrary`` names
    those in its scope that ended otherwise, as far as they are known; ``turned`` tells that all of
    these are later than all that it rests on. ``helpful`` and ``harmful`` count simulated or real
    uses that it made better or worse. ``since`` is the moment from which on it could be known,
    ``stated_at`` that at which its user stated or corrected it by hand.
    """

    id: str = Field(default_factory=new_id)
    section: Section
    text: Annotated[str, StringConstraints(min_length=1, max_length=1_000), AfterValidator(clean)]
    scope: Annotated[str, StringConstraints(max_length=500), AfterValidator(clean)] = ""
    evidence: tuple[EpisodeId, ...] = ()
    contrary: tuple[EpisodeId, ...] = ()
    turned: bool = False
    helpful: int = Field(default=0, ge=0)
    harmful: int = Field(default=0, ge=0)
    origin: Literal["learned", "user"] = "learned"
    pinned: bool = False
    since: AwareDatetime | None = None
    stated_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.origin == "learned" and not self.evidence:
            raise ValueError(f"a learned claim needs evidence: {self.text[:60]!r}")
        return self

    @property
    def protected(self) -> bool:
        """Whether only the user may change it."""
        return self.pinned or self.origin == "user"

    @property
    def said_at(self) -> datetime | None:
        """When its user said it, by hand or in a chat; None for one that was learned."""
        return (self.stated_at or self.since) if self.origin == "user" else None

    @property
    def statement(self) -> str:
        """The claim as one sentence, with its scope."""
        return f"{self.scope}: {self.text}" if self.scope else self.text


class Demonstration(Record):
    """A past case that teaches by example."""

    episode_id: EpisodeId
    query: str
    outcome: str


class TaskStatistics(Record):
    """Counts of the outcomes of one task that recur, if most do; ``total`` is of all of them.

    ``counts`` holds the most frequent outcomes first; ``recent`` the last ones, newest first, and
    ``latest_at`` is the moment of the newest.
    For ratings ``mean``, ``median`` and ``spread`` (standard deviation) are set. ``alike`` holds
    the outcomes of the cases most like a query, closest first, where a policy lists them.
    """

    task: str
    kind: TaskKind
    total: int = Field(ge=0)
    counts: tuple[tuple[str, int], ...] = ()
    recent: tuple[str, ...] = ()
    latest_at: AwareDatetime | None = None
    mean: float | None = None
    median: float | None = None
    spread: float | None = None
    alike: tuple[str, ...] = ()


class RecallBlend(Record):
    """Weights of the recall score, each 0 or more; ``similarity`` is usually 1.

    score = similarity * cosine + recency * 0.5 ** (age / half_life) + value * has_outcome
    """

    similarity: float = Field(default=1.0, ge=0)
    recency: float = Field(default=0.0, ge=0)
    value: float = Field(default=0.0, ge=0)
    half_life_days: float = Field(default=90.0, gt=0)


class ContextPolicy(Record):
    """What enters the context of an answer. The optimizer chooses it for each user.

    With ``drop_superseded``, a recalled case is left out when its answer was offered again later in
    the same situation and another one was chosen: tastes change. With ``brief`` choices are asked
    for in few words: where little is shown, there is little to weigh. ``listed`` is how many more
    cases like the query the statistics tell by their outcome alone. ``most_claims`` limits the
    claims to those with the most evidence and those that are nearest to the query; pinned ones are
    shown all the same. ``since`` is set where taste changed as a whole: cases from before it are
    neither recalled nor counted for later questions.
    """

    recalled: int = Field(default=8, ge=0, le=200)
    listed: int = Field(default=0, ge=0, le=200)
    blend: RecallBlend = RecallBlend()
    drop_superseded: bool = True
    show_claims: bool = True
    show_statistics: bool = True
    show_demonstrations: bool = False
    most_claims: int | None = Field(default=None, ge=1)
    since: AwareDatetime | None = None
    brief: bool = False

    @classmethod
    def generic(cls) -> ContextPolicy:
        """Nothing of the user: the plain model."""
        return cls(
            recalled=0,
            drop_superseded=False,
            show_claims=False,
            show_statistics=False,
            show_demonstrations=False,
        )

    @property
    def is_generic(self) -> bool:
        """Whether nothing of the user is shown."""
        return self == _GENERIC


_GENERIC = ContextPolicy.generic()


class Alternative(Record):
    """What an earlier version learned and showed, to answer where it did better."""

    version: str
    claims: tuple[Claim, ...] = ()
    policy: ContextPolicy = ContextPolicy()


class Persona(Record):
    """One immutable version of what the agent takes its user to be.

    ``unwanted`` holds the claims that the user deleted, so that nobody brings them back.
    ``alternatives`` are there where choosing among versions by similar cases was seen to help;
    ``track_record`` holds for past episodes what the answers cost, this version's first and then
    the alternatives'. See :mod:`persona_agent.persona.alternatives`.
    """

    version: str = Field(default_factory=new_id)
    user_id: UserId
    parent: str | None = None
    claims: tuple[Claim, ...] = ()
    demonstrations: tuple[Demonstration, ...] = ()
    statistics: tuple[TaskStatistics, ...] = ()
    unwanted: tuple[str, ...] = ()
    policy: ContextPolicy = ContextPolicy()
    alternatives: tuple[Alternative, ...] = ()
    track_record: dict[EpisodeId, tuple[float, ...]] = Field(default_factory=dict)
    created_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    cause: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        ids = [claim.id for claim in self.claims]
        if len(set(ids)) != len(ids):
            raise ValueError("claim ids must be distinct")
        versions = 1 + len(self.alternatives)
        if any(len(costs) != versions for costs in self.track_record.values()):
            raise ValueError(f"every entry of the track record needs {versions} costs")
        return self

    def claim(self, claim_id: str) -> Claim | None:
        """Return the claim with this id, or None."""
        return next((claim for claim in self.claims if claim.id == claim_id), None)

    @classmethod
    def generic(cls, user_id: str) -> Persona:
        """The persona that says nothing: candidate 0 of every optimization."""
        return cls(user_id=user_id, policy=ContextPolicy.generic(), cause="generic")
