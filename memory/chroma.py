"""Episodes in Chroma, embedded or on a server: the alternative to SQLite."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from persona_agent.errors import NotFoundError
from persona_agent.memory import scan
from persona_agent.memory.chroma_client import ChromaClient
from persona_agent.memory.codec import (
    attach,
    check_batch,
    check_limit,
    check_vector,
    decode,
    encode,
    mismatch,
)
from persona_agent.memory.selection import Selection
from persona_agent.protocols import Vectors
from persona_agent.schema import Episode, Feedback, RecallBlend, Recalled

_SHARDS = 16
_PREFIX = "episodes-"
_PAGE = 2_000


class ChromaEpisodeStore:
    """An :class:`~persona_agent.protocols.EpisodeStore` in Chroma.

    Users are spread over a fixed number of collections. A user's rows are fetched by filter and
    scored exactly here: Chroma's own filtered search is approximate and, in large collections,
    slow. Chroma marks deleted vectors instead of erasing them from its index files; where data
    must be gone from the disk, use SQLite.

    A batch is checked as a whole before it is written, and taken back when writing fails midway;
    Chroma has no transactions, so a crash in between can leave a part of it.
    """

    def __init__(
        self, *, path: Path | str | None = None, url: str | None = None, embedder: str
    ) -> None:
        """Connect to the server ``url``, or open the folder ``path`` where there is none.

        Raises:
            MissingExtraError: chromadb is not installed.
            EmbedderMismatchError: the episodes were stored with another embedder.
            StoreUnavailableError: the server is away, or another process has the folder.
        """
        self._embedder = embedder
        self._lock = threading.RLock()
        self._client = ChromaClient(path=path, url=url)
        try:
            stored = [shard for shard in self._shards() if shard.count()]
            self._dimension = int(stored[0].metadata["dimension"]) if stored else None
        except Exception:
            self._client.close()
            raise

    # --- writing ------------------------------------------------------------------------------

    def add(self, episodes: Sequence[Episode], vectors: Vectors) -> list[str]:
        """Store episodes with their vectors; return the ids that were new."""
        if not episodes:
            return []
        matrix = check_batch(episodes, vectors)
        bodies = [encode(episode) for episode in episodes]
        with self._lock:
            by_shard: dict[str, dict[str, int]] = defaultdict(dict)
            for index, episode in enumerate(episodes):
                by_shard[_shard(episode.user_id)].setdefault(_key(episode), index)
            self._check_dimension(matrix.shape[1])
            fresh = []
            for name, keys in by_shard.items():
                shard = self._client.collection(name, self._embedder, matrix.shape[1])
                with self._client.explained():
                    fresh.append((shard, _without_known(shard, keys)))
            self._insert(fresh, episodes, matrix, bodies)
            self._dimension = matrix.shape[1]
        return [episodes[i].id for i in sorted(i for _, keys in fresh for i in keys.values())]

    def _insert(
        self,
        fresh: Sequence[tuple[Any, Mapping[str, int]]],
        episodes: Sequence[Episode],
        matrix: Vectors,
        bodies: Sequence[str],
    ) -> None:
        written: list[tuple[Any, list[str]]] = []
        try:
            with self._client.explained():
                for shard, keys in fresh:
                    for some in _pages(list(keys), self._client.raw.get_max_batch_size()):
                        written.append((shard, some))
                        indices = [keys[key] for key in some]
                        # add() keeps an existing row, should another process have been faster.
                        shard.add(
                            ids=some,
                            embeddings=matrix[indices],
                            documents=[bodies[i] for i in indices],
                            metadatas=[{"user_id": episodes[i].user_id} for i in indices],
                        )
        except Exception:
            with self._client.explained():
                for shard, some in written:
                    shard.delete(ids=some)
            raise

    def set_outcome(
        self,
        user_id: str,
        episode_id: str,
        *,
        outcome: str | None = None,
        feedback: Feedback | None = None,
    ) -> Episode:
        """Attach an outcome or feedback, return the episode. Raises NotFoundError, InputError."""
        with self._lock:
            found = self._named(user_id, [episode_id])
            if not found:
                raise NotFoundError(f"user {user_id!r} has no episode {episode_id!r}")
            old, vector = found[episode_id]
            episode = attach(old, outcome, feedback)
            with self._client.explained():
                self._shard_of(user_id).upsert(
                    ids=[_key(episode)],
                    embeddings=vector[None, :],
                    documents=[encode(episode)],
                    metadatas=[{"user_id": user_id}],
                )
        return episode

    def delete(self, user_id: str, ids: Sequence[str]) -> int:
        """Remove episodes; return how many there were."""
        with self._lock:
            gone = [_key(episode) for episode, _ in self._named(user_id, ids).values()]
            with self._client.explained():
                for some in _pages(gone, _PAGE):
                    self._shard_of(user_id).delete(ids=some)
        return len(gone)

    def forget(self, user_id: str) -> int:
        """Remove everything of a user; return how many episodes there were."""
        with self._lock:
            count = self.count(user_id)
            if count:
                with self._client.explained():
                    self._shard_of(user_id).delete(where={"user_id": user_id})
        return count

    # --- reading ------------------------------------------------------------------------------

    def get(self, user_id: str, ids: Sequence[str]) -> list[Episode]:
        """Return those of the named episodes that exist, in the order asked for."""
        found = self._named(user_id, ids)
        return [found[id_][0] for id_ in ids if id_ in found]

    def timeline(
        self,
        user_id: str,
        *,
        before: datetime | None = None,
        task: str | None = None,
        with_outcome: bool = False,
        limit: int | None = None,
    ) -> list[Episode]:
        """Return episodes in time order (ties by id); with ``limit`` the latest ones."""
        selection = Selection(before=before, task=task, with_outcome=with_outcome)
        return scan.timeline(self._all(user_id)[0], selection, limit)

    def recall(
        self,
        user_id: str,
        vector: npt.NDArray[np.float32],
        *,
        limit: int,
        blend: RecallBlend | None = None,
        now: datetime | None = None,
        before: datetime | None = None,
        task: str | None = None,
        with_outcome: bool = False,
        where: Mapping[str, str | int | float | bool] | None = None,
    ) -> list[Recalled]:
        """Return the best episodes, best first, exact over the user's rows, ties by newest."""
        check_limit(limit)
        query = check_vector(vector)
        selection = Selection(before=before, task=task, with_outcome=with_outcome, where=where)
        self._check_dimension(query.shape[0])
        episodes, vectors = self._all(user_id)
        return scan.recall(episodes, vectors, query, selection, limit=limit, blend=blend, now=now)

    def users(self) -> list[str]:
        """Return the ids of all users with episodes, sorted; reads every row's metadata."""
        found: set[str] = set()
        with self._client.explained():
            for shard in self._shards():
                for offset in range(0, shard.count(), _PAGE):
                    page = shard.get(include=["metadatas"], limit=_PAGE, offset=offset)
                    found.update(str(metadata["user_id"]) for metadata in page["metadatas"])
        return sorted(found)

    def count(self, user_id: str) -> int:
        """Return the number of a user's episodes."""
        shard = self._shard_of(user_id)
        if shard is None:
            return 0
        with self._client.explained():
            return len(shard.get(where={"user_id": user_id}, include=[])["ids"])

    def vectors(self, user_id: str, ids: Sequence[str]) -> Vectors:
        """Return the stored vectors of episodes, in the order asked for. Raises NotFoundError."""
        found = self._named(user_id, ids)
        missing = [id_ for id_ in ids if id_ not in found]
        if missing:
            raise NotFoundError(f"user {user_id!r} has no episode {missing[0]!r}")
        if not ids:
            return np.zeros((0, self._dimension or 0), dtype=np.float32)
        return np.stack([found[id_][1] for id_ in ids])

    def close(self) -> None:
        """Release the folder or the connection. Idempotent."""
        self._client.close()

    # --- collections --------------------------------------------------------------------------

    def _check_dimension(self, dimension: int) -> None:
        if self._dimension is not None and self._dimension != dimension:
            stored = f"{self._embedder} (dimension {self._dimension})"
            used = f"{self._embedder} (dimension {dimension})"
            raise mismatch(self._client.place, stored, used)

    def _shard_of(self, user_id: str) -> Any:
        """Return the user's collection, None if it is missing."""
        return self._client.collection(_shard(user_id), self._embedder)

    def _shards(self) -> list[Any]:
        names = [name for name in self._client.names() if name.startswith(_PREFIX)]
        found = [self._client.collection(name, self._embedder) for name in names]
        return [shard for shard in found if shard is not None]

    def _all(self, user_id: str) -> tuple[list[Episode], Vectors]:
        shard = self._shard_of(user_id)
        if shard is None:
            return [], np.zeros((0, 0), dtype=np.float32)
        with self._client.explained():
            found = shard.get(where={"user_id": user_id}, include=["documents", "embeddings"])
        return self._decoded(found)

    def _named(
        self, user_id: str, ids: Sequence[str]
    ) -> dict[str, tuple[Episode, npt.NDArray[np.float32]]]:
        """Return those of the named episodes that exist, with their vectors, by id."""
        named: dict[str, tuple[Episode, npt.NDArray[np.float32]]] = {}
        shard = self._shard_of(user_id)
        if shard is None:
            return named
        for some in _pages([_key_of(user_id, id_) for id_ in dict.fromkeys(ids)], _PAGE):
            with self._client.explained():
                found = shard.get(
                    ids=some,
                    where={"user_id": user_id},
                    include=["documents", "embeddings"],
                )
            for episode, vector in zip(*self._decoded(found), strict=True):
                named[episode.id] = (episode, vector)
        return named

    def _decoded(self, found: Mapping[str, Any]) -> tuple[list[Episode], Vectors]:
        episodes = [decode(body, self._client.place) for body in found["documents"]]
        return episodes, np.asarray(found["embeddings"], dtype=np.float32)


def _shard(user_id: str) -> str:
    """Return the name of a user's collection."""
    digest = hashlib.sha256(user_id.encode()).digest()
    return f"{_PREFIX}{digest[0] % _SHARDS:02d}"


def _key(episode: Episode) -> str:
    return _key_of(episode.user_id, episode.id)


def _key_of(user_id: str, episode_id: str) -> str:
    """Return the id of an episode in Chroma, unique over all users."""
    user, episode = (hashlib.sha256(part.encode()).hexdigest() for part in (user_id, episode_id))
    return f"{user[:32]}-{episode[:32]}"


def _without_known(shard: Any, keys: Mapping[str, int]) -> dict[str, int]:
    known: set[str] = set()
    for some in _pages(list(keys), _PAGE):
        known.update(shard.get(ids=some, include=[])["ids"])
    return {key: index for key, index in keys.items() if key not in known}


def _pages(keys: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
