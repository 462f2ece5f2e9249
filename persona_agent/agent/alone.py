"""A file that one task holds at a time, of all event loops, threads and processes.

The operating system frees it when a process is killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

from persona_agent.errors import StoreUnavailableError
from persona_agent.memory.file_lock import hold

SECONDS_BETWEEN_TRIES = 0.05


@asynccontextmanager
async def alone(path: Path, *, patience: float | None = None) -> AsyncIterator[bool]:
    """Wait until nobody else holds the file, and hold it inside; tell whether others held it.

    Args:
        path: the file; its folder is made where it is missing. It is gone afterwards.
        patience: seconds to wait at most; None: as long as it takes.

    Raises:
        TimeoutError: others held it for longer.
        StoreUnavailableError: the folder cannot be written, or knows no locks.
    """
    clock = asyncio.get_running_loop().time
    began, waited = clock(), False
    while (file := _held(path)) is None:
        waited = True
        if patience is not None and clock() - began >= patience:
            raise TimeoutError(f"{path} is held by others")
        await asyncio.sleep(SECONDS_BETWEEN_TRIES)
    with file:
        try:
            yield waited
        finally:
            with suppress(OSError):  # one that stays does no harm: it is not locked
                path.unlink(missing_ok=True)


def clear(path: Path) -> None:
    """Remove what a killed process left, unless somebody holds it."""
    with suppress(OSError):
        file = hold(path, create=False)
        if file is not None:
            with file:
                path.unlink(missing_ok=True)


def _held(path: Path) -> IO[bytes] | None:
    """Lock a file. On the event loop: it waits for nothing, and a cancelled task keeps none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return hold(path)
    except OSError as error:
        raise StoreUnavailableError(
            f"nothing can be locked in {path.parent} ({error}): check that the folder can be "
            "written and that its file system knows locks"
        ) from error
