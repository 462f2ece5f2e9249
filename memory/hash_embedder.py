"""An embedder without dependencies: hashed words and letter triples."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from persona_agent.protocols import Vectors

_WORD = re.compile(r"\w+")
_SHORT = 3  # words up to this length are mostly function words
_WEIGHT_OF_SHORT = 0.3
_WEIGHT_OF_TRIPLE = 0.3


class HashEmbedder:
    """Deterministic unit vectors that are close for texts that share words and word parts.

    It knows no meaning: for tests, and for a first look on a machine without the real embedder.
    Texts without a letter or digit all get the same vector.
    """

    def __init__(self, dimension: int = 256) -> None:
        if dimension < 2:
            raise ValueError(f"dimension must be 2 or more, not {dimension}")
        self._dimension = dimension

    @property
    def name(self) -> str:
        """``hash-<dimension>``."""
        return f"hash-{self._dimension}"

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row for each text, in order; shape (len(texts), dimension)."""
        matrix = np.zeros((len(texts), self._dimension), dtype=np.float64)
        for row, text in zip(matrix, texts, strict=True):
            for feature, weight in _features(text):
                code = zlib.crc32(feature.encode("utf-8", "replace"))
                # The sign bit makes features that collide cancel out instead of adding up.
                row[(code >> 1) % self._dimension] += weight if code & 1 else -weight
            if not row.any():
                row[0] = 1.0
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        return matrix.astype(np.float32)


def _features(text: str) -> Iterator[tuple[str, float]]:
    """Yield words and the letter triples of long words with weights; repeats count by their root.

    A triple keeps the marks of the word's start and end, which no word contains.
    """
    for word, count in Counter(_WORD.findall(text.casefold())).items():
        weight = count**0.5
        if len(word) <= _SHORT:
            yield word, _WEIGHT_OF_SHORT * weight
            continue
        yield word, weight
        framed = f"<{word}>"
        for start in range(len(framed) - 2):
            yield f"~{framed[start : start + 3]}", _WEIGHT_OF_TRIPLE * weight
