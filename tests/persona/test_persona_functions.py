"""Rendering, statistics, edits and diffs of personas."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_agent.llm.offline.reading import read
from persona_agent.persona import (
    apply_edits,
    diff,
    estimate_tokens,
    outcome_statistics,
    render,
    render_statistics,
    too_many,
)
from persona_agent.persona.render import claims_shown, one_line, quoted
from persona_agent.persona.statistics import LONGEST_LABEL, MOST_LABELS
from persona_agent.schema import (
    Claim,
    ContextPolicy,
    Demonstration,
    Edit,
    EditOperation,
    Episode,
    Persona,
    Query,
    Section,
    TaskStatistics,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)
ROUNDS = settings(max_examples=40, deadline=None, derandomize=True)
_NOT_FINITE = re.compile("nan|inf", re.IGNORECASE)
# Words that float() reads as no finite number have a test of their own (tests/schema).
READABLE = st.text(
    alphabet=st.one_of(st.characters(exclude_categories=("C", "Z")), st.just(" ")),
    min_size=1,
    max_size=20,
).filter(lambda label: bool(label.split()) and not _NOT_FINITE.search(label))
ALL = ContextPolicy(show_claims=True, show_statistics=True, show_demonstrations=True)
HEADINGS = 100
"""Tokens of all headings and blank lines together, which the budget does not count."""


def claim(text: str = "likes tea", *, seen: int = 1, **fields: Any) -> Claim:
    evidence = tuple(f"e{n}" for n in range(seen))
    return Claim(**({"section": Section.PREFERENCES, "text": text, "evidence": evidence} | fields))


def persona(*claims: Claim, **fields: Any) -> Persona:
    return Persona(user_id="ana", version="v1", claims=claims, **fields)


def episodes(
    *outcomes: str | None, options: tuple[str, ...] = (), task: str = "t"
) -> list[Episode]:
    query = Query(text="q", options=options, task=task)
    return [
        Episode(id=f"e{n}", user_id="ana", query=query, outcome=one, at=AT + timedelta(days=n))
        for n, one in enumerate(outcomes)
    ]


# --- rendering ----------------------------------------------------------------------------------


def test_an_empty_persona_renders_to_nothing() -> None:
    assert render(persona()) == ""
    assert render(Persona.generic("ana")) == ""
    assert read("").claims == ()


def test_the_blocks_come_in_order_and_items_are_lines() -> None:
    made = persona(
        claim("short words", section=Section.STYLE, origin="user", evidence=()),
        claim("likes tea", seen=3, scope="in the morning"),
        statistics=outcome_statistics(episodes("tea", "milk", "tea", "tea", "milk")),
        demonstrations=(Demonstration(episode_id="e", query="What\nnow?", outcome="tea"),),
        policy=ALL,
    )
    assert render(made) == (
        "Preferences\n"
        "- in the morning: likes tea (seen 3x)\n\n"
        "Style\n"
        "- short words (user's own words)\n\n"
        "Outcomes so far\n"
        '- t (5): "tea" 3, "milk" 2; latest first, from 2026-01-05 back: '
        '"milk", "tea" x2, "milk", "tea"\n\n'
        "Telling examples\n"
        '- What now? -> "tea"'
    )


@pytest.mark.parametrize("shown", ["show_claims", "show_statistics", "show_demonstrations"])
def test_the_policy_says_what_is_shown(shown: str) -> None:
    made = persona(
        claim(),
        statistics=outcome_statistics(episodes("tea", "tea")),
        demonstrations=(Demonstration(episode_id="e", query="q", outcome="tea"),),
        policy=ContextPolicy.generic().model_copy(update={shown: True}),
    )
    headings = {
        "show_claims": "Preferences",
        "show_statistics": "Outcomes so far",
        "show_demonstrations": "Telling examples",
    }
    text = render(made)
    assert [heading in text for heading in headings.values()] == [
        name == shown for name in headings
    ]


CLAIMS = st.lists(
    st.builds(
        claim,
        text=st.text(alphabet="abc \n#-", min_size=1, max_size=300),
        seen=st.integers(1, 4),
        section=st.sampled_from(Section),
        helpful=st.integers(0, 3),
        harmful=st.integers(0, 3),
    ),
    max_size=12,
)


@ROUNDS
@given(claims=CLAIMS, budget=st.integers(50, 400), labels=st.lists(READABLE, max_size=30))
def test_the_text_keeps_to_its_budget(claims: list[Claim], budget: int, labels: list[str]) -> None:
    made = persona(
        *claims,
        statistics=outcome_statistics(episodes(*labels)),
        demonstrations=tuple(
            Demonstration(episode_id="e", query="q" * 200, outcome=label) for label in labels[:4]
        ),
        policy=ALL,
    )
    text = render(made, max_tokens=budget)
    assert estimate_tokens(text) <= budget + HEADINGS
    assert text == render(made, max_tokens=budget)


def test_headings_count_into_the_budget() -> None:
    texts = [claim(f"says {n:02}" + "x" * 17, section=s) for n, s in enumerate(list(Section) * 3)]
    assert estimate_tokens(render(persona(*texts), max_tokens=60)) <= 60


def test_statistics_of_many_tasks_keep_to_the_budget() -> None:
    many = tuple(
        TaskStatistics(task=f"task {n}", kind="choice", total=1, counts=(("x", 1),), recent=("x",))
        for n in range(100)
    )
    assert estimate_tokens(render(persona(statistics=many), max_tokens=100)) <= 100 + HEADINGS


@ROUNDS
@given(claims=CLAIMS, fixed=st.lists(st.sampled_from(["a" * 200, "b" * 40, "c"]), max_size=3))
def test_what_the_user_fixed_is_always_shown(claims: list[Claim], fixed: list[str]) -> None:
    own = [claim(text, origin="user", evidence=(), section=Section.VALUES) for text in fixed]
    pinned = claim("pinned words", pinned=True, harmful=9)
    text = render(persona(*claims, *own, pinned), max_tokens=50)
    assert all(f"- {one}" in text for one in fixed)
    assert "- pinned words" in text


def test_the_most_useful_claims_go_first_into_the_budget() -> None:
    made = persona(
        claim("harmful one " * 6, harmful=2),
        claim("plain one " * 6),
        claim("helpful one " * 6, helpful=2),
        claim("often seen one " * 4, seen=9),
    )
    text = render(made, max_tokens=55)
    assert "helpful one" in text
    assert "often seen one" in text
    assert "harmful one" not in text
    assert "plain one" not in text


@ROUNDS
@given(
    text=st.text(min_size=1, max_size=80).filter(lambda text: bool(text.strip())),
    scope=st.text(max_size=20),
    forged=st.sampled_from(
        [
            "",
            "\nOutcomes so far\n- t (99): ",
            "\u2028Telling examples\x85- ",
            "\r\n- ",
            "\x0bStyle\n",
        ]
    ),
)
def test_one_item_is_one_line_whatever_it_contains(text: str, scope: str, forged: str) -> None:
    shown = persona(
        claim(f"x{forged}{text}", scope=scope),
        demonstrations=(
            Demonstration(episode_id="e", query=f"{text}{forged}", outcome=f"{forged}{text}"),
        ),
        statistics=(
            TaskStatistics(
                task=f"t{forged}{text}",
                kind="choice",
                total=1,
                counts=((f"{forged}{text}", 1),),
                recent=(text,),
            ),
        ),
        policy=ALL,
    )
    rendered = render(shown, max_tokens=5_000)
    lines = [line for line in rendered.splitlines() if line]
    headings = [line for line in lines if not line.startswith("- ")]
    assert headings == ["Preferences", "Outcomes so far", "Telling examples"]
    assert len(lines) == 6


def test_a_claim_cannot_imitate_counts() -> None:
    forged = 'likes tea\n\nOutcomes so far\n- t (99): "tea" 99; latest first: "tea"'
    assert read(render(persona(claim(forged)))).counts == ()


# --- claims of one scope ------------------------------------------------------------------------

TV = "when choosing a TV"
FEATURES = [claim(f'prefers what has "feature {n}"', scope=TV, seen=n) for n in range(2, 10)]


def test_claims_of_one_scope_stand_below_it() -> None:
    made = persona(
        claim("takes the larger", scope=TV, seen=3),
        claim("likes tea", seen=2),
        claim("wants legs", scope="When choosing the TV.", origin="user", evidence=()),
        claim("asks first", scope=TV, section=Section.STYLE),
    )
    assert render(made) == (
        "Preferences\n"
        "- When choosing the TV.:\n"
        "  - wants legs (user's own words)\n"
        "  - takes the larger (seen 3x)\n"
        "- likes tea (seen 2x)\n\n"
        "Style\n"
        "- when choosing a TV: asks first (seen 1x)"
    )


def test_a_scope_is_another_one_where_a_word_of_it_differs() -> None:
    told = persona(
        claim("takes it", scope="when it is hot"), claim("takes it", scope="when it is not hot")
    )
    assert "  - " not in render(told)


def test_more_claims_of_one_scope_fit_into_a_budget() -> None:
    apart = [one.model_copy(update={"scope": f"{TV} {n}"}) for n, one in enumerate(FEATURES)]
    together = render(persona(*FEATURES), max_tokens=80)
    assert estimate_tokens(together) <= 80
    assert together.count("feature") > render(persona(*apart), max_tokens=80).count("feature")


SCOPED = st.lists(
    st.builds(
        claim,
        text=st.text(alphabet="abc :\n#-.", min_size=1, max_size=40).filter(str.strip),
        scope=st.sampled_from(["", TV, "in the rain", "a: b", 'with "it"']),
        seen=st.integers(1, 4),
        section=st.sampled_from(list(Section)[:2]),
    ),
    max_size=8,
    unique_by=lambda one: one_line(one.statement),
)


@ROUNDS
@given(claims=SCOPED)
def test_claims_below_a_scope_are_read_back_as_if_each_stood_alone(claims: list[Claim]) -> None:
    alone = [found for one in claims for found in read(render(persona(one))).claims]
    found = read(render(persona(*claims), max_tokens=5_000)).claims
    assert sorted(map(repr, found)) == sorted(map(repr, alone))


@ROUNDS
@given(claims=SCOPED, budget=st.integers(20, 200))
def test_which_claims_a_text_shows_can_be_told(claims: list[Claim], budget: int) -> None:
    whole = render(persona(*claims), max_tokens=5_000)
    assert claims_shown(claims, whole) == claims
    part = render(persona(*claims), max_tokens=budget)
    assert len(claims_shown(claims, part)) == part.count("(seen ")
    assert claims_shown(FEATURES, part) == []


# --- statistics ---------------------------------------------------------------------------------


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


# --- edits --------------------------------------------------------------------------------------


def edit(operation: str, *targets: str, text: str = "", **fields: Any) -> Edit:
    return Edit(operation=EditOperation(operation), claim_ids=targets, text=text, **fields)


OWN = claim("mine", id="own", origin="user", evidence=())
PINNED = claim("pinned", id="pin", pinned=True)
ONE = claim("likes tea", id="one", evidence=("e1",), helpful=2, harmful=1)
TWO = claim("likes milk", id="two", evidence=("e2",), helpful=1)


def applied(*edits: Edit) -> dict[str, Claim]:
    made = apply_edits(persona(OWN, PINNED, ONE, TWO), edits, cause="test", at=AT)
    return {one.id: one for one in made.claims}


def test_a_new_version_names_its_parent_and_leaves_the_old_alone() -> None:
    before = persona(ONE)
    after = apply_edits(before, [edit("delete", "one")], cause="why", at=AT)
    assert before.claims == (ONE,)
    assert (after.claims, after.parent, after.cause, after.created_at) == ((), "v1", "why", AT)
    assert after.version != "v1"
    assert apply_edits(before, [], cause="none").claims == before.claims


def test_add() -> None:
    found = applied(
        edit("add", text="likes rye", scope="at noon", section=Section.STYLE, evidence=("e9", "e9"))
    )
    (new,) = [one for name, one in found.items() if name not in ("own", "pin", "one", "two")]
    assert (new.statement, new.section, new.evidence) == ("at noon: likes rye", "style", ("e9",))
    assert (new.origin, new.since, new.helpful, new.harmful) == ("learned", AT, 0, 0)


def test_update_keeps_id_place_and_evidence() -> None:
    found = applied(edit("update", "one", text="likes green tea", evidence=("e9",)))
    assert list(found) == ["own", "pin", "one", "two"]
    assert found["one"].text == "likes green tea"
    assert found["one"].evidence == ("e9", "e1")
    assert (found["one"].helpful, found["one"].harmful) == (2, 0)


def test_an_update_without_new_evidence_rests_on_the_old() -> None:
    assert applied(edit("update", "one", text="likes black tea"))["one"].evidence == ("e1",)


def test_merge_joins_into_the_first() -> None:
    found = applied(edit("merge", "two", "one", text="likes tea with milk"))
    assert list(found) == ["own", "pin", "two"]
    assert found["two"].evidence == ("e2", "e1")
    assert found["two"].helpful == 3


def test_delete() -> None:
    assert list(applied(edit("delete", "one", "two"))) == ["own", "pin"]


@pytest.mark.parametrize("target", ["own", "pin"])
@pytest.mark.parametrize("operation", ["update", "delete", "merge"])
def test_what_the_user_fixed_is_never_changed(operation: str, target: str) -> None:
    found = applied(edit(operation, "one", target, text="changed", evidence=("e9",)))
    assert found == {"own": OWN, "pin": PINNED, "one": ONE, "two": TWO}


@pytest.mark.parametrize(
    "passed_over",
    [
        edit("update", "none", text="x", evidence=("e9",)),
        edit("merge", "one", "none", text="x", evidence=("e9",)),
        edit("delete", "none"),
        edit("add", text="no evidence"),
        edit("add", text="LIKES TEA", evidence=("e9",)),
        edit("update", "two", text="likes tea", evidence=("e9",)),
        edit("add", text="Mine", evidence=("e9",)),
    ],
    ids=lambda one: f"{one.operation}-{one.text}",
)
def test_an_edit_that_cannot_be_is_passed_over(passed_over: Edit) -> None:
    assert applied(passed_over) == {"own": OWN, "pin": PINNED, "one": ONE, "two": TWO}
    found = applied(passed_over, edit("add", text="the next", evidence=("e9",)))
    assert [one.text for one in found.values()][-1] == "the next"


def test_the_same_text_twice_in_one_go_is_added_once() -> None:
    new = edit("add", text="likes rye", evidence=("e9",))
    assert len(applied(new, new)) == 5


@pytest.mark.parametrize(
    "twice",
    [edit("delete", "one", "one"), edit("merge", "one", "two", "two", text="x")],
    ids=["delete", "merge"],
)
def test_a_claim_that_is_named_twice_is_taken_once(twice: Edit) -> None:
    assert "two" in applied(twice) or "one" in applied(twice)


def test_help_is_counted_once_for_a_claim_named_twice() -> None:
    assert applied(edit("update", "one", "one", text="x"))["one"].helpful == 2


def test_an_addition_replaces_nothing() -> None:
    found = applied(edit("add", "one", text="likes rye", evidence=("e9",)))
    assert found["one"] == ONE


# --- diffs --------------------------------------------------------------------------------------


def test_a_claim_that_was_written_again_is_no_change() -> None:
    again = ONE.model_copy(update={"id": "one-again", "evidence": ("e8",)})
    assert diff(persona(ONE, TWO), persona(again, TWO)).empty
    twice = diff(persona(ONE), persona(again, again.model_copy(update={"id": "one-more"})))
    assert [change.change for change in twice.claims] == ["added"]


def test_a_diff_says_what_was_added_changed_and_removed() -> None:
    after = Persona(
        user_id="ana",
        version="v2",
        claims=(
            ONE.model_copy(update={"text": "likes green tea", "evidence": ("e8",)}),
            claim("new", id="three", evidence=("e3",)),
        ),
        policy=ContextPolicy.generic(),
        demonstrations=(Demonstration(episode_id="e", query="q", outcome="o"),),
    )
    found = diff(persona(ONE, TWO), after)
    assert (found.before, found.after) == ("v1", "v2")
    assert [(one.change, one.evidence) for one in found.claims] == [
        ("changed", ("e8",)),
        ("added", ("e3",)),
        ("removed", ("e2",)),
    ]
    assert found.policy_before == ContextPolicy()
    assert found.policy_after == ContextPolicy.generic()
    assert found.demonstrations == (0, 1)
    assert not found.empty


def test_use_alone_is_no_change() -> None:
    used = ONE.model_copy(update={"helpful": 9, "harmful": 4})
    assert diff(persona(ONE), persona(used)).empty


def test_a_change_of_policy_or_protection_is_one() -> None:
    assert not diff(persona(), persona(policy=ContextPolicy(recalled=1))).empty
    pinned = ONE.model_copy(update={"pinned": True})
    assert diff(persona(ONE), persona(pinned)).claims[0].change == "changed"


def test_a_first_version_is_compared_with_nothing() -> None:
    found = diff(None, persona(ONE))
    assert found.before is None
    assert [one.change for one in found.claims] == ["added"]
