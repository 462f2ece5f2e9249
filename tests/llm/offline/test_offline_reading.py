"""What the offline model understands of a persona's text."""

from __future__ import annotations

import pytest

from persona_agent.llm.offline.reading import HABITS, Habits, read, read_claim
from persona_agent.persona import render
from persona_agent.persona.render import ALIKE
from persona_agent.schema import Claim, Persona, Section, TaskStatistics


@pytest.mark.parametrize(
    ("line", "likes", "avoids"),
    [
        ('prefers "a" over "b" (seen 3x)', ("a",), ("b",)),
        ('prefers "a" rather than "b" or "c"', ("a",), ("b", "c")),
        ('avoids "c"', (), ("c",)),
        ('avoids "c" but chooses "d"', ("d",), ("c",)),
        pytest.param('never chooses "c"', (), ("c",)),
        pytest.param('does not pick "c", picks "d"', ("d",), ("c",)),
        ('files it under "drama", not "war" or "action"', ("drama",), ("war", "action")),
        ('chooses "a" or "b"', ("a", "b"), ()),
        ('dislikes "a". Likes "b"', ("b",), ("a",)),
        ('instead of "a" wants "b"', ("b",), ("a",)),
        ("rates it 4 or 5, higher than thrillers", ("4", "5"), ()),
        ('rates it "4"', ("4",), ()),
        pytest.param("gives 3.5 stars", ("3.5",), ()),
        ("is 40 years old", (), ()),
        ("says little", (), ()),
        ("", (), ()),
    ],
)
def test_polarity(line: str, likes: tuple[str, ...], avoids: tuple[str, ...]) -> None:
    found = read_claim(line)
    assert (found.likes, found.avoids) == (likes, avoids)


@pytest.mark.parametrize(
    ("line", "scope", "text", "seen"),
    [
        ("at noon: drinks tea (seen 7x)", "at noon", "drinks tea", 7),
        ("drinks tea (seen 1x)", "", "drinks tea", 1),
        ("drinks tea (user's own words)", "", "drinks tea", 5),
        ("drinks tea", "", "drinks tea", 5),
        ("often drinks tea (3 of 9).", "", "often drinks tea", 3),
        ("says (seen 9x) (seen 2x)", "", "says (seen 9x)", 2),
        ('writes "re: tea"', "", 'writes "re: tea"', 5),
    ],
)
def test_scope_and_weight(line: str, scope: str, text: str, seen: int) -> None:
    found = read_claim(line)
    assert (found.scope, found.text, found.seen) == (scope, text, seen)
    assert found.about == (scope or text)


@pytest.mark.parametrize("words", [pytest.param(one) if ": " in one else one for one in HABITS])
def test_a_habit_is_understood_and_is_no_claim(words: str) -> None:
    found = read(f"Decision habits\n- {words} (seen 4x)")
    assert found.habits == HABITS[words]
    assert found.claims == ()


def test_habits_join() -> None:
    subject, _, latest, _, tone, moot = HABITS
    found = read("\n".join(f"- {words}" for words in (subject, latest, tone)))
    assert found.habits == Habits(by_subject=0.85, recent=0.85, by_tone=1.0)
    assert read(f"- {tone}\n- {moot}").habits == Habits(by_tone=0.1)


def test_a_rendered_persona_is_read_back() -> None:
    claims = (
        Claim(section=Section.STYLE, text="is brief", origin="user"),
        Claim(
            section=Section.PREFERENCES, text='takes "tea"', scope="at noon", evidence=("a", "b")
        ),
    )
    found = read(render(Persona(user_id="ana", claims=claims)))
    assert [(one.scope, one.text, one.seen, one.likes) for one in found.claims] == [
        ("at noon", 'takes "tea"', 2, ("tea",)),
        ("", "is brief", 5, ()),
    ]


def test_counts_and_what_is_listed_beside_them_are_read_back() -> None:
    label = f"tea{ALIKE}milk"
    told = TaskStatistics(
        task="t",
        kind="choice",
        total=3,
        counts=((label, 2), ("rye", 1)),
        recent=("rye", label),
        alike=(label, label, "rye"),
    )
    (found,) = read(render(Persona(user_id="ana", statistics=(told,)))).counts
    assert found.counts == ((label, 2), ("rye", 1))
    assert (found.latest, found.alike) == (("rye", label), (label, label, "rye"))


def test_prose_is_read_sentence_by_sentence() -> None:
    found = read('Often chooses "tea" (9 of 12). Avoids "milk". Usual subjects: tea, cups.')
    assert [(one.likes, one.avoids, one.seen) for one in found.claims[:2]] == [
        (("tea",), (), 9),
        ((), ("milk",), 5),
    ]


@pytest.mark.parametrize(
    "line", ["- t: no number", "- t (x): y", "-", "- ", "- (3): ", "no dash", "- t (3) no colon"]
)
def test_broken_lines_do_no_harm(line: str) -> None:
    for heading in ("Outcomes so far", "Telling examples", "Style", ""):
        read(f"{heading}\n{line}")
    assert read("").claims == read("\n\n").claims == ()
