"""Rows read straight from the pages of an SQLite file, for one that SQLite refuses to read.

Only pages that make sense are used, in any order, so a wrong header, a page of garbage or a missing
end cost what stood on them and no more. File format: https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

Value = str | int | float | bytes | None
Row = tuple[Value, ...]

_MAGIC = b"SQLite format 3\x00"
_LEAF_TABLE, _LEAF_INDEX, _INNER_INDEX = 0x0D, 0x0A, 0x02  # the pages that hold rows
_WAL_MAGIC = (0x377F0682, 0x377F0683)
_MOST_COLUMNS = 100
_MOST_BYTES = 64 * 1024 * 1024


def rows(path: Path, *, page_bytes: int) -> Iterator[Row]:
    """Yield the rows of all tables and indexes that can be read, committed ones of the log too.

    Args:
        path: the file; nothing is written to it.
        page_bytes: size of a page, where the file's header does not tell.

    Raises:
        OSError: the file cannot be read.
    """
    content = path.read_bytes()
    size = _page_bytes(content) or page_bytes
    pages = {
        number: content[start : start + size]
        for number, start in enumerate(range(0, len(content), size), 1)
        if len(content) - start >= size
    }
    log = path.with_name(path.name + "-wal")
    if log.exists():
        pages |= _logged(log.read_bytes(), size)
    for number in sorted(pages):
        yield from _Page(pages, number, size).rows()


def _page_bytes(content: bytes) -> int | None:
    if not content.startswith(_MAGIC):
        return None
    (size,) = struct.unpack_from(">H", content, 16)
    size = 65_536 if size == 1 else size
    return size if size >= 512 and size & (size - 1) == 0 else None


def _logged(log: bytes, size: int) -> dict[int, bytes]:
    """Return the pages of a write-ahead log, up to its last commit."""
    if len(log) < 32 or struct.unpack_from(">I", log)[0] not in _WAL_MAGIC:
        return {}
    salts = log[16:24]
    committed: dict[int, bytes] = {}
    waiting: dict[int, bytes] = {}
    for start in range(32, len(log) - size - 23, size + 24):
        number, commit = struct.unpack_from(">II", log, start)
        if log[start + 8 : start + 16] != salts:
            break  # left from before the log was begun anew
        waiting[number] = log[start + 24 : start + 24 + size]
        if commit:
            committed |= waiting
            waiting = {}
    return committed


class _Page:
    """One page of a b-tree."""

    def __init__(self, pages: dict[int, bytes], number: int, size: int) -> None:
        self._pages = pages
        self._bytes = pages[number]
        self._start = 100 if number == 1 else 0  # the file's header stands before the first one
        self._size = size
        self._kind = self._bytes[self._start]

    def rows(self) -> Iterator[Row]:
        if self._kind not in (_LEAF_TABLE, _LEAF_INDEX, _INNER_INDEX):
            return
        (count,) = struct.unpack_from(">H", self._bytes, self._start + 3)
        first = self._start + (12 if self._kind == _INNER_INDEX else 8)
        for place in range(first, min(first + 2 * count, self._size - 1), 2):
            try:
                (cell,) = struct.unpack_from(">H", self._bytes, place)
                yield _record(self._payload(cell))
            except (IndexError, struct.error, ValueError, KeyError):
                continue  # not a row: the page is damaged, or was never one of a b-tree

    def _payload(self, place: int) -> bytes:
        if self._kind == _INNER_INDEX:
            place += 4  # the number of the page to the left
        length, place = _varint(self._bytes, place)
        if self._kind == _LEAF_TABLE:
            _, place = _varint(self._bytes, place)  # the row id
        if length > _MOST_BYTES:
            raise ValueError("no row is as long")
        here = self._here(length)
        payload = self._bytes[place : place + here]
        if here < length:
            (following,) = struct.unpack_from(">I", self._bytes, place + here)
            payload += self._overflow(following, length - here)
        if len(payload) != length:
            raise ValueError("the row is cut off")
        return payload

    def _here(self, length: int) -> int:
        """Return how many bytes of a payload stand on this page."""
        in_table = self._kind == _LEAF_TABLE
        most = self._size - 35 if in_table else (self._size - 12) * 64 // 255 - 23
        if length <= most:
            return length
        least = (self._size - 12) * 32 // 255 - 23
        fitting = least + (length - least) % (self._size - 4)
        return fitting if fitting <= most else least

    def _overflow(self, number: int, length: int) -> bytes:
        parts = []
        while length > 0:
            page = self._pages[number]
            (number,) = struct.unpack_from(">I", page)
            parts.append(page[4 : 4 + min(length, self._size - 4)])
            length -= len(parts[-1])
        return b"".join(parts)


def _record(payload: bytes) -> Row:
    header, place = _varint(payload, 0)
    kinds: list[int] = []
    while place < header and len(kinds) <= _MOST_COLUMNS:
        kind, place = _varint(payload, place)
        kinds.append(kind)
    values: list[Value] = []
    for kind in kinds:
        value, place = _value(payload, place, kind)
        values.append(value)
    if place != len(payload):
        raise ValueError("the lengths do not add up")
    return tuple(values)


def _value(payload: bytes, place: int, kind: int) -> tuple[Value, int]:
    if kind >= 12:
        length = (kind - 12) // 2
        content = payload[place : place + length]
        return (content if kind % 2 == 0 else content.decode()), place + length
    if kind in (0, 8, 9):
        return (None if kind == 0 else kind - 8), place
    if kind == 7:
        return struct.unpack_from(">d", payload, place)[0], place + 8
    length = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}[kind]
    number = int.from_bytes(payload[place : place + length], "big", signed=True)
    return number, place + length


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """Return a number of one to nine bytes, and the place after it."""
    number = 0
    for step in range(8):
        byte = content[place + step]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, place + step + 1
    return number << 8 | content[place + 8], place + 9
