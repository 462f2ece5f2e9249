"""What was last made for each user, for the turns that ask for the same again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

MOST_USERS = 1_000

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class LastMade(Generic[KeyT, ValueT]):
    """One value a user, with what it was made of. Safe to use from several threads.

    Most turns of a user ask for what the one before asked for. Where there are more users than are
    kept, all are let go of: that is seldom, and costs each a value.
    """

    def __init__(self, most: int = MOST_USERS) -> None:
        """Take the number of users of whom a value is kept."""
        self._most = most
        self._kept: dict[str, tuple[KeyT, ValueT]] = {}

    def get(self, user_id: str, of: KeyT, make: Callable[[], ValueT]) -> ValueT:
        """Return what was made of an equal thing for this user, else make it."""
        kept = self._kept.get(user_id)
        if kept is not None and kept[0] == of:
            return kept[1]
        made = make()
        if kept is None and len(self._kept) >= self._most:
            self._kept.clear()
        self._kept[user_id] = of, made
        return made
