"""Which features decide choices, and what time has to do with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_agent.llm.offline.choices import feature_claims
from persona_agent.llm.offline.leaning import ChoiceReader
from persona_agent.prompts import Case
from persona_agent.protocols import Vectors
from persona_agent.schema import Query
from persona_agent.testing.embedder import HashEmbedder


class CountingEmbedder(HashEmbedder):
    calls = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.calls += 1
        return super().embed(texts)


def lamps(dated: bool) -> list[Case]:
    """A hundred choices of red over blue, then sixty of blue over red."""
    return [
        Case(
            query="a lamp",
            outcome="red, tall" if day < 100 else "blue, tall",
            options=("red, tall", "blue, tall"),
            date="2026-01-01" if dated else "",
            episode_id=f"e{day}",
        )
        for day in range(160)
    ]


def test_later_choices_decide_where_it_is_known_which_are_later() -> None:
    ((dated, support, _),) = feature_claims(lamps(True))
    assert dated.startswith('prefers what has "blue"')
    assert support == tuple(f"e{day}" for day in range(100, 160))
    ((undated, *_),) = feature_claims(lamps(False))
    assert undated.startswith('prefers what has "red"')


def test_the_same_past_is_read_once_for_all_candidates_and_little_is_kept() -> None:
    embedder = CountingEmbedder()
    reader = ChoiceReader(embedder, most=2)
    cases = [Case(query="q", outcome=one, options=("apple", "brick")) for one in ("apple", "brick")]
    queries = [Query(text=f"q{number}", options=("red apple", "stone")) for number in range(3)]
    first = reader(queries[0], cases)
    asked = embedder.calls
    assert reader(queries[0], list(cases)) is first and embedder.calls == asked
    assert not np.array_equal(reader(queries[0], cases[:1]), first)
    for query in queries[1:]:
        reader(query, cases)
    asked = embedder.calls
    again = reader(queries[0], cases)
    assert embedder.calls > asked and again is not first
    np.testing.assert_array_equal(again, first)
