"""The latest personas of an SQLite file, in memory for as long as nobody writes to the file."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from persona_agent.schema import Persona

MOST_CHARACTERS = 2_000_000
"""JSON of the personas that are kept, in all; the objects take about five times as much."""

_FEWEST_CHARACTERS = 200  # of an entry, also where a user has no persona
_BUSY_SECONDS = 10.0

Read = Callable[[str], tuple[Persona | None, int]]
"""Reads a user's latest persona; returns it with the length of its JSON."""


class PersonaCache:
    """Keeps what was read last. Thread-safe.

    SQLite tells by a number (``PRAGMA data_version``) whether any other connection, of this process
    or of another, has changed the file; the connection that asks for it here never writes. So a
    persona is never stale, whoever wrote, and the answer costs a tenth of reading one.
    """

    def __init__(self, path: Path) -> None:
        """Watch a database that exists; where it cannot be opened, nothing is kept."""
        self._connection: sqlite3.Connection | None = None
        with contextlib.suppress(sqlite3.Error):  # whoever reads the file tells what is wrong
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        self._lock = threading.Lock()
        self._version = -1
        self._found: OrderedDict[str, tuple[Persona | None, int]] = OrderedDict()
        self._characters = 0

    def latest(self, user_id: str, read: Read) -> Persona | None:
        """Return the latest persona of a user, by ``read`` where it is not known for sure."""
        with self._lock:
            version = self._now()
            if version is not None and user_id in self._found:
                self._found.move_to_end(user_id)
                return _copied(self._found[user_id][0])
        persona, length = read(user_id)
        with self._lock:
            # What was written since the version was asked for changes it once more: what was read
            # is as new as that version, or newer.
            if version is not None and version == self._version:
                self._put(user_id, persona, max(length, _FEWEST_CHARACTERS))
        return _copied(persona)

    def clear(self) -> None:
        """Forget all, also what is being read just now."""
        with self._lock:
            self._clear()
            self._version = -1

    def close(self) -> None:
        """Release the file; nothing is kept from now on. Idempotent."""
        self.clear()
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _now(self) -> int | None:
        """Return the number of the file's state, None where it cannot be had; drop what is old."""
        version = None
        with contextlib.suppress(sqlite3.Error):  # as above
            if self._connection is not None:
                version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        if version is None or version != self._version:
            self._clear()
            self._version = -1 if version is None else version
        return version

    def _put(self, user_id: str, persona: Persona | None, length: int) -> None:
        if user_id in self._found:
            return
        self._found[user_id] = persona, length
        self._characters += length
        while self._characters > MOST_CHARACTERS:
            _, (_, gone) = self._found.popitem(last=False)
            self._characters -= gone

    def _clear(self) -> None:
        self._found.clear()
        self._characters = 0


def _copied(persona: Persona | None) -> Persona | None:
    """Return a copy that shares nothing that can change."""
    if persona is None or not persona.track_record:
        return persona
    return persona.model_copy(update={"track_record": dict(persona.track_record)})
