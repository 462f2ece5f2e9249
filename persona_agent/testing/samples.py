"""Episodes and vectors for tests of stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from persona_agent.protocols import Vectors
from persona_agent.schema import Episode, Query, Recalled

START = datetime(2024, 1, 1, tzinfo=UTC)
# Unit vectors whose cosines are exact in float32, so that the oracle needs no tolerance.
_HALVES = np.array(np.meshgrid(*[[0.5, -0.5]] * 4)).T.reshape(-1, 4)
POOL: Vectors = np.concatenate([np.eye(4), _HALVES]).astype(np.float32)


def make_episode(
    id_: str = "e1",
    *,
    user: str = "ann",
    day: float = 0,
    outcome: str | None = None,
    task: str = "",
    **metadata: str | int | float | bool,
) -> Episode:
    """Return an episode of a choice among a, b and c, ``day`` days after the start."""
    return Episode(
        id=id_,
        user_id=user,
        query=Query(text=f"question {id_}", options=("a", "b", "c"), task=task),
        outcome=outcome,
        at=START + timedelta(days=day),
        metadata=metadata,
    )


def ids(found: list[Episode] | list[Recalled]) -> list[str]:
    """Return the ids of episodes, in order."""
    return [one.episode.id if isinstance(one, Recalled) else one.id for one in found]
