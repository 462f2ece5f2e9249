"""Statements: what a turn says of its speaker, for what and against what, and that it governs."""

from __future__ import annotations

import pytest

from persona_agent.llm.offline import OfflineModel
from persona_agent.llm.offline.reading import read_claim
from persona_agent.llm.offline.statements import clauses, is_statement, statements_in
from persona_agent.prompts import DECIDE, Case, DecideInputs
from persona_agent.schema import Query
from persona_agent.testing import HashEmbedder

OPTIONS = ("a concert of loud jazz", "a walk along quiet trails", "a lecture on old coins")


@pytest.fixture
def model() -> OfflineModel:
    return OfflineModel(HashEmbedder())


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        ("I hate jazz.", ["I hate jazz."]),
        ("My knees are bad. It rains.", ["My knees are bad."]),
        ("I'm off to Rome. Where should I stay?", []),
        ("I never fly. How do I get to Rome?", ["I never fly."]),
        ('"Can you help me?"', []),
        ("The weather is fine.", []),
    ],
)
def test_a_turn_says_what_lasts(turn: str, said: list[str]) -> None:
    assert statements_in(turn) == said


@pytest.mark.parametrize(
    ("statement", "liked", "avoided"),
    [
        ("I prefer quiet trails.", ("I prefer quiet trails.",), ()),
        ("I can't stand loud jazz.", (), ("stand loud jazz.",)),
        ("I prefer trains over flights.", ("I prefer trains",), ("flights.",)),
        ("I like hiking, but never in crowds.", ("I like hiking,",), ("in crowds.",)),
        ("I am allergic to peanuts.", (), ("to peanuts.",)),
        ("Jazz is not for me.", (), ("Jazz is",)),
    ],
)
def test_a_clause_is_for_or_against(
    statement: str, liked: tuple[str, ...], avoided: tuple[str, ...]
) -> None:
    assert clauses(statement) == (liked, avoided)


def test_a_question_states_nothing() -> None:
    assert not is_statement("Should I hate jazz?")


def test_own_words_are_read_whole_and_claims_of_a_model_are_not() -> None:
    rule = "I have one rule: no meat"
    own = read_claim(f"{rule} (user's own words)")
    assert (own.stated, own.scope, own.text) == (True, "", rule)
    assert read_claim("When hiking: wants boots (user's own words)").scope == "When hiking"
    dated = read_claim(f"{rule} (user's own words, 2026-11-22)")
    assert (dated.stated, dated.scope, dated.text) == (True, "", rule)
    assert not read_claim(f"{rule} (seen 3x)").stated
    assert not read_claim('I always pick "war" (user\'s own words)').stated


def test_a_reply_to_a_question_is_about_its_query() -> None:
    asked = 'when asked about "To Munich, a day: how?"'
    chosen = read_claim(f'{asked}: "train" rather than "flight" (user\'s own words, 2026-11-22)')
    assert chosen.scope == "To Munich, a day: how?"
    assert (chosen.likes, chosen.avoids, chosen.stated) == (("train",), ("flight",), False)
    told = read_claim(f"{asked}: I only flew because of the strike. (user's own words)")
    assert (told.likes, told.stated) == ((), True)
    assert told.text == "I only flew because of the strike."


async def choice(model: OfflineModel, persona: str, *recalled: Case, text: str = "What now") -> str:
    query = Query(text=text, options=OPTIONS, task="leisure")
    inputs = DecideInputs(query=query, persona=persona, recalled=recalled)
    return OPTIONS[(await model.ask(DECIDE, inputs)).choice - 1]


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        ("I enjoy quiet trails.", OPTIONS[1]),
        ("I enjoy loud jazz.", OPTIONS[0]),
        ("I enjoy old coins, but I avoid loud jazz.", OPTIONS[2]),
    ],
)
async def test_what_was_stated_governs_the_choice(
    model: OfflineModel, said: str, chosen: str
) -> None:
    assert await choice(model, f"Values\n- {said} (user's own words)") == chosen
    assert await choice(model, "", Case(query=said, outcome="")) == chosen  # recalled, as rag does


async def test_what_is_disliked_is_not_chosen_for_its_name(model: OfflineModel) -> None:
    asked = "A concert of loud jazz"
    assert await choice(model, "", text=asked) == OPTIONS[0]
    said = "Values\n- I hate a concert of loud jazz. (user's own words)"
    assert await choice(model, said, text=asked) != OPTIONS[0]


async def test_the_reason_names_the_statement(model: OfflineModel) -> None:
    query = Query(text="What now", options=OPTIONS)
    persona = "Values\n- I enjoy quiet trails. (user's own words)"
    output = await model.ask(DECIDE, DecideInputs(query=query, persona=persona))
    assert "I enjoy quiet trails." in output.reason


async def test_ratings_and_questions_before_change_nothing(model: OfflineModel) -> None:
    grades = Query(text="A concert", options=("1", "2", "3", "4", "5"))
    said = "Values\n- I enjoy quiet trails. (user's own words)"
    plain, knowing = [
        await model.ask(DECIDE, DecideInputs(query=grades, persona=one)) for one in ("", said)
    ]
    assert plain == knowing
    asked = Case(query="What loud jazz do I like?", outcome="")
    assert await choice(model, "", asked, text="Trails") == await choice(model, "", text="Trails")
