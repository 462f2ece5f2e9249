"""Recalled cases that a later one has overtaken: the same situation, another choice."""

from __future__ import annotations

from collections.abc import Sequence

from persona_agent.persona.overtaking import SAME_SITUATION, overtakes
from persona_agent.protocols import Vectors
from persona_agent.schema import Recalled


def current(recalled: Sequence[Recalled], vectors: Vectors) -> list[Recalled]:
    """Return the recalled cases without the superseded ones, in order.

    Args:
        recalled: cases with outcomes.
        vectors: unit vectors of their queries, shape (len(recalled), dimension).
    """
    alike = vectors @ vectors.T >= SAME_SITUATION
    episodes = [one.episode for one in recalled]
    return [
        one
        for one, same in zip(recalled, alike, strict=True)
        if not any(
            near and overtakes(later, one.episode)
            for later, near in zip(episodes, same, strict=True)
        )
    ]
