"""With which policy a search begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from persona_agent.optimizer.policies import FULL, MANY, RAG_STATISTICS, first_policy
from persona_agent.persona.statistics import LONGEST_LABEL, MOST_LABELS
from persona_agent.schema import ContextPolicy, Episode, Query

START = datetime(2026, 1, 1, tzinfo=UTC)
MORE = MOST_LABELS + 1


def history(outcomes: list[str], options: tuple[str, ...] = ()) -> list[Episode]:
    return [
        Episode(
            id=f"e{n}",
            user_id="ann",
            query=Query(text=f"case {n}", options=options, task="t"),
            outcome=outcome,
            at=START + timedelta(days=n),
        )
        for n, outcome in enumerate(outcomes)
    ]


TITLES = [f"title {n}" for n in range(MORE)]


@pytest.mark.parametrize(
    ("episodes", "policy"),
    [
        (history(["tea", "milk"] * MORE, ("tea", "milk")), RAG_STATISTICS),
        (history(TITLES), MANY),
        (history(TITLES[:-1]), RAG_STATISTICS),
        (history([title + "x" * LONGEST_LABEL for title in TITLES]), RAG_STATISTICS),
        (history(TITLES, tuple(TITLES)), RAG_STATISTICS),
        ([one for title in TITLES for one in history([title], (title, "none"))], FULL),
        ([], RAG_STATISTICS),
    ],
    ids=["labels", "many answers", "countable", "texts", "from a list", "new things", "nothing"],
)
def test_the_first_policy_suits_what_answers_are_like(
    episodes: list[Episode], policy: ContextPolicy
) -> None:
    assert first_policy(episodes) == policy


def test_many_cases_are_shown_only_where_they_are_short() -> None:
    """What is shown for every query must not cost a page for each case."""
    page = "a long question " * 30
    long = [
        one.model_copy(update={"query": one.query.model_copy(update={"text": page + one.id})})
        for one in history(TITLES)
    ]
    assert first_policy(long) == RAG_STATISTICS
