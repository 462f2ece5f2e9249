"""Which features decide choices, and what time has to do with it."""

from __future__ import annotations

from persona_agent.llm.offline.choices import feature_claims
from persona_agent.prompts import Case


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
