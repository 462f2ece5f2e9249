"""The file of threads when it is damaged: which threads can be read, and a new file from those."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from persona_agent.errors import MissingExtraError
from persona_agent.memory.pages import Row
from persona_agent.memory.readable import take_rows
from persona_agent.memory.rebuild import (
    THREADS,
    FileCheck,
    finish_replacing,
    rebuilt,
    refuse_if_open,
    remove_database,
    replace_damaged,
)

_PAGE_BYTES = 4096
_COLUMNS = 7  # of LangGraph's table of checkpoints
_INSERT = f"INSERT INTO checkpoints VALUES ({', '.join('?' * _COLUMNS)})"

Threads = dict[str, Row]
"""The latest checkpoint of each thread that can be read, by the thread's id."""


def check_threads(folder: Path) -> FileCheck | None:
    """Return the state of the threads in a data directory, None where there are none.

    Without LangGraph no thread can be read, and the note says so.

    Raises:
        StoreUnavailableError: the file cannot be read for reasons outside of it.
    """
    path = folder / THREADS
    if not path.exists():
        return None
    try:
        problem, threads = _examined(path)
    except MissingExtraError as error:
        return FileCheck(file=THREADS, readable={}, note=f"not checked: {error}")
    return FileCheck(file=THREADS, problem=problem, readable=_counts(threads))


def rebuild_threads(folder: Path) -> dict[str, int] | None:
    """Make a damaged file of threads anew; return how many there are, None where it is sound.

    A thread goes on from its latest checkpoint that can be read. The old file is kept beside the
    new one, with ``.damaged`` in its name, until the first user is forgotten.

    Raises:
        MissingExtraError: LangGraph is not installed.
        StoreUnavailableError: another process uses the file, or it cannot be read or written.
    """
    path = folder / THREADS
    finish_replacing(path)
    if not path.exists():
        return None
    refuse_if_open(path)
    problem, threads = _examined(path)
    if not problem:
        return None
    new = rebuilt(path)
    remove_database(new)
    _write(new, threads)
    replace_damaged(path, new)
    return _counts(threads)


def _counts(threads: Threads) -> dict[str, int]:
    return {"threads": len(threads)} if threads else {}


def _examined(path: Path) -> tuple[str, Threads]:
    whole = _reader()
    problem, (threads, unreadable) = take_rows(
        path, lambda rows: _latest(rows, whole), page_bytes=_PAGE_BYTES
    )
    if unreadable and not problem:
        problem = f"{unreadable} checkpoints cannot be read"
    return problem, threads


def _latest(rows: Iterable[Row], whole: Callable[[str, bytes], bool]) -> tuple[Threads, int]:
    """Return the threads among rows, and how many checkpoints cannot be read."""
    latest: dict[str, tuple[str, Row]] = {}
    unreadable = 0
    for row in rows:
        match row:
            case (str(thread), str(), str(number), _, str(kind), bytes(content), bytes()):
                if not whole(kind, content):
                    unreadable += 1
                elif thread not in latest or latest[thread][0] < number:
                    latest[thread] = (number, row)
    return {thread: row for thread, (_, row) in latest.items()}, unreadable


def _reader() -> Callable[[str, bytes], bool]:
    """Return what tells whether a checkpoint can be read, by the class that writes them."""
    try:
        from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
    except ImportError as error:
        raise MissingExtraError("langgraph", "agent") from error
    serializer = JsonPlusSerializer(allowed_msgpack_modules=None)

    def whole(kind: str, content: bytes) -> bool:
        try:
            read = serializer.loads_typed((kind, content))
        except Exception:  # whatever the content of a damaged file makes it raise
            return False
        return isinstance(read, dict) and "channel_values" in read

    return whole


def _write(path: Path, threads: Threads) -> None:
    from langgraph.checkpoint.sqlite import SqliteSaver

    with closing(sqlite3.connect(path)) as file, file:
        SqliteSaver(file).setup()
        file.executemany(_INSERT, threads.values())
