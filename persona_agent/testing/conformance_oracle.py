"""Recall by the protocol's words and nothing else: what stores are compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from persona_agent.schema import Episode, RecallBlend
from persona_agent.testing.samples import START

Stored = tuple[Episode, npt.NDArray[np.float32]]


def oracle_recall(
    mine: Mapping[str, Stored],
    selected: Callable[[Episode], bool],
    vector: npt.NDArray[np.float32],
    *,
    limit: int,
    blend: RecallBlend,
    before: datetime | None,
) -> list[str]:
    """Return the ids that recall has to find, best first."""
    now = before or max((episode.at for episode, _ in mine.values()), default=START)

    def score(one: Stored) -> float:
        age = max((now - one[0].at) / timedelta(days=1), 0)
        known = one[0].outcome is not None
        fresh = 0.5 ** (age / blend.half_life_days)
        cosine = float(one[1] @ vector)
        return blend.similarity * cosine + blend.recency * float(fresh) + blend.value * known

    left = [one for one in mine.values() if selected(one[0])]
    left.sort(key=lambda one: (-score(one), START - one[0].at, one[0].id))
    kept: list[Stored] = []
    for one in left:
        if not any(one[0].outcome == k[0].outcome and one[1] @ k[1] >= 0.98 for k in kept):
            kept.append(one)
    return [episode.id for episode, _ in kept[:limit]]
