"""What edits do to claims, and what changed between two versions."""

from __future__ import annotations

from typing import Any

import pytest

from persona_agent.persona import (
    apply_edits,
    diff,
)
from persona_agent.schema import (
    Claim,
    ContextPolicy,
    Demonstration,
    Edit,
    EditOperation,
    Persona,
    Section,
)
from tests.persona.teas import AT, claim, persona


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
