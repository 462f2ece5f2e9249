"""Embedders for tests: fast, deterministic, without a model."""

from __future__ import annotations

from collections.abc import Sequence

from persona_agent.memory.hash_embedder import HashEmbedder
from persona_agent.protocols import Embedder, Vectors

__all__ = ["CountingEmbedder", "HashEmbedder"]


class CountingEmbedder:
    """Passes on to another embedder and keeps what it was asked for.

    Attributes:
        calls: the texts of every call, in order.
    """

    def __init__(self, inner: Embedder | None = None) -> None:
        self._inner = inner or HashEmbedder()
        self.calls: list[tuple[str, ...]] = []

    @property
    def name(self) -> str:
        """Name of the embedder behind."""
        return self._inner.name

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._inner.dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row for each text, in order."""
        self.calls.append(tuple(texts))
        return self._inner.embed(texts)
