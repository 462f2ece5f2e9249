from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from persona_agent.evals.atlas import Entry
from persona_agent.llm.offline import OfflineModel
from persona_agent.schema import Claim, Episode, Persona, Query, Section
from persona_agent.testing import HashEmbedder

START = datetime(2026, 1, 1, tzinfo=UTC)
MakeEntry = Callable[..., Entry]
MakeEpisode = Callable[..., Episode]


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


@pytest.fixture
def model(embedder: HashEmbedder) -> Iterator[OfflineModel]:
    yield OfflineModel(embedder)


@pytest.fixture
def entry() -> MakeEntry:
    """Make an entry from claims, each a text or (text, number of episodes)."""

    def made(
        user: str, *claims: str | tuple[str, int], version: str = "v", name: str = ""
    ) -> Entry:
        pairs = [(one, 1) if isinstance(one, str) else one for one in claims]
        written = tuple(
            Claim(
                id=f"c{number}",
                section=Section.PREFERENCES,
                text=text,
                evidence=tuple(f"e{number}-{i}" for i in range(count)),
            )
            for number, (text, count) in enumerate(pairs)
        )
        persona = Persona(
            user_id=user, version=f"{user}-{version}", claims=written, created_at=START
        )
        return Entry(persona=persona, name=name)

    return made


@pytest.fixture
def episode() -> MakeEpisode:
    def made(
        user: str, number: int, text: str, outcome: str, options: tuple[str, ...] = ()
    ) -> Episode:
        return Episode(
            id=f"{user}-{number}",
            user_id=user,
            query=Query(text=text, options=options, task="tag"),
            outcome=outcome,
            at=START + timedelta(days=number),
        )

    return made
