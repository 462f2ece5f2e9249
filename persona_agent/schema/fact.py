"""Facts: statements of semantic memory, each resting on episodes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from persona_agent.schema.base import Record
from persona_agent.schema.episode import EpisodeId, UserId, new_id

SAID = "The user said: "
"""How the text of a fact begins that is in the user's own words."""
SAID_ABOUT = "when asked about "
"""How what the user said begins where it replied to a question; the query follows in quotes."""


class Fact(Record):
    """One statement about a user, distilled from episodes.

    A contradicted fact is superseded, never erased: ``superseded_by`` names its successor.
    """

    id: str = Field(default_factory=new_id)
    user_id: UserId
    text: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    sources: tuple[EpisodeId, ...] = Field(min_length=1)
    valid_from: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    superseded_by: str | None = None
    superseded_at: AwareDatetime | None = None

    @property
    def stated(self) -> str:
        """What the user said, word for word; "" for a fact that was concluded."""
        return self.text.removeprefix(SAID).strip() if self.text.startswith(SAID) else ""

    @property
    def current(self) -> bool:
        """Whether the fact still holds."""
        return self.superseded_by is None
