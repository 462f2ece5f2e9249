"""Counts of outcomes: the part of a persona that needs no model."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from persona_agent.schema import Episode, TaskStatistics, task_kind

MOST_LABELS = 30
MOST_RECENT = 10
LONGEST_LABEL = 90
CHAT_TASK = "chat"

OFFERED = 3
"""Least cases in which an outcome was on offer for it to recur: described options are on offer
once, or twice where a question comes again."""
GIVEN = 2
"""Least times that an answer which was picked from no list was given for it to recur."""
USUAL = 0.5
"""Least share of cases whose outcome recurs for a task to be counted. A list of the few that do
would read as if they were the rule."""


def outcome_statistics(episodes: Sequence[Episode]) -> tuple[TaskStatistics, ...]:
    """Count the outcomes of each task, most used task first.

    Args:
        episodes: in time order; those without an outcome are passed over.

    Counted are outcomes that recur, where most do; totals are of all. Described options that are
    on offer once or twice say nothing by their number. Tasks with long outcomes and answers of a
    chat are left out: examples and claims serve them better.
    """
    found = [_count(task, group) for task, group in _by_task(episodes).items()]
    kept = [one for one in found if one is not None]
    return tuple(sorted(kept, key=lambda one: (-one.total, one.task)))


def too_many(episodes: Sequence[Episode]) -> bool:
    """Tell whether the most used task has more different outcomes than its counts would hold."""
    groups = sorted(_by_task(episodes).items(), key=lambda item: (-len(item[1]), item[0]))
    outcomes = next((_outcomes(group) for _, group in groups if not _long(_outcomes(group))), [])
    return len(set(outcomes)) > MOST_LABELS


def _by_task(episodes: Sequence[Episode]) -> dict[str, list[Episode]]:
    found: dict[str, list[Episode]] = {}
    for episode in episodes:
        if episode.outcome is not None and episode.query.task != CHAT_TASK:
            found.setdefault(episode.query.task_name, []).append(episode)
    return found


def _outcomes(episodes: Sequence[Episode]) -> list[str]:
    return [episode.outcome or "" for episode in episodes]


def _long(outcomes: Sequence[str]) -> bool:
    return sum(map(len, outcomes)) > LONGEST_LABEL * len(outcomes)


def _count(task: str, episodes: Sequence[Episode]) -> TaskStatistics | None:
    outcomes = _outcomes(episodes)
    if _long(outcomes):
        return None
    given = Counter(outcomes)
    kind = task_kind(tuple(given))
    recurring = given if kind == "rating" else _recurring(episodes, given)
    numbers = [float(outcome) for outcome in outcomes] if kind == "rating" else []
    last_seen = {outcome: place for place, outcome in enumerate(outcomes)}
    ranked = sorted(recurring.items(), key=lambda item: (-item[1], -last_seen[item[0]]))
    recent = [place for place in range(len(outcomes))[::-1] if outcomes[place] in recurring]
    return TaskStatistics(
        task=task,
        kind=kind,
        total=len(outcomes),
        counts=tuple(ranked[:MOST_LABELS]),
        recent=tuple(outcomes[place] for place in recent[:MOST_RECENT]),
        latest_at=episodes[recent[0]].at if recent else None,
        mean=round(statistics.fmean(numbers), 2) if numbers else None,
        median=statistics.median(numbers) if numbers else None,
        spread=round(statistics.pstdev(numbers), 2) if numbers else None,
    )


def _recurring(episodes: Sequence[Episode], given: Mapping[str, int]) -> dict[str, int]:
    """Return the outcomes that recur, each with how often it came; none where most do not."""
    rare = {outcome for outcome, times in given.items() if times < OFFERED}
    offered: Counter[str] = Counter()
    if rare:  # lists of labels come again as a whole: each is gone through once
        for options, times in Counter(episode.query.options for episode in episodes).items():
            offered.update({option: times for option in options if option in rare})
        free = (episode.outcome for episode in episodes if not episode.query.options)
        rare -= {outcome for outcome, times in Counter(free).items() if times >= GIVEN}
    found = {
        outcome: times
        for outcome, times in given.items()
        if outcome not in rare or offered[outcome] >= OFFERED
    }
    return found if sum(found.values()) >= USUAL * len(episodes) else {}
