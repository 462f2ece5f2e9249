"""Blocking writes that a cancelled task waits for.

A thread cannot be stopped: whoever is cancelled while it writes, and goes on at once, leaves a
write behind that comes after whatever the canceller does next, such as deleting a user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def uncut(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Do blocking work in a thread and return its result; cancelled, end only when it has ended.

    Raises:
        CancelledError: this was cancelled meanwhile; the work was done all the same, or failed.
    """
    under_way = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(under_way)
    except asyncio.CancelledError:
        await asyncio.wait([under_way])
        raise
