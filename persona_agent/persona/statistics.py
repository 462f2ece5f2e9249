"""Counts of outcomes: the part of a persona that needs no model."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from persona_agent.schema import Episode, TaskStatistics, task_kind

MOST_LABELS = 30
MOST_RECENT = 10
LONGEST_LABEL = 90
CHAT_TASK = "chat"

FEW_OUTCOMES = 12
RECURRING = 0.85
"""Most different outcomes, as a share of all, for them to count as recurring."""


def outcome_statistics(episodes: Sequence[Episode]) -> tuple[TaskStatistics, ...]:
    """Count the outcomes of each task, most used task first.

    Args:
        episodes: in time order; those without an outcome are passed over.

    Long outcomes (described options) and answers of a chat are not counted: examples and claims
    serve them better.
    """
    by_task: dict[str, list[Episode]] = {}
    for episode in episodes:
        if episode.outcome is not None and episode.query.task != CHAT_TASK:
            by_task.setdefault(episode.query.task_name, []).append(episode)
    found = [_count(task, group) for task, group in by_task.items()]
    kept = [one for one in found if one is not None]
    return tuple(sorted(kept, key=lambda one: (-one.total, one.task)))


def _count(task: str, episodes: Sequence[Episode]) -> TaskStatistics | None:
    outcomes = [episode.outcome or "" for episode in episodes]
    counts = Counter(outcomes)
    if sum(map(len, outcomes)) > LONGEST_LABEL * len(outcomes):
        return None
    kind = task_kind(tuple(counts))
    numbers = [float(outcome) for outcome in outcomes] if kind == "rating" else []
    last_seen = {outcome: place for place, outcome in enumerate(outcomes)}
    ranked = sorted(counts.items(), key=lambda item: (-item[1], -last_seen[item[0]]))
    return TaskStatistics(
        task=task,
        kind=kind,
        total=len(outcomes),
        counts=tuple(ranked[:MOST_LABELS]),
        recent=tuple(reversed(outcomes[-MOST_RECENT:])),
        mean=round(statistics.fmean(numbers), 2) if numbers else None,
        median=statistics.median(numbers) if numbers else None,
        spread=round(statistics.pstdev(numbers), 2) if numbers else None,
    )


def recurs(one: TaskStatistics) -> bool:
    """Tell whether outcomes of a task recur: a list of answers that came once each says nothing.

    Few outcomes are given the benefit of the doubt. The labels that are kept are judged by how
    often they themselves came: the list is cut, the total is not.
    """
    kept = sum(count for _, count in one.counts)
    return one.total < FEW_OUTCOMES or len(one.counts) <= RECURRING * kept


def uncounted(one: TaskStatistics) -> bool:
    """Tell whether a task has more different outcomes than its counts hold."""
    return one.total > sum(count for _, count in one.counts)
