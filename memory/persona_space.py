"""The persona space: one embedding for each user's persona, searched over all users."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from persona_agent.errors import InputError
from persona_agent.memory.chroma_client import ChromaClient
from persona_agent.memory.chroma_layout import hashed
from persona_agent.memory.codec import check_limit, check_vector, mismatch
from persona_agent.memory.erasure import rebuild
from persona_agent.protocols import Vectors
from persona_agent.schema.base import Record

_COLLECTION = "persona-space"
_PAGE = 2_000
_RESERVED = frozenset({"user_id", "version"})

Scalar = str | int | float | bool


class Neighbour(Record):
    """A user's persona near a point of the space, with its cosine similarity to it."""

    user_id: str
    version: str
    similarity: float
    metadata: dict[str, Scalar] = Field(default_factory=dict)


class PersonaSpace:
    """The embeddings of all users' personas in one Chroma collection, the latest one of each."""

    def __init__(
        self, *, path: Path | str | None = None, url: str | None = None, embedder: str
    ) -> None:
        """Connect to the server ``url``, or open the folder ``path`` where there is none.

        Raises:
            MissingExtraError: chromadb is not installed.
            EmbedderMismatchError: the space holds vectors of another embedder.
            StoreUnavailableError: the server is away, or another process has the folder.
        """
        self._embedder = embedder
        self._client = ChromaClient(path=path, url=url)
        try:
            self._client.collection(_COLLECTION, embedder)
        except Exception:
            self._client.close()
            raise

    def put(
        self,
        user_id: str,
        version: str,
        vector: npt.NDArray[np.float32],
        metadata: Mapping[str, Scalar] | None = None,
    ) -> None:
        """Set a user's place in the space; an earlier one is replaced.

        Raises:
            EmbedderMismatchError: the vector's dimension differs from the stored one.
            InputError: the vector is no unit vector, metadata uses a reserved key, or the user id
                holds half a character.
        """
        row = check_vector(vector)
        taken = _RESERVED & set(metadata or {})
        if taken:
            raise InputError(f"metadata must not use the key {sorted(taken)[0]!r}: rename it")
        collection = self._client.collection(_COLLECTION, self._embedder, row.shape[0])
        with self._client.explained():
            # What an upsert does not name it keeps, so the old metadata is taken out by name.
            old = collection.get(ids=[hashed(user_id)], include=["metadatas"])["metadatas"]
            cleared: dict[str, Any] = dict.fromkeys(old[0] if old else ())
            collection.upsert(
                ids=[hashed(user_id)],
                embeddings=row[None, :],
                metadatas=[
                    cleared | dict(metadata or {}) | {"user_id": user_id, "version": version}
                ],
            )

    def neighbours(
        self, vector: npt.NDArray[np.float32], k: int, *, exclude: str | None = None
    ) -> list[Neighbour]:
        """Return up to ``k`` personas near a unit vector, nearest first, ``exclude`` left out.

        The search is approximate, as Chroma's index is.
        """
        check_limit(k)
        row = check_vector(vector)
        collection = self._client.collection(_COLLECTION, self._embedder)
        with self._client.explained():
            count = collection.count() if collection is not None else 0
            if k == 0 or count == 0:
                return []
            dimension = int(collection.metadata["dimension"])
            if dimension != row.shape[0]:
                used = f"a vector of dimension {row.shape[0]}"
                raise mismatch(self._client.place, f"{self._embedder} ({dimension})", used)
            found = collection.query(
                query_embeddings=row[None, :],
                n_results=min(count, k + (exclude is not None)),
                include=["metadatas", "distances"],
            )
        pairs = zip(found["metadatas"][0], found["distances"][0], strict=True)
        near = [_neighbour(metadata, 1.0 - distance) for metadata, distance in pairs]
        return [one for one in near if one.user_id != exclude][:k]

    def vectors(self) -> tuple[list[str], Vectors]:
        """Return all user ids, sorted, and their vectors, shape (n, dimension)."""
        collection = self._client.collection(_COLLECTION, self._embedder)
        if collection is None:
            return [], np.zeros((0, 0), dtype=np.float32)
        users: list[str] = []
        blocks = [np.zeros((0, collection.metadata["dimension"]), dtype=np.float32)]
        with self._client.explained():
            for offset in range(0, collection.count(), _PAGE):
                page = collection.get(
                    include=["metadatas", "embeddings"], limit=_PAGE, offset=offset
                )
                users += [str(metadata["user_id"]) for metadata in page["metadatas"]]
                blocks.append(np.asarray(page["embeddings"], dtype=np.float32))
        order = sorted(range(len(users)), key=users.__getitem__)
        return [users[i] for i in order], np.concatenate(blocks)[order]

    def forget(self, user_id: str) -> int:
        """Remove a user; return how many rows there were."""
        collection = self._client.collection(_COLLECTION, self._embedder)
        if collection is None:
            return 0
        with self._client.explained():
            there = len(collection.get(ids=[hashed(user_id)], include=[])["ids"])
            if there:
                collection.delete(ids=[hashed(user_id)])
        return there

    def erase(self) -> None:
        """Take deleted rows out of the index; ``erasure.clean`` does the rest of the folder.

        Raises:
            StoreUnavailableError: the folder or the server cannot be used.
        """
        rebuild(self._client, _COLLECTION)

    def close(self) -> None:
        """Release the folder or the connection. Idempotent."""
        self._client.close()


def _neighbour(metadata: Mapping[str, Any], similarity: float) -> Neighbour:
    own = {key: value for key, value in metadata.items() if key not in _RESERVED}
    return Neighbour(
        user_id=metadata["user_id"],
        version=metadata["version"],
        similarity=similarity,
        metadata=own,
    )
