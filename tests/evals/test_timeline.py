"""The order of time: total, true to the file, and with no query before its own past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.evals.data.source import moment
from persona_agent.evals.data.timeline import START, STEP, TICK, total_order

DAY = datetime(2020, 5, 7, tzinfo=UTC)

times = st.lists(st.none() | st.integers(0, 3).map(lambda n: DAY + n * STEP), max_size=8)


@given(times, times)
def test_no_two_moments_are_equal(
    history: list[datetime | None], asked: list[datetime | None]
) -> None:
    past, present = total_order(history, asked)
    assert len(past) == len(history)
    assert len(present) == len(asked)
    assert len({*past, *present}) == len(past) + len(present)


@given(times, times)
def test_known_times_move_by_microseconds_only(
    history: list[datetime | None], asked: list[datetime | None]
) -> None:
    past, present = total_order(history, asked)
    for known, placed in zip([*history, *asked], [*past, *present], strict=True):
        if known is not None:
            assert timedelta(0) <= placed - known < timedelta(milliseconds=1)


@given(times, st.integers(0, 5))
def test_queries_without_a_time_come_last_in_file_order(
    history: list[datetime | None], count: int
) -> None:
    past, present = total_order(history, [None] * count)
    assert present == sorted(present)
    assert all(before < query for before in past for query in present)


@given(st.integers(0, 5), st.integers(0, 5))
def test_a_file_without_times_keeps_its_order(items: int, count: int) -> None:
    past, present = total_order([None] * items, [None] * count)
    assert [*past, *present] == sorted([*past, *present])


def test_a_query_of_the_same_day_comes_after_the_history() -> None:
    past, present = total_order([DAY, DAY], [DAY, DAY])
    assert [*past, *present] == [DAY, DAY + TICK, DAY + 2 * TICK, DAY + 3 * TICK]


def test_a_later_history_item_stays_later() -> None:
    past, present = total_order([DAY, DAY + STEP], [DAY])
    assert past[0] < present[0] < past[1]


def test_missing_times() -> None:
    assert total_order([None, None], [DAY]) == ([DAY - 2 * STEP, DAY - STEP], [DAY])
    assert total_order([None, DAY, None], []) == ([DAY, DAY + TICK, DAY + 2 * TICK], [])
    assert total_order([None, None], [None]) == ([START, START + STEP], [START + 2 * STEP])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (86_400, "1970-01-02T00:00:00+00:00"),
        ("86400", "1970-01-02T00:00:00+00:00"),
        (1_207_472_323_000, "2008-04-06T08:58:43+00:00"),
        ("2018-02-28", "2018-02-28T00:00:00+00:00"),
        ("20180228", "2018-02-28T00:00:00+00:00"),
        ("2018", "2018-01-01T00:00:00+00:00"),
        ("2018-02-28T10:00:00+02:00", "2018-02-28T10:00:00+02:00"),
        ("2018-02-28T10:00:00Z", "2018-02-28T10:00:00+00:00"),
    ],
)
def test_moments(value: object, expected: str) -> None:
    assert moment(value).isoformat() == expected


def test_years() -> None:
    assert moment(1999, year=True).isoformat() == "1999-01-01T00:00:00+00:00"


@pytest.mark.parametrize("value", [True, [], "soon", float("nan"), "inf", 1e300, "2018-13-01"])
def test_what_is_no_moment(value: object) -> None:
    with pytest.raises((ValueError, OverflowError)):
        moment(value)
