"""Which outcomes are counted, and that counts and examples are read back as they were written."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.llm.offline.reading import read
from persona_agent.persona import (
    estimate_tokens,
    outcome_statistics,
    render,
    render_statistics,
    too_many,
)
from persona_agent.persona.render import ALIKE, COUNTS_HEADING, quoted
from persona_agent.persona.statistics import LONGEST_LABEL, MOST_LABELS
from persona_agent.schema import (
    Demonstration,
)
from tests.persona.teas import ALL, AT, READABLE, ROUNDS, episodes, persona


def test_outcomes_are_counted_by_task_with_the_latest_first() -> None:
    found = outcome_statistics(
        [*episodes("a", "b", "a", None), *episodes("c", "c", "d", "c", task="often")]
    )
    assert [one.task for one in found] == ["often", "t"]
    assert found[1].total == 3
    assert found[1].counts == (("a", 2),)
    assert found[1].recent == ("a", "a")
    assert found[1].latest_at == AT + timedelta(days=2)
    assert found[1].mean is None


def test_labels_that_are_offered_again_and_again_count_from_the_first_time() -> None:
    labels = ("tea", "milk", "rye")
    assert render_statistics(outcome_statistics(episodes("tea", "milk", options=labels))) == ""
    (found,) = outcome_statistics(episodes("tea", "milk", "tea", options=labels))
    assert (found.counts, found.recent) == ((("tea", 2), ("milk", 1)), ("tea", "milk", "tea"))


def test_described_options_that_are_offered_once_or_twice_are_not_counted() -> None:
    choices = [
        one
        for n in range(20)
        for one in 2 * episodes(f"a tent for {n}", options=(f"a tent for {n}", f"a hut for {n}"))
    ]
    (found,) = outcome_statistics(choices)
    assert (found.total, found.counts, found.recent, found.latest_at) == (40, (), (), None)
    assert render_statistics((found,)) == ""


def test_a_few_outcomes_that_recur_among_many_others_are_no_rule() -> None:
    options = [("neither", f"a tent for {n}") for n in range(12)]
    told = [one for n in range(12) for one in episodes(options[n][n % 2], options=options[n])]
    (found,) = outcome_statistics(told)
    assert (found.total, found.counts, found.recent) == (12, (("neither", 6),), ("neither",) * 6)
    more = episodes("a hut", options=("a hut", "neither"))
    assert render_statistics(outcome_statistics([*told, *more])) == ""


def test_the_most_used_task_may_have_too_many_answers_to_be_counted() -> None:
    many = episodes(*(f"title {n}" for n in range(MOST_LABELS + 1)), task="papers")
    assert too_many(many) and not too_many(many[:-1]) and not too_many([])
    assert not too_many([*many, *episodes(*["tea"] * 50, task="drinks")])
    assert too_many([*many, *episodes(*["x" * 2 * LONGEST_LABEL] * 50, task="essays")])


def test_outcomes_of_cases_like_the_query_follow_closest_first() -> None:
    (found,) = outcome_statistics(episodes("tea", "milk", "tea", "tea"))
    plain = render_statistics((found,))
    told = found.model_copy(update={"alike": ("milk", "tea", "tea")})
    assert render_statistics((told,)) == f'{plain}{ALIKE}"milk", "tea" x2'


def test_what_is_listed_takes_half_of_the_room_at_most_and_no_more_room_is_taken() -> None:
    titles = [f"a title that is as long as those of papers are, number {n}" for n in range(20)]
    (found,) = outcome_statistics(episodes(*titles[:10], *titles[:10]))
    told = found.model_copy(update={"alike": tuple(titles)})
    shown = render_statistics((told,), 300)
    counted, _, alike = shown.partition(ALIKE)
    assert 2 < alike.count("title") < 20 and estimate_tokens(alike) <= 150
    assert 2 < counted.count("title") < render_statistics((found,), 300).count("title")
    assert estimate_tokens(shown) <= 300 + estimate_tokens(COUNTS_HEADING) + 40


def test_ratings_have_mean_median_and_spread() -> None:
    (found,) = outcome_statistics(
        episodes("4", "5", "3", "4", options=("1", "2", "3", "4", "5"), task="")
    )
    assert (found.task, found.kind) == ("rating", "rating")
    assert (found.mean, found.median, found.spread) == (4.0, 4.0, 0.71)
    shown = '; mean 4, median 4, spread 0.71; latest first, from 2026-01-04 back: "4", "3"'
    assert shown in render_statistics((found,))


def test_long_outcomes_and_chats_are_not_counted() -> None:
    assert outcome_statistics(episodes("x" * 121)) == ()
    assert outcome_statistics(episodes("yes", task="chat")) == ()
    assert outcome_statistics([]) == ()
    assert render_statistics(()) == ""


@ROUNDS
@given(labels=st.lists(READABLE | st.sampled_from(["tea", "milk x2", "x3"]), min_size=1))
def test_counts_are_read_back_as_they_were_rendered(labels: list[str]) -> None:
    (made,) = outcome_statistics(episodes(*labels, *labels))
    (counts,) = read(render_statistics((made,), 20_000)).counts
    assert (counts.task, counts.total) == ("t", 2 * len(labels))
    assert counts.counts == tuple((quoted(name)[1:-1], count) for name, count in made.counts)
    assert counts.latest == tuple(quoted(name)[1:-1] for name in made.recent)


def test_runs_of_the_latest_outcomes_are_written_once() -> None:
    latest = outcome_statistics(episodes("tea", "milk", "tea", *["milk"] * 8))
    assert render_statistics(latest).endswith(': "milk" x8, "tea", "milk"')
    alone = outcome_statistics(episodes(*["a book with a long name"] * 10))
    assert render_statistics(alone).endswith(': "a book with a long name" x10')


@ROUNDS
@given(
    labels=st.lists(st.sampled_from(["tea", "a cup of milk"]), min_size=1, max_size=20),
    budget=st.integers(20, 300),
)
def test_writing_runs_once_makes_no_difference_to_what_is_told(
    labels: list[str], budget: int
) -> None:
    (made,) = outcome_statistics(episodes(*labels, *labels))
    (counts,) = read(render_statistics((made,), budget)).counts
    assert counts.latest == made.recent[: len(counts.latest)]
    each = [estimate_tokens(f"{quoted(name)}, ") for name in made.recent]
    fitting = sum(sum(each[: n + 1]) <= budget // 3 for n in range(len(each)))
    assert len(counts.latest) == max(1, fitting)


@pytest.mark.parametrize(
    ("task", "label"),
    [
        ("rate (books): stars", "tea"),
        ("t", "a; latest first: b"),
        ("films (2026)", "tea"),
        ("a: b", 'say "yes" 3'),
        ("t", "1, 2"),
        ("t", "(5): x"),
    ],
)
def test_odd_names_are_read_back(task: str, label: str) -> None:
    twice = outcome_statistics(episodes(label, label, task=task))
    (counts,) = read(render_statistics(twice)).counts
    shown = quoted(label)[1:-1]
    assert (counts.task, counts.counts, counts.latest) == (task, ((shown, 2),), (shown, shown))


@pytest.mark.parametrize(
    ("query", "outcome"),
    [
        ("q", "tea"),
        ("a -> b", "tea"),
        ("q", "a -> b"),
    ],
)
def test_examples_are_read_back(query: str, outcome: str) -> None:
    shown = Demonstration(episode_id="e", query=query, outcome=outcome)
    made = persona(demonstrations=(shown,), policy=ALL)
    assert read(render(made)).examples == ((query, outcome),)


def test_rare_outcomes_give_way_but_are_counted() -> None:
    labels = [f"label {n:03}" for n in range(20)]
    shown = render_statistics(outcome_statistics(episodes(*labels, *labels)), 60)
    (counts,) = read(shown).counts
    assert counts.total == 40
    assert 1 <= len(counts.counts) < 20
