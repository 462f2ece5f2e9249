"""The loss of one answer against what the user really did."""

from __future__ import annotations

from persona_agent.protocols import Embedder
from persona_agent.schema import Episode


def episode_loss(episode: Episode, answer: str, embedder: Embedder) -> float:
    """Return a loss between 0 (what the user did) and 1.

    Choice: 0 or 1. Rating: |answer - outcome| over the width of the scale (so the mean over
    episodes is MAE / width). Free text: half of 1 - cosine of the two texts' embeddings.
    """
    outcome = episode.outcome
    if outcome is None:
        raise ValueError(f"episode {episode.id} has no outcome to compare with")
    if episode.query.kind == "rating":
        scale = [float(option) for option in episode.query.options]
        width = max(scale) - min(scale)
        return abs(float(answer) - float(outcome)) / width if width else 0.0
    if answer.strip() == outcome.strip():
        return 0.0
    if episode.query.kind == "choice":
        return 1.0
    first, second = embedder.embed([answer, outcome])
    return float(min(1.0, max(0.0, (1.0 - float(first @ second)) / 2)))
