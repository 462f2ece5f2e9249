"""Histories for the verdict: halves without common episodes, and histories of nobody."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from statistics import median

from persona_agent.evals.atlas.behaviour import same_text
from persona_agent.schema import Episode

Histories = Mapping[str, Sequence[Episode]]
"""Each user's episodes with outcomes, in time order."""

LEAST_HALF = 4
MOST_HALF = 30


def half_size(histories: Histories) -> int:
    """Return how many episodes a half has: half of the median history, 4 to 30."""
    sizes = [len(history) for history in histories.values()] or [0]
    return max(LEAST_HALF, min(MOST_HALF, int(median(sizes)) // 2))


def halves(history: Sequence[Episode], size: int, generator: random.Random) -> list[list[Episode]]:
    """Draw two halves of ``size`` episodes each, in time order; smaller ones of too few.

    Both have the same size for every user, since a long history alone makes a persona that is
    easy to tell. Episodes whose queries have the same text stay together: else one half would
    know what the other is asked.
    """
    groups: dict[str, list[Episode]] = {}
    for episode in history:
        groups.setdefault(same_text(episode.query.text), []).append(episode)
    order = list(groups.values())
    generator.shuffle(order)
    sides: list[list[Episode]] = [[], []]
    for group in order:
        smaller = min(sides, key=len)
        smaller.extend(group[: size - len(smaller)])
    filled = min(len(side) for side in sides)
    return [sorted(side[:filled], key=lambda one: (one.at, one.id)) for side in sides]


def enough(history: Sequence[Episode], size: int) -> bool:
    """Tell whether a history has two full halves, whatever the draw."""
    return len({same_text(one.query.text) for one in history}) >= 2 * size


def without(histories: Histories, texts: set[str]) -> dict[str, list[Episode]]:
    """Return histories without the queries of these texts (keys of ``same_text``)."""
    return {
        user: [one for one in history if same_text(one.query.text) not in texts]
        for user, history in histories.items()
    }


def shuffled(histories: Histories, generator: random.Random) -> dict[str, list[Episode]]:
    """Give every user the same number of episodes at the same times, drawn from everybody's.

    What was asked and what was chosen stay together; whose it was is lost.
    """
    content = [one for user in sorted(histories) for one in histories[user]]
    generator.shuffle(content)
    rest = iter(content)
    return {
        user: [_with(slot, next(rest)) for slot in histories[user]] for user in sorted(histories)
    }


def outcomes_shuffled(histories: Histories, generator: random.Random) -> dict[str, list[Episode]]:
    """Keep what every user was asked, and exchange outcomes among queries with equal options.

    An outcome whose options nobody else was given is drawn from them at random. What is left of
    a user is what they are asked about.
    """
    pools: dict[tuple[str, tuple[str, ...]], list[str | None]] = {}
    for user in sorted(histories):
        for one in histories[user]:
            pools.setdefault((one.query.task_name, one.query.options), []).append(one.outcome)
    alone = {key for key, pool in pools.items() if len(pool) == 1 and key[1]}
    for pool in pools.values():
        generator.shuffle(pool)

    def redrawn(one: Episode) -> Episode:
        key = one.query.task_name, one.query.options
        outcome = generator.choice(one.query.options) if key in alone else pools[key].pop()
        return one.model_copy(update={"outcome": outcome})

    return {user: [redrawn(one) for one in histories[user]] for user in sorted(histories)}


def _with(slot: Episode, content: Episode) -> Episode:
    return slot.model_copy(update={"query": content.query, "outcome": content.outcome})
