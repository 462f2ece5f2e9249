"""How much one client may ask for: turns a minute, turns at once, and nesting."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from persona_agent.errors import ConflictError
from persona_agent.server.errors import ApiError, invalid

MOST_USERS = 50_000
_CONTAINERS = (dict, list)


class Rates:
    """A token bucket for each user: so many turns a minute, and as many in one burst."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, user: str) -> None:
        """Count a turn. Raises ApiError when the user has none left."""
        if not self._per_minute:
            return
        now, refill = self._clock(), self._per_minute / 60
        left, at = self._buckets.pop(user, (float(self._per_minute), now))
        left = min(float(self._per_minute), left + (now - at) * refill)
        self._buckets[user] = (left - 1 if left >= 1 else left, now)
        # The one that waited longest has most tokens again; forgetting it changes least.
        while len(self._buckets) > MOST_USERS:
            self._buckets.popitem(last=False)
        if left < 1:
            raise ApiError(
                429,
                f"this user is at the limit of {self._per_minute} turns a minute",
                "rate_limit_error",
                "rate_limit_exceeded",
                retry_after=(1 - left) / refill,
            )

    def drop(self, user: str) -> None:
        """Forget a user."""
        self._buckets.pop(user, None)


class Gate:
    """Bounds the turns under way, and keeps them apart from the forgetting of their user.

    Turns of a user run side by side; forgetting waits for them, and holds new ones up, so that
    no turn brings back what was just deleted.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._turns: dict[str, int] = {}
        self._closed: set[str] = set()
        self._changed = asyncio.Condition()
        self.under_way = 0

    @asynccontextmanager
    async def turn(self, user: str) -> AsyncIterator[None]:
        """Hold a place. Raises ApiError when all are taken."""
        if self.under_way >= self._most:
            raise ApiError(503, "the server is busy", "server_error", "overloaded", retry_after=1)
        self.under_way += 1
        try:
            if user in self._closed:
                async with self._changed:
                    await self._changed.wait_for(lambda: user not in self._closed)
            self._turns[user] = self._turns.get(user, 0) + 1
            try:
                yield
            finally:
                self._turns[user] -= 1
                if not self._turns[user]:
                    del self._turns[user]
                    if user in self._closed:
                        await self._tell()
        finally:
            self.under_way -= 1

    @asynccontextmanager
    async def alone(self, user: str, *, timeout: float) -> AsyncIterator[None]:
        """Hold up the turns of a user. Raises ConflictError when one does not end in time."""
        async with self._changed:
            await self._changed.wait_for(lambda: user not in self._closed)
            self._closed.add(user)
        try:
            try:
                async with asyncio.timeout(timeout), self._changed:
                    await self._changed.wait_for(lambda: user not in self._turns)
            except TimeoutError:
                raise ConflictError(
                    "a turn of this user is still under way: try again when it has ended"
                ) from None
            yield
        finally:
            self._closed.discard(user)
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def check_body(body: Any, most: int) -> None:
    """Raise ApiError when JSON nests deeper than ``most``, or holds a number that is no float."""
    level = [body]
    for _ in range(most):
        parts = [part for one in level for part in (one.values() if isinstance(one, dict) else one)]
        if math.inf in parts or -math.inf in parts:  # 1e999: it could not be passed on
            raise invalid("the body holds a number that is too large")
        level = [part for part in parts if isinstance(part, _CONTAINERS)]
        if not level:
            return
    raise invalid(f"the body nests deeper than {most} levels")
