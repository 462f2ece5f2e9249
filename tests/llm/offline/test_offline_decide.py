"""The offline model's decisions: what they rest on, and the arithmetic under them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_agent.llm.offline import OfflineModel
from persona_agent.llm.offline import evidence as ev
from persona_agent.llm.offline.decide import Decider
from persona_agent.llm.offline.evidence import Array
from persona_agent.llm.offline.leaning import from_choices, from_claims, mentions
from persona_agent.llm.offline.opinion import OpinionReader, sentences
from persona_agent.llm.offline.reading import BY_HABIT, BY_SUBJECT, LATEST_FIRST, STEADY, read
from persona_agent.memory.embedder import create_embedder
from persona_agent.persona.render import ALIKE
from persona_agent.prompts import DECIDE, Case, DecideInputs, DecideOutput
from persona_agent.schema import Query
from persona_agent.settings import Settings
from persona_agent.testing.embedder import HashEmbedder

TAGS = ("comedy", "drama", "war")
STARS = ("1", "2", "3", "4", "5")


def decide(
    text: str, options: tuple[str, ...] = TAGS, persona: str = "", *cases: Case, task: str = "t"
) -> DecideOutput:
    query = Query(text=text, options=options, task=task)
    return Decider(HashEmbedder())(DecideInputs(query=query, persona=persona, recalled=cases))


def chosen(*arguments: Any, **fields: Any) -> str:
    options = arguments[1] if len(arguments) > 1 else TAGS
    return str(options[decide(*arguments, **fields).choice - 1])


def counts(latest: str = '"war"', **numbers: int) -> str:
    listed = ", ".join(f'"{label}" {count}' for label, count in numbers.items())
    return f"Outcomes so far\n- t ({sum(numbers.values())}): {listed}; latest first: {latest}"


def graded(latest: str, numbers: dict[str, int]) -> str:
    listed = ", ".join(f'"{label}" {count}' for label, count in numbers.items())
    return f"Outcomes so far\n- t ({sum(numbers.values())}): {listed}; latest first: {latest}"


# --- what acts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", TAGS)
def test_the_text_of_the_persona_is_what_acts(tag: str) -> None:
    assert chosen("xyzzy", TAGS, f'Preferences\n- chooses "{tag}" (seen 12x)') == tag
    assert chosen("xyzzy", TAGS, graded(f'"{tag}"', {tag: 9})) == tag
    assert chosen("xyzzy", TAGS, f'Telling examples\n- xyzzy plugh -> "{tag}"') == tag
    assert chosen("xyzzy", TAGS, "", Case(query="xyzzy plugh", outcome=tag)) == tag


def test_a_claim_acts_within_its_scope_only() -> None:
    persona = (
        "Preferences\n"
        '- when it is about soldiers, trench, battle: chooses "war" (seen 9x)\n'
        '- when it is about fools, farce, jokes: chooses "comedy" (seen 9x)'
    )
    assert chosen("soldiers, a trench and battle", TAGS, persona) == "war"
    assert chosen("fools, a farce and jokes", TAGS, persona) == "comedy"


def test_described_options_lean_by_what_they_contain() -> None:
    options = ("a small pot of green tea", "a large cup of black coffee")
    assert chosen("a drink?", options, 'Values\n- avoids "coffee" (seen 4x)') == options[0]
    assert chosen("a drink?", options, 'Values\n- avoids "tea" (seen 4x)') == options[1]
    assert chosen("a drink?", options, 'Values\n- prefers "black" over "green"') == options[1]


def test_past_choices_between_described_options_lean() -> None:
    options = ("a quiet room by the garden", "a loud room by the street")
    past = Case(
        query="Which room?",
        outcome="a quiet place by the garden",
        options=("a quiet place by the garden", "a loud place by the street"),
    )
    flipped = past.model_copy(update={"outcome": past.options[1]})
    assert chosen("another stay", options, "", past, past) == options[0]
    assert chosen("another stay", options, "", flipped, flipped) == options[1]


@pytest.mark.parametrize(("habit", "share"), [pytest.param(BY_HABIT, "less"), (BY_SUBJECT, "more")])
def test_habit_or_subject_as_a_claim_says(habit: str, share: str) -> None:
    cases = [Case(query="xyzzy plugh", outcome="war")] * 4
    known = counts('"drama"', drama=6, war=1)
    plain = decide("xyzzy", ("drama", "war"), known, *cases)
    steered = decide(
        "xyzzy", ("drama", "war"), f"Decision habits\n- {habit} (seen 4x)\n\n{known}", *cases
    )
    before, after = (
        one.confidence if one.choice == 2 else 1 - one.confidence for one in (plain, steered)
    )
    assert after > before if share == "more" else after < before


@pytest.mark.parametrize(
    ("habit", "answer"), [(LATEST_FIRST, "war"), pytest.param(STEADY, "drama")]
)
def test_latest_or_steady_as_a_claim_says(habit: str, answer: str) -> None:
    changed = counts('"war", "war", "war"', drama=9, war=3)
    assert chosen("xyzzy", TAGS, f"Decision habits\n- {habit} (seen 4x)\n\n{changed}") == answer


@pytest.mark.parametrize("tag", TAGS)
def test_cases_that_are_listed_by_outcome_act(tag: str) -> None:
    even = counts(comedy=4, drama=4, war=4, latest='"war", "drama", "comedy"')
    assert chosen("xyzzy", TAGS, f'{even}{ALIKE}"{tag}" x6') == tag
    behind, *_ = (other for other in TAGS if other != tag)
    assert chosen("xyzzy", TAGS, f'{even}{ALIKE}"{tag}" x6, "{behind}" x6') == tag
    assert chosen("xyzzy", TAGS, f'{even}{ALIKE}"{tag}" x6', task="of another kind") == tag


def test_a_case_in_full_counts_more_than_the_first_that_is_listed() -> None:
    even = counts(comedy=4, drama=4, war=4, latest='"war", "drama", "comedy"')
    case = Case(query="xyzzy plugh", outcome="drama")
    assert chosen("xyzzy", TAGS, f'{even}{ALIKE}"war"', case) == "drama"
    assert chosen("xyzzy", TAGS, f'{even}{ALIKE}"war" x4', case) == "war"


def test_nothing_known_is_the_generic_answer() -> None:
    found = decide("a comedy of errors")
    assert TAGS[found.choice - 1] == "comedy"
    assert found.reason == "Nothing is known of the user; the query alone points there."
    known = decide("xyzzy", TAGS, counts(war=9))
    assert known.reason.endswith("9 earlier outcomes agree with 'war'.")


def test_counts_of_another_task_do_not_act() -> None:
    other = 'Outcomes so far\n- other (9): "tea" 9; latest first: "tea"'
    plain = decide("xyzzy")
    assert decide("xyzzy", TAGS, other).choice == plain.choice


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    text=st.text(min_size=1, max_size=30).filter(str.strip),
    persona=st.text(max_size=60),
    options=st.lists(
        st.sampled_from([*TAGS, *STARS, "!!!", "???", "A", "a"]), min_size=2, unique=True
    ),
)
def test_every_question_has_an_answer_and_always_the_same(
    text: str, persona: str, options: list[str]
) -> None:
    try:
        query = Query(text=text, options=tuple(options))
    except ValueError:
        return
    inputs = DecideInputs(query=query, persona=persona)
    found = [Decider(HashEmbedder())(inputs) for _ in range(2)]
    assert found[0] == found[1]
    DECIDE.check(inputs, found[0])
    assert math.isfinite(found[0].confidence)


async def test_one_request_leaves_nothing_for_the_next() -> None:
    model = OfflineModel(HashEmbedder())
    plain = DecideInputs(query=Query(text="xyzzy", options=TAGS))
    known = plain.model_copy(update={"persona": counts(war=9)})
    first = await model.ask(DECIDE, plain)
    await model.ask(DECIDE, known)
    assert await model.ask(DECIDE, plain) == first
    assert model.usage().calls == 3
    assert model.usage().prompt_tokens > 0


# --- ratings ------------------------------------------------------------------------------------


def test_a_rating_is_the_median_of_what_is_expected() -> None:
    assert chosen("xyzzy", STARS, graded('"2"', {"2": 12}), task="t") == "2"
    assert chosen("xyzzy", STARS, graded('"3"', {"1": 4, "3": 7, "5": 4})) == "3"
    assert chosen("xyzzy", STARS) in ("4", "5")  # ratings lean high


@pytest.mark.parametrize(
    "order",
    [
        STARS,
        STARS[::-1],
        pytest.param(("3", "1", "5", "2", "4")),
    ],
)
def test_the_order_of_grades_does_not_matter(order: tuple[str, ...]) -> None:
    assert chosen("xyzzy", order, graded('"2"', {"2": 9, "1": 4, "5": 1})) == "2"
    assert chosen("xyzzy", order) == chosen("xyzzy", STARS)


@pytest.mark.parametrize("scale", [("0", "1"), ("1", "10", "5"), ("-1", "0", "1"), ("0.5", "1.5")])
def test_any_scale_can_be_rated(scale: tuple[str, ...]) -> None:
    for grade in scale:
        assert chosen("xyzzy", scale, graded(f'"{grade}"', {grade: 15})) == grade


# --- the arithmetic -----------------------------------------------------------------------------


def test_counted_weights() -> None:
    plain = ev.counted_weights(np.array([3.0, 1.0]), np.array([]), 0.6)
    assert plain == pytest.approx([3.0, 1.0])
    recent = ev.counted_weights(np.array([3.0, 1.0]), np.array([1]), 0.6)
    assert recent == pytest.approx([4 * 0.4 * 0.75, 4 * (0.4 * 0.25 + 0.6)])
    two = ev.counted_weights(np.array([1.0, 1.0]), np.array([0, 1]), 1.0)
    first = 1 / (1 + 0.5 ** (1 / ev.RECENT_HALF_LIFE))
    assert two == pytest.approx([2 * first, 2 * (1 - first)])
    unlisted = ev.counted_weights(np.array([3.0, 1.0]), np.array([-1, -1]), 0.6)
    assert unlisted == pytest.approx([3.0, 1.0])
    assert ev.counted_weights(np.array([300.0, 100.0]), np.array([]), 0.6).sum() == (
        pytest.approx(ev.MOST_COUNTED)
    )
    assert ev.counted_weights(np.array([0.0, 0.0]), np.array([0]), 0.6) == pytest.approx([0, 0])


def test_evenness() -> None:
    assert ev.evenness(np.array([2.0, 2.0, 2.0])) == pytest.approx(1)
    assert ev.evenness(np.array([5.0, 0.0])) == pytest.approx(0)
    assert ev.evenness(np.array([3.0, 1.0])) == pytest.approx(0.811278, abs=1e-6)
    assert ev.evenness(np.array([])) == ev.evenness(np.zeros(3)) == ev.evenness(np.ones(1)) == 1


def test_attention_and_applicability() -> None:
    weights = ev.attention(np.array([0.5, 0.4]))
    assert weights.sum() == pytest.approx(1)
    assert weights[0] / weights[1] == pytest.approx(math.exp(0.1 / ev.ATTENTION))
    at = ev.applicability(np.array([ev.CLAIM_APPLIES_AT, 1.0, -1.0]))
    assert at == pytest.approx([0.5, 1.0, 0.0], abs=1e-5)


def test_listed_cases_count_half_after_each_half_life() -> None:
    places = int(ev.LISTED_HALF_LIFE)
    found = ev.listed_similarity(0.4, 2 * places)
    assert len(found) == 2 * places and len(ev.listed_similarity(0.4, 0)) == 0
    weights = ev.closeness(np.concatenate([[0.4], found]))
    assert weights[[0, places, 2 * places]] == pytest.approx([1, 0.5, 0.25])


def test_mixture() -> None:
    base = np.array([0.5, 0.5])
    none = np.zeros(2)
    identity = np.eye(2)
    alone = ev.mixture(base, None, None, none, by_subject=0.5)
    assert alone == pytest.approx(ev.ALPHA * base)
    counted = ev.Counted(identity, np.array([4.0, 0.0]))
    assert ev.mixture(base, counted, None, none, by_subject=0.5) == pytest.approx([4.5, 0.5])
    recalled = ev.RecalledCases(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0.3, 0.3]))
    cases = ev.mixture(base, None, recalled, none, by_subject=0.5)
    assert cases == pytest.approx([0.5, 2.5])
    both = ev.mixture(base, counted, recalled, np.array([0.0, 1.0]), by_subject=0.5)
    share = 0.5 * 2 / (2 + ev.FEW_CASES)  # the counts are not even at all
    assert both == pytest.approx([0.5 + (1 - share) * 4, 1.5 + share * 4])
    even = ev.Counted(identity, np.array([2.0, 2.0]))
    halves = ev.mixture(base, even, recalled, none, by_subject=0.5)
    assert halves == pytest.approx([0.5 + 0.5 * 2, 0.5 + 0.5 * 2 + 0.5 * 4])
    grades = ev.mixture(base, even, recalled, none, by_subject=0.5, graded=True)
    assert grades == pytest.approx([0.5 + (1 - share) * 2, 0.5 + (1 - share) * 2 + share * 4])


def test_leanings() -> None:
    assert mentions("Green Tea.", "tea")
    assert not mentions("steam", "tea")
    claims = read('- prefers "tea" over "milk" (seen 3x)').claims
    options = ("a tea", "a milk", "a juice")
    assert from_claims(options, claims, np.ones(1)) == pytest.approx(
        [math.log(4), -math.log(4), 0.0]
    )
    assert from_claims(("tea", "milk"), claims, np.ones(1)) == pytest.approx([0, 0])


def leans(past: list[Case], *options: str, text: str = "q") -> Array:
    return from_choices(Query(text=text, options=options), past, HashEmbedder())


def test_a_choice_is_carried_over_to_options_that_are_like_its_own() -> None:
    apple = Case(query="q", outcome="apple", options=("apple", "brick"))
    brick = apple.model_copy(update={"outcome": "brick"})
    options = ("red apple", "red brick", "stone")
    first, second, even = (leans(past, *options) for past in ([apple], [brick], [apple, brick]))
    assert first.argmax() == 0 and first.argmin() == 1
    assert second.argmax() == 1 and second.argmin() == 0
    assert even[0] == pytest.approx(even[1], abs=1e-3)


def test_a_choice_in_the_same_situation_outweighs_more_of_another() -> None:
    now = Case(query="rain and wind outside", outcome="tea", options=("tea", "juice"))
    other = [
        Case(query=f"summer heat, day {day}", outcome="juice", options=("tea", "juice"))
        for day in range(3)
    ]
    assert leans([now, *other], "tea", "juice", text="rain and wind outside").argmax() == 0
    assert leans([now, *other], "tea", "juice", text="summer heat, day 1").argmax() == 1


def test_what_was_on_offer_and_left_every_time_is_not_what_is_new() -> None:
    past = [
        Case(query="q", outcome=taken, options=(taken, "nuts")) for taken in ("soup", "rice", "pie")
    ]
    assert leans(past, "nuts", "melon").argmax() == 1


def test_features_that_options_list_are_told_apart() -> None:
    past = [
        Case(query="q", outcome="oak, tall, blue", options=("oak, tall, blue", "pine, tall, blue")),
        Case(query="q", outcome="oak, low, red", options=("pine, low, red", "oak, low, red")),
    ]
    assert leans(past, "pine, tall, blue", "oak, round, green").argmax() == 1


def test_an_answer_that_was_not_on_offer_was_chosen_over_all_that_was() -> None:
    past = [Case(query="q", outcome="apple", options=("brick", "stone"))]
    assert leans(past, "apple", "brick").argmax() == 0


def test_beside_choices_among_options_of_their_own_outcomes_are_not_counted() -> None:
    past = Case(query="a drink at night", outcome="mint tea", options=("mint tea", "black coffee"))
    other = Case(query="a snack", outcome="nuts", options=("nuts", "crisps"))
    options = ("black coffee", "mint tea")
    habit = graded('"black coffee"', {"black coffee": 40})
    assert chosen("a drink at night", options, habit, past, other) == "mint tea"
    assert chosen("a drink at night", options, habit) == "black coffee"


def test_what_a_user_wrote_about_decides_where_nothing_was_picked() -> None:
    options = ("On bridges of steel", "On the song of birds")
    prose = " ".join(["we report what was found in the field and how it was found"] * 4)
    written = Case(query="The song of finches and other birds", outcome=prose)
    decided = decide("xyzzy", options, "", written)
    assert options[decided.choice - 1] == "On the song of birds"
    assert "wrote" in decided.reason
    assert decided.confidence > decide("xyzzy", options).confidence

    # A thing picked, be it from no list, speaks for options that are the same, not alike.
    picked = Case(query="The song of finches and other birds", outcome="A short title")
    assert "wrote" not in decide("xyzzy", options, "", picked).reason
    listed = written.model_copy(update={"options": (prose, "something else")})
    assert "wrote" not in decide("xyzzy", options, "", listed).reason


# --- opinions -----------------------------------------------------------------------------------


def test_sentences() -> None:
    assert sentences("It broke at once. I want my money back!") == [
        "It broke at once.",
        "I want my money back!",
    ]
    assert sentences("no") == ["no"]
    assert len(sentences("This is one sentence.\n" * 99)) == 24


@pytest.mark.slow
def test_opinions_are_read_and_a_plot_has_none() -> None:
    reader = OpinionReader(create_embedder(Settings()))
    praise = reader.read("I love this kettle. It is the best I ever had, five stars!")
    blame = reader.read("Awful. It broke after one day and they refuse to refund me.")
    plot = reader.read("A retired sailor returns to his village and meets the sister he left.")
    assert praise > 1
    assert blame < -1
    assert abs(plot) < 0.3
    assert reader.read("It is okay, nothing special.") == pytest.approx(0, abs=0.4)


@pytest.mark.slow
async def test_a_decision_with_the_real_embedder_follows_meaning_and_persona() -> None:
    model = OfflineModel(create_embedder(Settings()))
    query = Query(text="Two battalions wait for the order to attack at dawn.", options=TAGS)
    plain = await model.ask(DECIDE, DecideInputs(query=query))
    assert TAGS[plain.choice - 1] == "war"
    persona = 'Preferences\n- when it is about soldiers and armies: chooses "drama" (seen 9x)'
    steered = await model.ask(DECIDE, DecideInputs(query=query, persona=persona))
    assert steered.choice != plain.choice or steered.confidence < plain.confidence


NONE_AGREES = "No recalled case and no earlier outcome agrees with"


def test_an_answer_that_nothing_agrees_with_says_what_it_goes_by() -> None:
    lone = decide(
        "a big steak for dinner", ("steak", "salad"), "", Case(query="xyzzy", outcome="salad")
    )
    assert lone.choice == 1
    assert lone.reason == f"{NONE_AGREES} 'steak': it goes by the wording alone."
    agrees = decide(
        "a big salad for dinner", ("steak", "salad"), "", Case(query="xyzzy", outcome="salad")
    )
    assert agrees.reason.startswith("1 of 1 recalled cases and 0 earlier outcomes agree")
    claimed = 'Preferences\n- chooses "steak" (seen 12x)'
    known = decide("xyzzy", ("steak", "salad"), claimed, Case(query="plugh", outcome="salad"))
    assert known.choice == 1 and known.reason.endswith("what the user is known for besides.")
