"""A file that one process or thread holds at a time; the operating system frees it at the end."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO


def hold(path: Path, *, create: bool = True) -> IO[bytes] | None:
    """Open and lock a file; closing it unlocks it. None: somebody holds it, or it is missing.

    The file is at ``path`` when this returns: one that its holder removed meanwhile does not count.

    Args:
        path: the file; its folder must exist.
        create: whether to make it where it is missing.

    Raises:
        OSError: it cannot be opened, or where it is no file can be locked.
    """
    while True:
        try:
            file = path.open("a+b" if create else "r+b")
        except FileNotFoundError:
            if create:
                raise
            return None
        try:
            free = _locked(file)
        except BaseException:
            file.close()
            raise
        if not free:
            file.close()
            return None
        if _is_at(path, file):
            return file
        file.close()


def _locked(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # as POSIX and Windows say that it is held
        return False
    return True


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
