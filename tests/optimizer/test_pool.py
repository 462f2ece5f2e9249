"""The pool: who is a parent, and what two candidates make together."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from persona_agent.optimizer.pool import Candidate, Pool, merged
from persona_agent.schema import Edit, EditOperation, Persona

AT = datetime(2026, 1, 1, tzinfo=UTC)


def edit(text: str) -> Edit:
    return Edit(operation=EditOperation.ADD, text=text, evidence=("e1", "e2"))


def candidate(*texts: str) -> Candidate:
    return Candidate(Persona(user_id="ann"), tuple(edit(text) for text in texts))


def filled(*scores: dict[str, float]) -> Pool:
    pool = Pool()
    for number, one in enumerate(scores):
        pool.add(candidate(str(number)), one)
    return pool


def names(pool: Pool) -> list[str]:
    return [one.edits[0].text for one, _ in pool.front()]


def test_the_front_holds_who_is_best_somewhere() -> None:
    pool = filled({"a": 0.0, "b": 1.0}, {"a": 1.0, "b": 0.0}, {"a": 1.0, "b": 1.0})
    assert names(pool) == ["0", "1"]


def test_who_is_best_only_where_another_is_too_is_left_out() -> None:
    assert names(filled({"a": 0.0, "b": 1.0}, {"a": 0.0, "b": 0.0})) == ["1"]
    assert names(filled({"a": 0.0}, {"a": 0.0})) == ["0"]


def test_the_first_parent_is_best_most_often_and_later_ones_vary() -> None:
    pool = filled({"a": 0.0, "b": 1.0, "c": 1.0}, {"a": 1.0, "b": 0.0, "c": 0.0})
    assert pool.parent(0).edits[0].text == "1"
    drawn = {pool.parent(turn).edits[0].text for turn in range(30)}
    assert drawn == {"0", "1"}
    assert pool.parent(7) == pool.parent(7)


def test_a_partner_is_good_where_the_other_is_not() -> None:
    pool = filled({"a": 0.0, "b": 1.0}, {"a": 1.0, "b": 0.0})
    found = pool.partner(candidate("0"))
    assert found is not None and found.edits[0].text == "1"
    alone = filled({"a": 0.0}, {"a": 1.0})
    assert alone.partner(candidate("0")) is None


def test_a_merger_has_the_claims_of_both_once() -> None:
    both = merged(candidate("x", "y"), candidate("y", "z"), AT)
    assert [one.text for one in both.edits] == ["x", "y", "z"]
    # the personas of these candidates hold no claims yet, so only what was missing is applied
    assert [claim.text for claim in both.persona.claims] == ["z"]


@given(st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=4, max_size=4), min_size=1))
def test_the_front_reaches_the_best_score_of_every_episode(rows: list[list[float]]) -> None:
    pool = filled(*({str(n): score for n, score in enumerate(row)} for row in rows))
    won = [episodes for _, episodes in pool.front()]
    assert frozenset[str]().union(*won) == {"0", "1", "2", "3"}
    assert not any(one < other for one in won for other in won)
