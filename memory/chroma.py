"""Episodes in Chroma, embedded or on a server: the alternative to SQLite."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from persona_agent.memory import chroma_layout as layout
from persona_agent.memory import scan
from persona_agent.memory.chroma_client import ChromaClient
from persona_agent.memory.chroma_pending import Pending
from persona_agent.memory.codec import (
    attach,
    check_batch,
    completed,
    encode,
    ids_by_user,
    mismatch,
)
from persona_agent.memory.coded import Coded
from persona_agent.memory.erasure import rebuild
from persona_agent.memory.row_cache import CachedUser
from persona_agent.memory.rows import Rows
from persona_agent.memory.selection import Selection
from persona_agent.memory.store import CheckedEpisodeStore, Question, no_episode, recalled
from persona_agent.protocols import Completed, Vectors
from persona_agent.schema import Episode, Feedback, Recalled

_Row = tuple[Episode, npt.NDArray[np.float32]]

_UNCHANGED = 0  # the stamp in the cache: all writers of a folder are in this process


class ChromaEpisodeStore(CheckedEpisodeStore):
    """An :class:`~persona_agent.protocols.EpisodeStore` in Chroma.

    Users are spread over a fixed number of collections. A user's rows are fetched by filter and
    scored exactly here: Chroma's own filtered search is approximate and, in large collections,
    slow. A folder belongs to one process, which keeps the users that it recalls for in memory; a
    server may have other writers, and is asked every time.

    A batch is checked as a whole before it is written, and taken back when writing fails midway.
    Chroma has no transactions: what a crash leaves of a batch in a folder is taken back when it is
    opened next; on a server it stays, until the batch is added again. Outcomes that ``complete``
    attached before a crash stay, and the same call again does the rest.
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
        self._dimension: int | None = None
        self._client = ChromaClient(path=path, url=url)
        self._lock = self._client.lock
        self._cache = self._client.cache
        self._pending = Pending(self._client.folder)
        try:
            with self._lock:
                self._take_back(self._pending.left())
                with self._client.explained():
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
        with self._writing({episode.user_id for episode in episodes}):
            by_shard: dict[str, dict[str, int]] = defaultdict(dict)
            for index, episode in enumerate(episodes):
                name = layout.shard_of(episode.user_id)
                by_shard[name].setdefault(layout.key_of(episode.user_id, episode.id), index)
            self._check_dimension(matrix.shape[1])
            fresh: dict[str, dict[str, int]] = {}
            for name, keys in by_shard.items():
                shard = self._client.collection(
                    name, self._embedder, matrix.shape[1], searched=False
                )
                with self._client.explained():
                    fresh[name] = _without_known(shard, keys)
            self._insert(fresh, episodes, matrix, bodies)
            self._dimension = matrix.shape[1]
        return [episodes[i].id for i in sorted(i for keys in fresh.values() for i in keys.values())]

    def complete(
        self, episodes: Sequence[Episode], vectors: Vectors, late: Sequence[Episode]
    ) -> Completed:
        """Store episodes, together with outcomes of earlier ones that had none."""
        named = ids_by_user(late)
        with self._writing(named):
            stored = {user_id: self._named(user_id, ids) for user_id, ids in named.items()}
            told, other = completed(
                late,
                {(user, id_): one[0] for user in named for id_, one in stored[user].items()},
            )
            changed: dict[str, list[Episode]] = defaultdict(list)
            for episode in told:
                changed[episode.user_id].append(episode)
            try:
                for user, rows in changed.items():
                    self._replace(user, [(one, stored[user][one.id][1]) for one in rows])
                new = self.add(episodes, vectors)
            except Exception:
                for user, rows in changed.items():
                    self._replace(user, [stored[user][one.id] for one in rows])
                raise
        return Completed(new, told, other)

    def _insert(
        self,
        fresh: Mapping[str, Mapping[str, int]],
        episodes: Sequence[Episode],
        matrix: Vectors,
        bodies: Sequence[str],
    ) -> None:
        with self._client.explained():
            size = self._client.raw.get_max_batch_size()
        lots = [(name, lot) for name, keys in fresh.items() for lot in layout.pages([*keys], size)]
        with self._pending.noted(fresh) if len(lots) > 1 else contextlib.nullcontext():
            written: dict[str, list[str]] = defaultdict(list)
            try:
                for name, lot in lots:
                    written[name] += lot
                    indices = [fresh[name][key] for key in lot]
                    shard = self._client.collection(name, self._embedder)
                    with self._client.explained():
                        # add() keeps an existing row, should another process have been faster.
                        shard.add(
                            ids=lot,
                            embeddings=matrix[indices],
                            metadatas=[layout.row(episodes[i].user_id, bodies[i]) for i in indices],
                        )
            except Exception:
                self._take_back(written)
                raise

    def _take_back(self, rows: Mapping[str, Collection[str]]) -> None:
        """Delete what there is of a batch that was not written whole."""
        for name, keys in rows.items():
            shard = self._client.collection(name, self._embedder)
            if shard is not None:
                with self._client.explained():
                    for lot in layout.pages([*keys]):
                        shard.delete(ids=lot)
        self._pending.settled()

    def set_outcome(
        self,
        user_id: str,
        episode_id: str,
        *,
        outcome: str | None = None,
        feedback: Feedback | None = None,
    ) -> Episode:
        """Attach an outcome or feedback, return the episode. Raises NotFoundError, InputError."""
        with self._writing([user_id]):
            found = self._named(user_id, [episode_id])
            if not found:
                raise no_episode(user_id, episode_id)
            old, vector = found[episode_id]
            episode = attach(old, outcome, feedback)
            self._replace(user_id, [(episode, vector)])
        return episode

    def _replace(self, user_id: str, rows: Sequence[_Row]) -> None:
        """Store a user's episodes in place of those with their ids."""
        for lot in layout.pages(rows):
            with self._client.explained():
                self._shard_of(user_id).upsert(
                    ids=[layout.key_of(user_id, one.id) for one, _ in lot],
                    embeddings=np.stack([vector for _, vector in lot]),
                    metadatas=[layout.row(user_id, encode(one)) for one, _ in lot],
                )

    def delete(self, user_id: str, ids: Sequence[str]) -> int:
        """Remove episodes; return how many there were."""
        with self._writing([user_id]):
            gone = [layout.key_of(user_id, id_) for id_ in self._named(user_id, ids)]
            with self._client.explained():
                for lot in layout.pages(gone):
                    self._shard_of(user_id).delete(ids=lot)
        return len(gone)

    def forget(self, user_id: str) -> int:
        """Remove everything of a user; return how many episodes there were."""
        with self._writing([user_id]):
            count = self.count(user_id)
            if count:
                with self._client.explained():
                    self._shard_of(user_id).delete(where={"user_id": user_id})
        return count

    def erase(self, user_id: str) -> None:
        """Take deleted rows out of the index of a user's collection; writes wait meanwhile.

        ``erasure.clean`` does the rest of a folder; a server's keeper has to vacuum its file.

        Raises:
            StoreUnavailableError: the folder or the server cannot be used.
        """
        with self._lock:
            rebuild(self._client, layout.shard_of(user_id))

    # --- reading ------------------------------------------------------------------------------

    def get(self, user_id: str, ids: Sequence[str]) -> list[Episode]:
        """Return those of the named episodes that exist, in the order asked for."""
        found = self._named(user_id, ids)
        return [found[id_][0] for id_ in ids if id_ in found]

    def _timeline(self, user_id: str, selection: Selection, limit: int | None) -> list[Episode]:
        return scan.timeline(self._all(user_id)[0], selection, limit)

    def _recall(self, user_id: str, question: Question) -> list[Recalled]:
        self._check_dimension(question.vector.shape[0])
        user = self._user(user_id, question.selection.keys)
        hits = question.hits(user.rows, user.columns.__getitem__)
        return [recalled(user.episodes[user.rows.ids[hit.row]], hit) for hit in hits]

    def users(self) -> list[str]:
        """Return the ids of all users with episodes, sorted; reads every row's metadata."""
        found: set[str] = set()
        with self._client.explained():
            for shard in self._shards():
                for offset in range(0, shard.count(), layout.PAGE):
                    page = shard.get(include=["metadatas"], limit=layout.PAGE, offset=offset)
                    found.update(str(metadata["user_id"]) for metadata in page["metadatas"])
        return sorted(found)

    def count(self, user_id: str) -> int:
        """Return the number of a user's episodes."""
        shard = self._shard_of(user_id)
        if shard is None:
            return 0
        with self._client.explained():
            return len(shard.get(where={"user_id": user_id}, include=[])["ids"])

    def _vectors(
        self, user_id: str, ids: Sequence[str]
    ) -> tuple[Mapping[str, npt.NDArray[np.float32]], int]:
        found = self._named(user_id, ids)
        return {id_: vector for id_, (_, vector) in found.items()}, self._dimension or 0

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
        return self._client.collection(layout.shard_of(user_id), self._embedder)

    def _shards(self) -> list[Any]:
        names = [name for name in self._client.names() if name.startswith(layout.PREFIX)]
        found = [self._client.collection(name, self._embedder) for name in names]
        return [shard for shard in found if shard is not None]

    @contextlib.contextmanager
    def _writing(self, users: Iterable[str]) -> Iterator[None]:
        """Keep other writers of this process out, and what they changed out of the memory."""
        with self._lock:
            try:
                yield
            finally:
                if self._cache is not None:
                    for user_id in users:
                        self._cache.drop(user_id)

    def _user(self, user_id: str, keys: Sequence[str]) -> CachedUser:
        """Return what recall needs of a user, from memory if it is there."""
        if self._cache is None:
            return self._read(user_id, keys)
        user = self._cache.get(user_id, _UNCHANGED)
        if user is None or any(key not in user.columns for key in keys):
            with self._lock:  # no write comes between reading and keeping
                user = self._read(user_id, keys)
                self._cache.put(user_id, user)
        return user

    def _read(self, user_id: str, keys: Sequence[str]) -> CachedUser:
        found, vectors = self._all(user_id)
        rows = Rows.of_episodes(found, vectors)
        episodes = {episode.id: episode for episode in found}
        user = CachedUser(_UNCHANGED, rows).with_episodes(episodes, 0)
        return user.with_columns(
            {key: Coded.of(episodes[id_].metadata.get(key) for id_ in rows.ids) for key in keys}
        )

    def _all(self, user_id: str) -> tuple[list[Episode], Vectors]:
        shard = self._shard_of(user_id)
        if shard is None:
            return [], np.zeros((0, 0), dtype=np.float32)
        with self._client.explained():
            found = shard.get(where={"user_id": user_id}, include=layout.PARTS)
        return layout.decoded(found, self._client.place)

    def _named(self, user_id: str, ids: Sequence[str]) -> dict[str, _Row]:
        """Return those of the named episodes that exist, with their vectors, by id."""
        named: dict[str, _Row] = {}
        shard = self._shard_of(user_id)
        keys = [layout.key_of(user_id, id_) for id_ in dict.fromkeys(ids)]
        for some in layout.pages(keys) if shard is not None else ():
            with self._client.explained():
                found = shard.get(
                    ids=some,
                    where={"user_id": user_id},
                    include=layout.PARTS,
                )
            for episode, vector in zip(*layout.decoded(found, self._client.place), strict=True):
                named[episode.id] = (episode, vector)
        return named


def _without_known(shard: Any, keys: Mapping[str, int]) -> dict[str, int]:
    known: set[str] = set()
    for lot in layout.pages([*keys]):
        known.update(shard.get(ids=lot, include=[])["ids"])
    return {key: index for key, index in keys.items() if key not in known}
