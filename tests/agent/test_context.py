"""What a policy leaves out of a context: old taste, distant claims, what is shown twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from persona_agent.agent.context import Context, ContextBuilder
from persona_agent.memory.episodes import InMemoryEpisodeStore
from persona_agent.persona.render import SKETCHES_HEADING
from persona_agent.persona.statistics import MOST_LABELS
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
def test_what_most_cases_speak_for_is_shown_however_far_it_is_from_the_query(
    most: int, shown: set[str]
) -> None:
    claims = (ALWAYS, NEARER, NOVELS, NEAR, HABIT)
    text = built([], ContextPolicy(recalled=0, most_claims=most), *claims).persona_text
    assert {one.text for one in claims if one.text in text} == shown


def test_what_the_user_said_goes_by_nearness_however_often_other_things_were_seen() -> None:
    claims = (claim("mountain trails"), claim("evening drink with milk"), claim("evening drink"))
    text = built([], ContextPolicy(recalled=0, most_claims=2), *claims).persona_text
    assert "trails" not in text and "with milk" in text


# --- cases in key words -------------------------------------------------------------------------

IN_SHORT = ContextPolicy(recalled=1, show_sketches=True)


def test_other_cases_than_the_recalled_one_are_shown_in_key_words() -> None:
    context = built(["tea", "milk", "tea"], IN_SHORT, asked="evening drink, kitchen 1")
    (recalled,) = context.recalled
    assert recalled.episode.outcome == "milk"
    block = f'{SKETCHES_HEADING}\n- "tea": evening drink attic; evening drink harbour'
    assert context.persona_text.endswith(block)
    assert SKETCHES_HEADING not in built(["tea", "tea"], ContextPolicy()).persona_text


def test_nothing_is_shown_in_key_words_where_outcomes_are_too_many_to_be_counted() -> None:
    differing = [f"drink {n // 2}" for n in range(4 * MOST_LABELS)]
    assert SKETCHES_HEADING not in built(differing, IN_SHORT).persona_text
    assert SKETCHES_HEADING in built(differing[: 2 * MOST_LABELS], IN_SHORT).persona_text


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
