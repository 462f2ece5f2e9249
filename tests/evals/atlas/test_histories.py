"""What enters a half, and what shuffling keeps and destroys."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.evals.atlas.behaviour import choose_probes, same_text
from persona_agent.evals.atlas.histories import (
    enough,
    half_size,
    halves,
    outcomes_shuffled,
    shuffled,
    without,
)
from persona_agent.schema import Episode
from tests.evals.atlas.conftest import MakeEpisode

TAGS = ("comedy", "drama", "war")


@pytest.fixture
def histories(episode: MakeEpisode) -> dict[str, list[Episode]]:
    return {
        user: [
            episode(user, n, f"{user} film {n}", TAGS[(n + place) % 3], TAGS) for n in range(size)
        ]
        for place, (user, size) in enumerate({"ana": 10, "ben": 14, "eva": 30}.items())
    }


def test_halves_share_nothing_and_have_one_size(histories: dict[str, list[Episode]]) -> None:
    for seed in range(20):
        for history in histories.values():
            one, other = halves(history, 5, random.Random(seed))
            assert len(one) == len(other) == 5
            assert not {e.id for e in one} & {e.id for e in other}
            assert one == sorted(one, key=lambda e: e.at)


def test_the_same_question_is_never_in_both_halves(episode: MakeEpisode) -> None:
    texts = ["A film?", "a  FILM?", "a film?", "b", "c", "d", "e", "f", "g"]
    history = [episode("u", n, text, "x") for n, text in enumerate(texts)]
    for seed in range(50):
        one, other = halves(history, 3, random.Random(seed))
        keys = [{same_text(e.query.text) for e in side} for side in (one, other)]
        assert not keys[0] & keys[1]
        assert len(one) == len(other) == 3


@given(st.lists(st.integers(0, 8), min_size=1, max_size=30), st.integers(1, 4))
def test_enough_means_that_halves_are_full(kinds: list[int], size: int) -> None:
    history = [
        Episode.model_validate(
            {"id": f"e{n}", "user_id": "u", "query": {"text": f"q{kind}"}, "outcome": "x",
             "at": f"2026-01-01T00:00:{n:02d}Z"}
        )
        for n, kind in enumerate(kinds)
    ]  # fmt: skip
    one, other = halves(history, size, random.Random(0))
    assert len(one) == len(other) <= size
    if enough(history, size):
        assert len(one) == size


def test_a_long_history_does_not_make_long_halves(histories: dict[str, list[Episode]]) -> None:
    assert half_size(histories) == 7
    assert half_size({}) == 4


def test_shuffling_keeps_slots_and_loses_whose_content_it_was(
    histories: dict[str, list[Episode]],
) -> None:
    mixed = shuffled(histories, random.Random(0))
    for user, history in histories.items():
        assert [(e.user_id, e.at, e.id) for e in mixed[user]] == [
            (e.user_id, e.at, e.id) for e in history
        ]
    content = [(e.query.text, e.outcome) for h in histories.values() for e in h]
    moved = [(e.query.text, e.outcome) for h in mixed.values() for e in h]
    assert Counter(content) == Counter(moved)
    own = sum(e.query.text.startswith(user) for user, h in mixed.items() for e in h)
    assert own < 0.7 * len(content)


def test_shuffled_outcomes_keep_what_was_asked(histories: dict[str, list[Episode]]) -> None:
    mixed = outcomes_shuffled(histories, random.Random(0))
    assert {u: [e.query for e in h] for u, h in mixed.items()} == {
        u: [e.query for e in h] for u, h in histories.items()
    }
    before = Counter(e.outcome for h in histories.values() for e in h)
    assert before == Counter(e.outcome for h in mixed.values() for e in h)
    assert mixed != histories


def test_options_of_its_own_get_an_outcome_at_random(episode: MakeEpisode) -> None:
    alone = {"u": [episode("u", 0, "soup or salad", "soup", ("soup", "salad"))]}
    seen = {outcomes_shuffled(alone, random.Random(s))["u"][0].outcome for s in range(30)}
    assert seen == {"soup", "salad"}


def test_probes_are_distinct_spread_over_users_and_taken_out(
    histories: dict[str, list[Episode]],
) -> None:
    probes = choose_probes(histories, count=6)
    texts = {same_text(probe.text) for probe in probes}
    assert len(texts) == 6
    assert Counter(text.split()[0] for text in texts) == {"ana": 2, "ben": 2, "eva": 2}
    rest = without(histories, texts)
    assert sum(map(len, rest.values())) == 54 - 6
    assert choose_probes(histories, count=6) == probes
    assert len(choose_probes(histories, count=500)) == 54
