"""The small profile that stands for all facts of a user: what is supported, and lately."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from persona_agent.memory.codec import micros
from persona_agent.schema import Fact

MOST = 60
"""Facts of a profile."""

HALF_LIFE_DAYS = 365.0
"""After so long, the support that an episode lends to a fact counts half."""

_DAY = 86_400_000_000  # microseconds


def strongest(
    facts: Sequence[Fact], support: Mapping[str, Sequence[int]], now: int, limit: int
) -> list[Fact]:
    """Return the strongest facts, oldest first.

    strength = sum over supporting episodes of 0.5 ** (age / half-life), the weight of a memory
    that fades exponentially and is refreshed by repetition. Nothing is removed: a fact that faded
    comes back when an episode supports it again.

    Args:
        facts: the facts to choose from.
        support: moments of the episodes behind each fact, in microseconds since 1970, by fact id;
            for one that is missing the fact's own moment counts.
        now: the moment that ages are counted from, in microseconds since 1970.
        limit: how many to return, 0 or more.
    """

    def strength(fact: Fact) -> tuple[float, int, str]:
        at = micros(fact.valid_from)
        return _faded(support.get(fact.id) or (at,), now), at, fact.id

    chosen = sorted(facts, key=strength, reverse=True)[:limit]
    return sorted(chosen, key=lambda fact: (micros(fact.valid_from), fact.id))


def _faded(moments: Iterable[int], now: int) -> float:
    ages = (max(0, now - moment) / _DAY for moment in moments)
    return math.fsum(0.5 ** (age / HALF_LIFE_DAYS) for age in ages)
