"""Times for records that may have none: a total order in which no query sees its own future."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

TICK = timedelta(microseconds=1)
STEP = timedelta(days=1)
START = datetime(2000, 1, 1, tzinfo=UTC)

Times = Sequence[datetime | None]


def total_order(history: Times, queries: Times) -> tuple[list[datetime], list[datetime]]:
    """Return a time for every history item and every query, no two of them equal.

    Known times are kept, but for the microseconds that set equal ones apart in file order
    (history before queries: a query of the same day, or year, comes after it). A history item
    without a time stands right behind the one before it in the file; a query without a time comes
    behind the whole history and the queries before it. Without any time in the history its items
    are a day apart, and end before the first query (from 2000-01-01 where that has no time).
    """
    known = _filled_history(history, queries)
    raw = [*known, *_filled_queries(known, queries)]
    placed: list[datetime] = list(raw)
    last: datetime | None = None
    for index in sorted(range(len(raw)), key=lambda index: (raw[index], index)):
        last = raw[index] if last is None else max(raw[index], last + TICK)
        placed[index] = last
    return placed[: len(known)], placed[len(known) :]


def _filled_history(history: Times, queries: Times) -> list[datetime]:
    first = next((time for time in history if time is not None), None)
    if first is None:
        asked = min((time for time in queries if time is not None), default=None)
        start = START if asked is None else asked - STEP * len(history)
        return [start + STEP * number for number in range(len(history))]
    filled = []
    for time in history:
        first = first if time is None else time
        filled.append(first)
    return filled


def _filled_queries(history: Sequence[datetime], queries: Times) -> list[datetime]:
    latest = max(history, default=START)
    filled = []
    for time in queries:
        now = latest + STEP if time is None else time
        latest = max(latest, now)
        filled.append(now)
    return filled
