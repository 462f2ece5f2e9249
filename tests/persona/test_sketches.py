"""Past cases in key words: which words, in what room, and that they can be read back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from persona_agent.llm.offline.reading import read
from persona_agent.persona import estimate_tokens, outcome_statistics, render
from persona_agent.persona.render import SKETCH_TOKENS, SKETCHES_HEADING
from persona_agent.persona.sketches import LATEST, sketches
from persona_agent.schema import ContextPolicy, Episode, Persona, Query

START = datetime(2026, 1, 1, tzinfo=UTC)


def cases(*told: tuple[str, str]) -> list[Episode]:
    return [
        Episode(
            id=f"e{n}",
            user_id="ana",
            query=Query(text=text, task="films"),
            outcome=outcome,
            at=START + timedelta(days=n),
        )
        for n, (text, outcome) in enumerate(told)
    ]


PLACES = ("attic", "bridge", "station", "meadow")
FILMS = cases(
    ("A quiet lighthouse keeper repairs an old clock for the village.", "drama"),
    ("Two cousins and a stolen clock: a chase through the harbour at dawn.", "action"),
    ("The village of the lighthouse gets a new baker, who cannot bake.", "comedy"),
)


def shown(episodes: list[Episode]) -> str:
    (counted,) = outcome_statistics(episodes)
    counted = counted.model_copy(update={"sketches": sketches(episodes)})
    policy = ContextPolicy(show_sketches=True)
    return render(Persona(user_id="ana", statistics=(counted,), policy=policy))


def test_words_that_set_cases_of_an_outcome_apart_come_first() -> None:
    told = cases(
        ("A village wedding goes wrong", "comedy"),
        ("A village clock hides a corpse", "crime"),
        ("A village cook ruins a wedding", "comedy"),
        ("A village judge and a corpse", "crime"),
        ("A village baker, a village priest, autumn rain and a wedding", "comedy"),
    )
    assert sketches(told)[0] == ("baker priest wedding", "comedy")
    assert sketches(told)[1] == ("village judge corpse", "crime")
    assert all("wedding" in words for words, outcome in sketches(told) if outcome == "comedy")
    assert all("corpse" in words for words, outcome in sketches(told) if outcome == "crime")


def test_names_of_one_case_contractions_and_function_words_are_no_key_words() -> None:
    told = cases(
        ("Despite the rain, who's there? It is Kirby Dick's process, as he doesn't say.", "film"),
        ("The trial of Batman in a courtroom", "law"),
        ("A courtroom, and in it Batman", "law"),
    )
    found = {outcome: words for words, outcome in sketches(told)}
    assert found["film"] == "rain process"
    assert "batman" in found["law"]


def test_capitals_of_a_title_make_no_names() -> None:
    told = cases(("Learning Graphs With Sparse Kernels", "graphs"), ("Proofs By Machines", "logic"))
    assert sketches(told) == (("proofs machines", "logic"), ("learning graphs sparse", "graphs"))


def test_nothing_is_told_of_one_outcome_that_nearly_all_cases_have() -> None:
    usual = [(f"harbour {PLACES[n]}", "drama") for n in range(4)]
    assert len(sketches(cases(*usual, ("a wedding", "comedy")))) == 5
    assert sketches(cases(*usual, ("a kitchen", "drama"), ("a wedding", "comedy"))) == ()
    assert sketches([]) == ()


def test_what_is_shown_anyway_is_left_out() -> None:
    assert [outcome for _, outcome in sketches(FILMS, left_out=["e1"])] == ["comedy", "drama"]


def test_only_the_latest_cases_tell_which_words_set_apart() -> None:
    last = ("boats bridge cliffs lantern", "calm")
    between = [("it was", "odd"), ("it was", "calm")] * (LATEST // 2 - 1)
    near = cases(("a lantern", "calm"), *between, last)
    far = cases(("a lantern", "calm"), *between, ("it was", "odd"), last)
    assert sketches(near)[0] == ("boats bridge lantern", "calm")
    assert sketches(far) == (("boats bridge cliffs", "calm"),)


def test_they_are_one_line_for_each_outcome_and_read_back_as_examples() -> None:
    text = shown([*FILMS, *cases(("A wedding in the village.", "comedy"))])
    block = text.split("\n\n")[-1]
    assert block == (
        f"{SKETCHES_HEADING}\n"
        '- "comedy": wedding village; village baker bake\n'
        '- "action": cousins stolen chase\n'
        '- "drama": quiet keeper repairs'
    )
    examples = read(text).examples
    assert ("wedding village", "comedy") in examples
    assert ("quiet keeper repairs", "drama") in examples
    assert len(examples) == 4 and not read(text).claims


def test_they_keep_to_their_room_and_to_a_policy_that_shows_them() -> None:
    many = cases(*[(f"harbour {'abc'[n % 3] * 9} lighthouse", f"o{n % 7}") for n in range(40)])
    block = shown(many).split("\n\n")[-1]
    assert 0 < estimate_tokens(block) <= SKETCH_TOKENS + estimate_tokens(SKETCHES_HEADING)
    (counted,) = outcome_statistics(many)
    counted = counted.model_copy(update={"sketches": sketches(many)})
    assert SKETCHES_HEADING not in render(Persona(user_id="ana", statistics=(counted,)))


def test_grades_are_not_told_in_key_words() -> None:
    stars = Query(text="?", options=("1", "2", "3", "4", "5"), task="films")
    rated = [
        one.model_copy(
            update={"query": stars.model_copy(update={"text": one.query.text}), "outcome": str(n)}
        )
        for n, one in enumerate(FILMS, 3)
    ]
    assert sketches(FILMS) and sketches(rated) == ()
