"""Forgetting as a whole: noted on disk before the first step, gone on with after a crash."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from persona_agent.errors import ConflictError, StoreUnavailableError
from persona_agent.memory.file_lock import hold

Step = Callable[[str], int | None]
"""Removes a user from one place; returns how much there was, None where that is not counted.

It may be called again for a user who is gone there already.
"""

Steps = Mapping[str, Step]
"""Steps by name, in order."""


class Forgetting:
    """The notes of who is being forgotten: one file a user in one folder, none when all is done.

    A note names the user, the steps to take, and then each step that was taken. It is held while
    steps run, so that of several processes one goes on with it. What is recorded of a user after
    a step was taken is never removed by that step again, unless forgetting is asked for anew.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, user_id: str, steps: Steps) -> dict[str, int]:
        """Take all steps; return what those that count removed.

        Raises:
            ConflictError: another call is forgetting this user.
            StoreError: a step failed. When it was the first, nothing was done; else the steps
                before it are done, and the rest is done by the next call, or on the next open.
        """
        path = self._path(user_id)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = hold(path)
        except OSError as error:
            raise _unwritable(path, error) from error
        if file is None:
            raise ConflictError(
                f"user {user_id!r} is being forgotten by another call: try again when it has ended"
            )
        with file:
            fresh = _read(file) is None
            _append(path, file, {"user": user_id, "steps": list(steps)})
            _sync_folder(self._folder)
            taken: dict[str, int | None] = {}
            try:
                _take(path, file, user_id, steps, taken)
            except BaseException:
                if fresh and not taken:
                    self._remove(path, file)
                raise
            self._remove(path, file)
        self._tidy()
        return counted(taken)

    def resume(self, steps: Steps) -> list[str]:
        """Take those of the steps that crashed calls left; return the users they were left for.

        A note whose other steps are not among ``steps`` stays. Raises StoreError.
        """
        users = []
        for path in sorted(self._folder.glob("*.jsonl")):
            try:
                file = hold(path, create=False)
            except OSError as error:
                raise _unwritable(path, error) from error
            if file is None:
                continue  # its process lives and goes on with it
            with file:
                note = _read(file)
                user_id, left = note or ("", [])
                mine = {name: steps[name] for name in left if name in steps}
                _take(path, file, user_id, mine, {})
                if len(mine) == len(left):
                    self._remove(path, file)
                if mine:
                    users.append(user_id)
        self._tidy()
        return users

    def _path(self, user_id: str) -> Path:
        """Return the place of a user's note; the name does not show the user id."""
        return self._folder / f"{hashlib.sha256(user_id.encode()).hexdigest()[:32]}.jsonl"

    def _remove(self, path: Path, file: IO[bytes]) -> None:
        """Empty the note, for those who wait with it open, and remove it."""
        try:
            file.truncate(0)
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(path, error) from error

    def _tidy(self) -> None:
        try:
            self._folder.rmdir()
        except OSError:
            return  # other notes are in it, or it was never made


def counted(taken: Mapping[str, int | None]) -> dict[str, int]:
    """Return the steps that count what they remove, with their counts."""
    return {name: count for name, count in taken.items() if count is not None}


def _take(
    path: Path, file: IO[bytes], user_id: str, steps: Steps, taken: dict[str, int | None]
) -> None:
    for name, step in steps.items():
        taken[name] = step(user_id)
        _append(path, file, {"done": name})


def _append(path: Path, file: IO[bytes], line: dict[str, object]) -> None:
    try:
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + json.dumps(line).encode())  # a line end first: the last may be cut off
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        raise _unwritable(path, error) from error


def _read(file: IO[bytes]) -> tuple[str, list[str]] | None:
    """Return the user and the steps that are left; None where the note was not written whole."""
    file.seek(0)
    user_id: str | None = None
    left: list[str] = []
    for text in file.read().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue  # cut off by a crash: what it noted had not begun, or is done again
        if "user" in line:
            user_id, left = line["user"], list(line["steps"])
        elif line["done"] in left:
            left.remove(line["done"])
    return None if user_id is None else (user_id, left)


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file survive a power cut, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"the note {path} cannot be written ({error}): check that its folder may be written and "
        "the disk is not full"
    )
