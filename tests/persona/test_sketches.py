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


def test_words_that_other_cases_share_come_before_those_of_one_case() -> None:
    assert sketches(FILMS) == (
        ("village lighthouse baker bake", "comedy"),
        ("cousins stolen clock chase", "action"),
        ("quiet lighthouse clock village", "drama"),
    )


def test_what_is_shown_anyway_is_left_out() -> None:
    assert [outcome for _, outcome in sketches(FILMS, left_out=["e1"])] == ["comedy", "drama"]


def test_only_the_latest_cases_tell_which_words_are_shared() -> None:
    last = ("boats bridge cliffs dunes lantern", "calm")
    between = [("it was", "odd")] * (LATEST - 2)
    near = cases(("a lantern", "calm"), *between, last)
    far = cases(("a lantern", "calm"), *between, ("it was", "odd"), last)
    assert sketches(near)[0] == ("boats bridge cliffs lantern", "calm")
    assert sketches(far) == (("boats bridge cliffs dunes", "calm"),)


def test_they_are_one_line_for_each_outcome_and_read_back_as_examples() -> None:
    text = shown([*FILMS, *cases(("A wedding in the village.", "comedy"))])
    block = text.split("\n\n")[-1]
    assert block == (
        f"{SKETCHES_HEADING}\n"
        '- "comedy": wedding village; village lighthouse baker bake\n'
        '- "action": cousins stolen clock chase\n'
        '- "drama": quiet lighthouse clock village'
    )
    examples = read(text).examples
    assert ("wedding village", "comedy") in examples
    assert ("quiet lighthouse clock village", "drama") in examples
    assert len(examples) == 4 and not read(text).claims


def test_they_keep_to_their_room_and_to_a_policy_that_shows_them() -> None:
    many = cases(*[(f"harbour {'abc'[n % 3] * 9} lighthouse", f"o{n % 7}") for n in range(40)])
    block = shown(many).split("\n\n")[-1]
    assert 0 < estimate_tokens(block) <= SKETCH_TOKENS + estimate_tokens(SKETCHES_HEADING)
    (counted,) = outcome_statistics(many)
    counted = counted.model_copy(update={"sketches": sketches(many)})
    assert SKETCHES_HEADING not in render(Persona(user_id="ana", statistics=(counted,)))
