"""What a policy leaves out of a context: old taste, distant claims, what is shown twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from persona_agent.agent.context import Context, ContextBuilder
from persona_agent.llm.offline.reading import read
from persona_agent.memory.episodes import InMemoryEpisodeStore
from persona_agent.persona.render import ALIKE
from persona_agent.schema import Claim, ContextPolicy, Episode, Persona, Query, Section
from persona_agent.testing import HashEmbedder

START = datetime(2026, 1, 1, tzinfo=UTC)
EMBEDDER = HashEmbedder()


PLACES = ["harbour", "kitchen", "attic", "meadow", "station", "library", "orchard", "theatre"]


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def builder(outcomes: Sequence[str]) -> ContextBuilder:
    """A memory of one evening drink a day, each in another place."""
    episodes = [
        Episode(
            id=f"e{n}",
            user_id="ann",
            query=Query(text=f"evening drink, {PLACES[n % len(PLACES)]} {n}", task="drinks"),
            outcome=outcome,
            at=day(n),
        )
        for n, outcome in enumerate(outcomes)
    ]
    store = InMemoryEpisodeStore()
    store.add(episodes, EMBEDDER.embed([one.query.text for one in episodes]))
    return ContextBuilder(store, EMBEDDER, persona_tokens=600)


def built(
    outcomes: Sequence[str],
    policy: ContextPolicy,
    *claims: Claim,
    before: datetime | None = None,
    asked: str = "evening drink",
) -> Context:
    persona = Persona(user_id="ann", claims=claims, policy=policy)
    query = Query(text=asked, options=("tea", "milk"), task="drinks")
    return builder(outcomes).build(persona, query, before=before)


# --- since taste changed ------------------------------------------------------------------------


def test_cases_from_before_a_change_of_taste_are_neither_recalled_nor_counted() -> None:
    context = built(["tea"] * 5 + ["milk"] * 3, ContextPolicy(since=day(5)))
    assert {one.episode.outcome for one in context.recalled} == {"milk"}
    assert len(context.recalled) == 3
    assert 'drinks (3): "milk" 3' in context.persona_text


@pytest.mark.parametrize("asked_on", [3, 5])
def test_a_question_from_before_the_change_sees_the_taste_of_its_time(asked_on: int) -> None:
    policy = ContextPolicy(since=day(5))
    context = built(["tea"] * 5 + ["milk"] * 3, policy, before=day(asked_on))
    assert len(context.recalled) == asked_on
    assert {one.episode.outcome for one in context.recalled} == {"tea"}
    assert context.date == day(asked_on).date().isoformat()


def test_old_cases_take_no_place_of_later_ones_however_near_they_are() -> None:
    places = ["harbour"] * 250 + ["attic mice", "meadow cows", "old friends"]
    episodes = [
        Episode(
            id=f"e{n}",
            user_id="ann",
            query=Query(text=f"evening drink, {place}", task="drinks"),
            outcome=f"cup {n}",
            at=day(n),
        )
        for n, place in enumerate(places)
    ]
    store = InMemoryEpisodeStore()
    store.add(episodes, EMBEDDER.embed([one.query.text for one in episodes]))
    persona = Persona(user_id="ann", policy=ContextPolicy(since=day(250)))
    asked = Query(text="evening drink, harbour", task="drinks")
    found = ContextBuilder(store, EMBEDDER, persona_tokens=600).build(persona, asked).recalled
    assert {one.episode.id for one in found} == {"e250", "e251", "e252"}


# --- room for few claims ------------------------------------------------------------------------


def claim(text: str, *, pinned: bool = False) -> Claim:
    return Claim(section=Section.VALUES, text=text, origin="user", pinned=pinned)


def test_the_claims_nearest_to_the_query_are_shown_and_pinned_ones_always() -> None:
    claims = (
        claim("prefers mountain trails"),
        claim("never an evening drink with sugar"),
        claim("writes short letters", pinned=True),
        claim("collects stamps"),
    )
    text = built([], ContextPolicy(recalled=0, most_claims=1), *claims).persona_text
    assert "evening drink with sugar" in text and "short letters" in text
    assert "trails" not in text and "stamps" not in text
    assert "stamps" in built([], ContextPolicy(recalled=0, most_claims=4), *claims).persona_text


def drawn(text: str, seen: int, scope: str = "", section: Section = Section.VALUES) -> Claim:
    evidence = tuple(f"e{n}" for n in range(seen))
    return Claim(section=section, scope=scope, text=text, evidence=evidence)


NOVELS = drawn("files it under 'book'", 9, "when the film is made from a novel")
HABIT = drawn("repeats the last choice", 4, "on most days", Section.DECISION_HABITS)
ALWAYS = drawn("is brief", 3)
NEAR = drawn("takes tea", 2, "for an evening drink")
NEARER = drawn("takes milk", 2, "for an evening drink, late")


@pytest.mark.parametrize(
    ("most", "shown"),
    [
        (1, {NEAR.text}),
        (2, {NEAR.text, NOVELS.text}),
        (3, {NEAR.text, NOVELS.text, HABIT.text}),
        (4, {NEAR.text, NOVELS.text, HABIT.text, NEARER.text}),
    ],
)
def test_what_most_cases_speak_for_is_shown_where_no_other_situation_is_clearly_nearer(
    most: int, shown: set[str]
) -> None:
    assert few_of(most, "a story of a whaler whose captain hunts one evening") == shown


@pytest.mark.parametrize(
    ("most", "shown"),
    [
        (1, {NEAR.text}),
        (2, {NEAR.text, HABIT.text}),
        (3, {NEAR.text, HABIT.text, NEARER.text}),
    ],
)
def test_what_is_plainly_about_the_query_goes_before_what_was_seen_more_often(
    most: int, shown: set[str]
) -> None:
    assert few_of(most, "an evening drink") == shown


def few_of(most: int, asked: str) -> set[str]:
    """Return what is shown of five claims where there is room for so many."""
    claims = (ALWAYS, NEARER, NOVELS, NEAR, HABIT)
    policy = ContextPolicy(recalled=0, most_claims=most)
    text = built([], policy, *claims, asked=asked).persona_text
    return {one.text for one in claims if one.text in text}


def test_what_the_user_said_goes_by_nearness_however_often_other_things_were_seen() -> None:
    claims = (claim("mountain trails"), claim("evening drink with milk"), claim("evening drink"))
    text = built([], ContextPolicy(recalled=0, most_claims=2), *claims).persona_text
    assert "trails" not in text and "with milk" in text


MEALS = ("soup", "bread")


def kitchen() -> InMemoryEpisodeStore:
    """Two evening drinks (e0, e1) and three meals (m0 to m2), all alike in words."""
    asked = [(f"e{n}", "drinks", ("tea", "milk")) for n in range(2)]
    asked += [(f"m{n}", "meals", MEALS) for n in range(3)]
    episodes = [
        Episode(
            id=id_,
            user_id="ann",
            query=Query(text="in the evening", options=options, task=task),
            outcome=options[0],
            at=day(n),
        )
        for n, (id_, task, options) in enumerate(asked)
    ]
    store = InMemoryEpisodeStore()
    store.add(episodes, EMBEDDER.embed([one.query.text for one in episodes]))
    return store


def resting_on(*evidence: str, text: str, scope: str = "") -> Claim:
    return Claim(section=Section.PREFERENCES, scope=scope, text=text, evidence=evidence)


SOUP = resting_on("m0", "m1", "m2", scope="for an evening drink or meal", text="takes soup")
HEARTY = resting_on("m0", "m1", "m2", text="likes an evening drink hearty")
TEA = resting_on("e0", "e1", scope="late at night", text="takes tea")
BOTH = resting_on("e0", "m0", scope="at home", text="takes what is warm")


@pytest.mark.parametrize(
    ("most", "shown"),
    [(1, {TEA}), (2, {TEA, BOTH}), (3, {TEA, BOTH, HEARTY}), (9, {TEA, BOTH, HEARTY})],
)
def test_for_a_choice_claims_of_its_own_task_are_shown_first(most: int, shown: set[Claim]) -> None:
    policy = ContextPolicy(recalled=0, most_claims=most)
    persona = Persona(user_id="ann", claims=(SOUP, HEARTY, TEA, BOTH), policy=policy)
    contexts = ContextBuilder(kitchen(), EMBEDDER, persona_tokens=600)
    query = Query(text="an evening drink", options=("tea", "milk"), task="drinks")
    text = contexts.build(persona, query).persona_text
    assert {one.text for one in persona.claims if one.text in text} == {one.text for one in shown}


def test_a_question_without_options_is_of_no_task_in_particular() -> None:
    policy = ContextPolicy(recalled=0, most_claims=1)
    persona = Persona(user_id="ann", claims=(SOUP, TEA), policy=policy)
    contexts = ContextBuilder(kitchen(), EMBEDDER, persona_tokens=600)
    query = Query(text="for an evening drink or meal", task="chat")
    assert SOUP.text in contexts.build(persona, query).persona_text


# --- cases told by their outcome ------------------------------------------------------------------

ONE_IN_FULL = ContextPolicy(recalled=1, listed=2)


def test_cases_after_those_in_full_are_told_by_their_outcome_closest_first() -> None:
    outcomes = ["tea", "milk", "cocoa", "milk"] * 3
    asked = "evening drink, kitchen 1"
    ranked = built(outcomes, ContextPolicy(recalled=3, drop_superseded=False), asked=asked).recalled
    context = built(outcomes, ONE_IN_FULL, asked=asked)
    assert [one.episode.id for one in context.recalled] == [ranked[0].episode.id]
    (counts,) = read(context.persona_text).counts
    assert counts.alike == tuple(one.episode.outcome for one in ranked[1:])
    only = built(outcomes, ContextPolicy(recalled=0, listed=3), asked=asked)
    assert not only.recalled
    (counts,) = read(only.persona_text).counts
    assert counts.alike == tuple(one.episode.outcome for one in ranked)
    assert ALIKE not in built(outcomes, ContextPolicy(), asked=asked).persona_text


def test_nothing_of_the_future_and_nothing_of_an_old_taste_is_listed() -> None:
    outcomes = ["tea"] * 4 + ["milk"] * 4
    (early,) = read(built(outcomes, ONE_IN_FULL, before=day(4)).persona_text).counts
    assert early.alike == ("tea", "tea")
    changed = ContextPolicy(recalled=1, listed=7, since=day(4))
    (late,) = read(built(outcomes, changed).persona_text).counts
    assert late.alike == ("milk", "milk", "milk")


def test_as_many_are_listed_as_there_are_and_only_beside_counts() -> None:
    found = read(built(["tea"] * 3, ContextPolicy(recalled=1, listed=5)).persona_text).counts
    assert found[0].alike == ("tea", "tea")
    without = ContextPolicy(recalled=1, listed=5, show_statistics=False)
    assert built(["tea"] * 3, without).persona_text == ""


# --- the text of the turn before ----------------------------------------------------------------


def test_what_is_shown_again_is_as_new_as_what_it_is_made_of() -> None:
    store = InMemoryEpisodeStore()
    contexts = ContextBuilder(store, EMBEDDER, persona_tokens=600)
    drinks = Query(text="evening drink", options=("tea", "milk"), task="drinks")
    short, long, other = (
        Persona(user_id=user, claims=(claim(text),))
        for user, text in (("ann", "short letters"), ("ann", "long letters"), ("bob", "stamps"))
    )
    texts = set()
    for number in range(8):
        now = Episode(user_id="ann", query=drinks, outcome="tea", at=day(number))
        store.add([now], EMBEDDER.embed([drinks.text]))
        for persona in (short, short, long, other, short):
            for query in (drinks, drinks.model_copy(update={"task": "meals"})):
                fresh = ContextBuilder(store, EMBEDDER, persona_tokens=600)
                texts.add(contexts.text(persona, query))
                assert contexts.text(persona, query) == fresh.text(persona, query)
    assert len(texts) > 6 and any('"tea" 8' in text for text in texts)
