"""A bounded cache of users' rows in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from persona_agent.memory.rows import Rows
from persona_agent.memory.selection import Metadata


@dataclass(frozen=True, slots=True, eq=False)
class CachedUser:
    """What is in memory of a user: the rows as of ``stamp``, and metadata once it was asked for."""

    stamp: int
    rows: Rows
    metadata: Mapping[str, Metadata] | None = None
    metadata_bytes: int = 0

    @property
    def nbytes(self) -> int:
        """Memory taken, about."""
        return self.rows.nbytes + self.metadata_bytes


class RowCache:
    """Keeps the most recently used users up to a number of bytes. Thread-safe."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._users: OrderedDict[str, CachedUser] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Memory taken by all users, about."""
        return self._bytes

    def get(self, user_id: str, stamp: int) -> CachedUser | None:
        """Return a user as of ``stamp``; what is older or newer is dropped."""
        with self._lock:
            found = self._users.get(user_id)
            if found is None:
                return None
            if found.stamp != stamp:
                self._drop(user_id)
                return None
            self._users.move_to_end(user_id)
            return found

    def put(self, user_id: str, entry: CachedUser) -> None:
        """Keep a user, at the cost of those unused for longest; not one beyond the limit alone."""
        with self._lock:
            self._drop(user_id)
            if entry.nbytes > self._limit:
                return
            self._users[user_id] = entry
            self._bytes += entry.nbytes
            while self._bytes > self._limit:
                self._drop(next(iter(self._users)))

    def change(
        self, user_id: str, before: int | None, after: int, change: Callable[[Rows], Rows]
    ) -> None:
        """Follow a write that led from one stamp to the next; drop what is not as of ``before``."""
        found = self.get(user_id, before) if before is not None else None
        if found is None:
            self.drop(user_id)
        else:
            self.put(user_id, CachedUser(stamp=after, rows=change(found.rows)))

    def drop(self, user_id: str) -> None:
        """Forget a user."""
        with self._lock:
            self._drop(user_id)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._users.clear()
            self._bytes = 0

    def _drop(self, user_id: str) -> None:
        gone = self._users.pop(user_id, None)
        if gone is not None:
            self._bytes -= gone.nbytes
