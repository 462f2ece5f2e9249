"""Timeline over episodes that are at hand as objects."""

from __future__ import annotations

from collections.abc import Iterable

from persona_agent.memory.codec import micros
from persona_agent.memory.selection import Selection
from persona_agent.schema import Episode


def timeline(episodes: Iterable[Episode], selection: Selection, limit: int | None) -> list[Episode]:
    """Return the selected episodes in time order (ties by id), the latest ones."""
    chosen = [
        one
        for one in episodes
        if (selection.before is None or micros(one.at) < selection.before)
        and (selection.since is None or micros(one.at) >= selection.since)
        and (selection.task is None or one.query.task_name == selection.task)
        and (one.outcome is not None or not selection.with_outcome)
    ]
    chosen.sort(key=lambda one: (one.at, one.id))
    return chosen if limit is None else chosen[max(len(chosen) - limit, 0) :]
