"""Vectors kept by content hash, so that no text is embedded twice."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from persona_agent.memory.database import Database, Migrations
from persona_agent.protocols import Embedder, Vectors

MAX_BYTES = 128 * 1024 * 1024
_BYTES_OF_AN_ITEM = 250  # the objects and their places, without text and numbers; measured
_KEYS_AT_ONCE = 500
_TABLES: Migrations = (("CREATE TABLE vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)",),)

Vector = npt.NDArray[np.float32]


class CachedEmbedder:
    """An embedder in front of another one; equal results, and only new texts reach it.

    The file, where there is one, holds hashes of texts and vectors, never a text.
    """

    def __init__(
        self,
        embedder: Embedder,
        path: Path | str | None = None,
        *,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """Put a cache before an embedder.

        Args:
            embedder: makes the vectors that are missing.
            path: a file that keeps them for the next process; None: memory only.
            max_bytes: how much memory vectors and their texts may take.

        Raises:
            StoreUnavailableError, StoreDamagedError: the file cannot be used.
        """
        self._embedder = embedder
        self._recent: OrderedDict[str, Vector] = OrderedDict()
        self._max_bytes = max_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._db = Database(path, _TABLES) if path is not None else None

    @property
    def name(self) -> str:
        """Name of the embedder behind."""
        return self._embedder.name

    @property
    def cached_bytes(self) -> int:
        """Memory that vectors and texts take, about."""
        return self._bytes

    def keep(self, max_bytes: int) -> None:
        """Set how much memory vectors and texts may take from now on."""
        with self._lock:
            self._max_bytes = max_bytes
            self._trim()

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._embedder.dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row for each text, in order; shape (len(texts), dimension)."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        found = self._from_memory(dict.fromkeys(texts))
        missing = {self._key(text): text for text in texts if text not in found}
        if missing:
            known = self._from_file(list(missing))
            made = self._made({key: text for key, text in missing.items() if key not in known})
            found |= {missing[key]: vector for key, vector in (known | made).items()}
            self._to_memory(found)
        return np.stack([found[text] for text in texts])

    def _made(self, texts: dict[bytes, str]) -> dict[bytes, Vector]:
        """Embed texts that were never seen, in one batch, and file them."""
        if not texts:
            return {}
        vectors = self._embedder.embed(list(texts.values()))
        new = {key: vector.copy() for key, vector in zip(texts, vectors, strict=True)}
        self._to_file(new)
        return new

    def close(self) -> None:
        """Release the file. Idempotent."""
        if self._db is not None:
            self._db.close()

    def _key(self, text: str) -> bytes:
        content = f"{self.name}\0{text}".encode("utf-8", "surrogatepass")
        return hashlib.sha256(content).digest()

    def _from_memory(self, texts: Iterable[str]) -> dict[str, Vector]:
        found: dict[str, Vector] = {}
        with self._lock:
            for text in texts:
                vector = self._recent.get(text)
                if vector is not None:
                    self._recent.move_to_end(text)
                    found[text] = vector
        return found

    def _to_memory(self, vectors: dict[str, Vector]) -> None:
        with self._lock:
            for text, vector in vectors.items():
                if text not in self._recent:
                    self._bytes += _taken(text, vector)
                self._recent[text] = vector
                self._recent.move_to_end(text)
            self._trim()

    def _trim(self) -> None:
        while self._bytes > self._max_bytes:
            self._bytes -= _taken(*self._recent.popitem(last=False))

    def _from_file(self, keys: Sequence[bytes]) -> dict[bytes, Vector]:
        if self._db is None:
            return {}
        found: dict[bytes, Vector] = {}
        with self._db.reading() as connection:
            for start in range(0, len(keys), _KEYS_AT_ONCE):
                some = keys[start : start + _KEYS_AT_ONCE]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, vector FROM vectors WHERE key IN ({marks})"
                for key, blob in connection.execute(query, some):
                    found[key] = np.frombuffer(blob, dtype="<f4").astype(np.float32)
        return found

    def _to_file(self, vectors: dict[bytes, Vector]) -> None:
        if self._db is None:
            return
        rows = [(key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()]
        with self._db.writing() as connection:
            connection.executemany(
                "INSERT INTO vectors (key, vector) VALUES (?, ?) ON CONFLICT DO NOTHING", rows
            )


def _taken(text: str, vector: Vector) -> int:
    return _BYTES_OF_AN_ITEM + sys.getsizeof(text) + vector.nbytes
