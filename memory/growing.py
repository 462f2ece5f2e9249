"""A matrix that grows at its front without being copied with every row."""

from __future__ import annotations

import threading

import numpy as np

from persona_agent.protocols import Vectors

_FEWEST_SPARE = 16
_SPARE = 4  # a quarter of the rows: each row is copied four times in all, on average


class Room:
    """Memory with free places before the rows that it holds. Thread-safe.

    A place is written once, before any array shows it: arrays that were handed out never change.
    Recall would otherwise copy all vectors of a user with each turn, which takes time, and leaves
    holes in the process's memory that no later, larger copy fits into.
    """

    def __init__(self, whole: Vectors, first: int) -> None:
        """Take a matrix of which the rows from ``first`` on are in use."""
        self._whole = whole
        self._first = first
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Memory taken, free places included."""
        return self._whole.nbytes

    def put_before(self, rows: Vectors, new: Vectors) -> Vectors | None:
        """Return new rows followed by ``rows``, which are in this memory; None: without a copy
        that cannot be, because the places before them are taken.
        """
        with self._lock:
            free = self._first - len(new)
            if free < 0 or len(rows) != len(self._whole) - self._first:
                return None
            self._whole[free : self._first] = new
            self._first = free
            return self._whole[free:]


def grown(new: Vectors, rows: Vectors, room: Room | None) -> tuple[Vectors, Room]:
    """Return new rows followed by others, shape (n, dimension), and the memory that holds them.

    ``room`` is the memory that holds ``rows``, if they came from here.
    """
    found = None if room is None else room.put_before(rows, new)
    if room is not None and found is not None:
        return found, room
    count = len(new) + len(rows)
    spare = max(_FEWEST_SPARE, count // _SPARE)
    whole = np.empty((spare + count, new.shape[1]), dtype=np.float32)
    whole[spare : spare + len(new)] = new
    whole[spare + len(new) :] = rows
    return whole[spare:], Room(whole, spare)
