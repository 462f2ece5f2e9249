"""The records: what they accept, what they tell, and that they survive JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from persona_agent.schema import (
    Claim,
    Demonstration,
    Edit,
    EditOperation,
    Episode,
    Fact,
    Feedback,
    GateResult,
    Persona,
    Query,
    RecallBlend,
    Recalled,
    Revision,
    Section,
    TaskStatistics,
    Trial,
    Usage,
    new_id,
    task_kind,
)
from persona_agent.schema.base import Record

AT = datetime(2026, 1, 1, tzinfo=UTC)
EPISODE = Episode(
    id="e",
    user_id="ana",
    query=Query(text="q", options=("a", "b"), task="t"),
    response="b",
    outcome="a",
    feedback=Feedback(thumb=1, comment="c", at=AT),
    at=AT,
    metadata={"s": "x", "i": 1, "f": 0.5, "b": True},
)
CLAIM = Claim(section=Section.VALUES, text="x", scope="s", evidence=("e",), since=AT)
EDIT = Edit(operation=EditOperation.ADD, text="x", evidence=("e",))
USAGE = Usage(calls=1, prompt_tokens=2, completion_tokens=3, cost_usd=0.25, seconds=0.5)
GATE = GateResult(
    gate="g", episodes=1, candidate_loss=0, incumbent_loss=1, difference=-1, passed=True
)
RECORDS: list[Record] = [
    EPISODE,
    CLAIM,
    EDIT,
    USAGE,
    GATE,
    Fact(user_id="ana", text="x", sources=("e",)),
    Recalled(episode=EPISODE, score=0.5, similarity=1.0),
    Trial(episode_id="e", answer=None, loss=1, error="HTTP 500"),
    Persona(
        user_id="ana",
        claims=(CLAIM,),
        demonstrations=(Demonstration(episode_id="e", query="q", outcome="o"),),
        statistics=(TaskStatistics(task="t", kind="choice", total=1, counts=(("a", 1),)),),
    ),
    Revision(
        user_id="ana",
        from_version=None,
        to_version="v",
        accepted=True,
        edits=(EDIT,),
        gates=(GATE,),
        usage=USAGE,
        prompts={"decide": "0" * 16},
    ),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: type(one).__name__)
def test_a_record_survives_json_and_cannot_be_changed(record: Record) -> None:
    kind = type(record)
    assert kind.model_validate_json(record.model_dump_json()) == record
    name = next(iter(kind.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(record, name, None)
    with pytest.raises(ValidationError, match="surprise"):
        kind.model_validate(record.model_dump() | {"surprise": 1})


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ((), "text"),
        (("1", "2", "3.5"), "rating"),
        (("-1", "1"), "rating"),
        (("1", "two"), "choice"),
        (("a", "b"), "choice"),
    ],
)
def test_the_kind_of_a_task_is_told_from_its_options(options: tuple[str, ...], kind: str) -> None:
    assert task_kind(options) == kind
    assert Query(text="q", options=options).task_name == kind
    assert Query(text="q", options=options, task="films").task_name == "films"


@pytest.mark.parametrize("word", ["nan", "inf", "-Infinity"])
def test_a_word_is_no_grade(word: str) -> None:
    assert task_kind((word, "1")) == "choice"


def test_ids_sort_by_time_and_never_repeat() -> None:
    made = [new_id() for _ in range(300)]
    assert len(set(made)) == 300
    stamps = [one[:16] for one in made]
    assert stamps == sorted(stamps)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.text(min_size=1, max_size=40))
def test_a_text_is_kept_without_control_codes(text: str) -> None:
    try:
        kept = Query(text=text).text
    except ValidationError:
        return
    assert not any(ord(one) < 32 and one not in "\n\t\r" for one in kept)
    assert kept.encode("utf-8")
    assert Query(text=kept).text == kept


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "c"},
        {"outcome": ""},
        {"user_id": ""},
        {"user_id": "a\nb"},
        {"id": "x" * 257},
        {"at": datetime(2026, 1, 1)},
        {"feedback": {"thumb": 2}},
        {"metadata": {"x": None}},
    ],
    ids=str,
)
def test_a_wrong_episode_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Episode.model_validate(EPISODE.model_dump() | change)


def test_a_moment_is_the_same_in_every_zone() -> None:
    here = AT.astimezone(timezone(timedelta(hours=9)))
    assert Episode(id="e", user_id="a", query=Query(text="q"), at=here).at == AT


def test_a_learned_claim_needs_evidence_and_the_users_own_does_not() -> None:
    with pytest.raises(ValidationError, match="needs evidence"):
        Claim(section=Section.STYLE, text="x")
    own = Claim(section=Section.STYLE, text="x", origin="user")
    assert own.protected
    assert not CLAIM.protected
    assert CLAIM.model_copy(update={"pinned": True}).protected
    assert (CLAIM.statement, own.statement) == ("s: x", "x")


def test_claim_ids_are_distinct_within_a_persona() -> None:
    with pytest.raises(ValidationError, match="distinct"):
        Persona(user_id="ana", claims=(CLAIM, CLAIM))
    made = Persona(user_id="ana", claims=(CLAIM,))
    assert made.claim(CLAIM.id) == CLAIM
    assert made.claim("none") is None


@pytest.mark.parametrize(
    ("operation", "claims", "text", "good"),
    [
        ("add", (), "x", True),
        ("add", (), " ", False),
        ("update", (), "x", False),
        ("update", ("c",), "", False),
        ("update", ("c",), "x", True),
        ("merge", ("c",), "x", False),
        ("merge", ("c", "d"), "x", True),
        ("delete", (), "", False),
        ("delete", ("c",), "", True),
    ],
)
def test_an_edit_has_what_its_operation_needs(
    operation: str, claims: tuple[str, ...], text: str, good: bool
) -> None:
    fields = {"operation": operation, "claim_ids": claims, "text": text}
    if good:
        Edit.model_validate(fields)
    else:
        with pytest.raises(ValidationError, match="needs"):
            Edit.model_validate(fields)


def test_a_fact_has_a_source_and_ends_when_superseded() -> None:
    with pytest.raises(ValidationError):
        Fact(user_id="ana", text="x", sources=())
    made = Fact(user_id="ana", text="x", sources=("e",))
    assert made.current
    assert not made.model_copy(update={"superseded_by": "f"}).current


def test_usage_adds_up() -> None:
    double = Usage(calls=2, prompt_tokens=4, completion_tokens=6, cost_usd=0.5, seconds=1.0)
    assert double == USAGE + USAGE
    assert USAGE + Usage() == USAGE


@pytest.mark.parametrize("field", ["similarity", "recency", "value", "half_life_days"])
def test_weights_of_recall_are_not_negative(field: str) -> None:
    with pytest.raises(ValidationError):
        RecallBlend.model_validate({field: -1})
