"""A bounded cache of what recall needs of users, in memory."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from persona_agent.memory.coded import Coded
from persona_agent.memory.rows import Rows
from persona_agent.schema import Episode

_BYTES_OF_AN_EPISODE = 1_000  # the objects of a decoded one, without its texts; measured
_LARGEST = 4  # times the limit, for one user alone
_SEED = 0
_EPISODES = 0.25  # of the limit: decoded episodes save a moment, rows save reading a user
_KEPT = 0.75  # of a user's part, where it is exceeded: not to cut with every turn


@dataclass(frozen=True, slots=True, eq=False)
class CachedUser:
    """What is in memory of a user as of ``stamp``, which changes with every write.

    Attributes:
        stamp: tells this state from others.
        rows: all episodes as arrays.
        columns: metadata of all rows, under the keys that filters named so far.
        episodes: those that were recalled so far, by id.
        nbytes_of_episodes: memory that they take, about.
    """

    stamp: int
    rows: Rows
    columns: Mapping[str, Coded] = field(default_factory=dict)
    episodes: Mapping[str, Episode] = field(default_factory=dict)
    nbytes_of_episodes: int = 0

    @property
    def nbytes(self) -> int:
        """Memory taken, about."""
        columns = sum(column.nbytes for column in self.columns.values())
        return self.rows.nbytes + columns + self.nbytes_of_episodes

    def with_columns(self, columns: Mapping[str, Coded]) -> CachedUser:
        """Return the user with more metadata."""
        return replace(self, columns={**self.columns, **columns})

    def with_latest_episodes(self, limit_bytes: float) -> CachedUser:
        """Return the user with as many of the episodes read last as fit into a limit."""
        count = int(len(self.episodes) * limit_bytes / max(1, self.nbytes_of_episodes))
        first = max(0, len(self.episodes) - count)
        return self._with_only(dict(islice(self.episodes.items(), first, None)))

    def _with_only(self, episodes: Mapping[str, Episode]) -> CachedUser:
        """Return the user with some of the episodes."""
        share = len(episodes) / max(1, len(self.episodes))
        taken = round(share * self.nbytes_of_episodes)
        return replace(self, episodes=episodes, nbytes_of_episodes=taken)

    def with_episodes(self, episodes: Mapping[str, Episode], length: int) -> CachedUser:
        """Return the user with more episodes, whose JSON has this length in all."""
        return replace(
            self,
            episodes={**self.episodes, **episodes},
            nbytes_of_episodes=self.nbytes_of_episodes
            + _BYTES_OF_AN_EPISODE * len(episodes)
            + 2 * length,
        )

    def after_outcome(self, episode_id: str, code: int) -> CachedUser:
        """Return the user after an episode was given an outcome or feedback."""
        others = {id_: one for id_, one in self.episodes.items() if id_ != episode_id}
        return replace(self._with_only(others), rows=self.rows.with_outcome(episode_id, code))

    def after_add(self, new: Rows) -> CachedUser:
        """Return the user after episodes were added."""
        return replace(self, rows=self.rows.merged(new), columns={})

    def after_delete(self, ids: Collection[str]) -> CachedUser:
        """Return the user after episodes were deleted."""
        return CachedUser(self.stamp, self.rows.without(ids))


class RowCache:
    """Keeps users up to a number of bytes; the one just used stays. Thread-safe.

    One user alone may take more: the rows of a larger user than the limit would otherwise be read
    from the disk with every call. Decoded episodes get a quarter of the limit, in equal parts; with
    more, a user keeps those that were read last.

    Where not all fit, who has to go is drawn by lot. Of users who come in turns, a few more than
    fit, the one unused for longest would be the very next to come, and none would be found here;
    by lot most are.
    """

    def __init__(self, limit_bytes: int, *, largest_bytes: int = 0) -> None:
        """Take the bound over all users, and that of one alone (at least four times the first)."""
        self._limit = limit_bytes
        self._largest = max(_LARGEST * limit_bytes, largest_bytes)
        self._lot = random.Random(_SEED)
        self._users: dict[str, CachedUser] = {}
        self._bytes = 0
        self._bytes_of_episodes = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Memory taken by all users, about."""
        return self._bytes

    def get(self, user_id: str, stamp: int) -> CachedUser | None:
        """Return a user as of ``stamp``, None where what is kept is older or newer.

        That stays: a write of this process is followed a moment after everyone can see it.
        """
        found = self._users.get(user_id)
        return found if found is not None and found.stamp == stamp else None

    def put(self, user_id: str, entry: CachedUser) -> None:
        """Keep a user, at the cost of others."""
        with self._lock:
            self._drop(user_id)
            entry = self._cut(entry)
            if entry.nbytes > self._largest:
                return
            self._users[user_id] = entry
            self._bytes += entry.nbytes
            self._bytes_of_episodes += entry.nbytes_of_episodes
            while self._bytes > self._limit and len(self._users) > 1:
                self._drop(self._drawn(user_id))

    def change(
        self,
        user_id: str,
        before: int | None,
        after: int,
        change: Callable[[CachedUser], CachedUser],
    ) -> None:
        """Follow a write that led from one stamp to the next; drop what is not as of ``before``."""
        found = self.get(user_id, before) if before is not None else None
        if found is None:
            self.drop(user_id)
        else:
            self.put(user_id, replace(change(found), stamp=after))

    def drop(self, user_id: str) -> None:
        """Forget a user."""
        with self._lock:
            self._drop(user_id)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._users.clear()
            self._bytes = self._bytes_of_episodes = 0

    def _cut(self, entry: CachedUser) -> CachedUser:
        """Return a user with fewer episodes, where all users together have too many."""
        most = _EPISODES * self._limit
        part = most / (len(self._users) + 1)
        taken = entry.nbytes_of_episodes
        if taken <= part or self._bytes_of_episodes + taken <= most:
            return entry
        return entry.with_latest_episodes(_KEPT * part)

    def _drawn(self, kept: str) -> str:
        """Return a user other than one, by lot."""
        found = next(islice(self._users, self._lot.randrange(len(self._users)), None))
        return found if found != kept else next(one for one in self._users if one != kept)

    def _drop(self, user_id: str) -> None:
        gone = self._users.pop(user_id, None)
        if gone is not None:
            self._bytes -= gone.nbytes
            self._bytes_of_episodes -= gone.nbytes_of_episodes
