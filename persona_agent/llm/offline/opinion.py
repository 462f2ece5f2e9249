"""The opinion in a text, by embedding: how much its sentences resemble praise or blame."""

from __future__ import annotations

import re

import numpy as np

from persona_agent.protocols import Embedder

MOST_SENTENCES = 24
RESEMBLES_AT = 0.45
TEMPERATURE = 0.05
# Anchor sentences of general English, from -2 (blame) to 2 (praise).
ANCHORS: dict[int, tuple[str, ...]] = {
    -2: (
        "Terrible, a complete waste of money. I hate it.",
        "It broke right away and I want a refund.",
        "Awful, the worst I have ever used.",
        "I would give it one star or zero stars.",
    ),
    -1: (
        "Disappointing and not very good.",
        "It is below average and I would not buy it again.",
        "Poor quality, it has many problems.",
    ),
    0: (
        "It is okay, nothing special.",
        "Average, it has good and bad points.",
        "It does the job but has some issues.",
    ),
    1: (
        "Good, I like it, with minor complaints.",
        "Works well overall.",
        "Very nice, although not perfect.",
    ),
    2: (
        "Excellent, I absolutely love it.",
        "Perfect, the best I have ever used, highly recommended.",
        "Amazing quality, five stars.",
        "I could not be happier with it.",
    ),
}
_BREAK = re.compile(r"(?<=[.!?])\s*(?=[A-Z\"'(])|\n")


def sentences(text: str) -> list[str]:
    """Return the first sentences of a text, those of a few letters left out."""
    parts = [part.strip() for part in _BREAK.split(text)]
    return ([part for part in parts if len(part) > 8] or [text])[:MOST_SENTENCES]


class OpinionReader:
    """Reads opinions with an embedder; what was read is kept for the next time."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, float] = {}
        self._anchors: np.ndarray[tuple[int, int], np.dtype[np.float32]] | None = None
        self._levels = np.array([level for level, texts in ANCHORS.items() for _ in texts])

    def read(self, text: str) -> float:
        """Return the opinion, -2 to 2; near 0 for a text that holds none (a plot summary)."""
        if text not in self._known:
            self._known[text] = self._read(text)
        return self._known[text]

    def _read(self, text: str) -> float:
        if self._anchors is None:
            self._anchors = self._embedder.embed([t for texts in ANCHORS.values() for t in texts])
        vectors = self._embedder.embed(sentences(text))
        weight = np.exp((vectors @ self._anchors.T - RESEMBLES_AT) / TEMPERATURE)
        return float((weight * self._levels).sum() / (1.0 + weight.sum()))
