"""What can be read of a database, sound or damaged."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from persona_agent.errors import StoreUnavailableError
from persona_agent.memory.pages import Row, rows
from persona_agent.schema import Episode, Fact, Persona, Revision
from persona_agent.schema.base import Record

Taken = TypeVar("Taken")

_KINDS: tuple[type[Record], ...] = (Episode, Fact, Persona, Revision)
_NOT_THE_FILE = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PERM}
)
"""Errors that say nothing of the content."""


@dataclass
class Readable:
    """What can be read of a file."""

    episodes: dict[tuple[str, str], Episode] = field(default_factory=dict)
    facts: dict[tuple[str, str], Fact] = field(default_factory=dict)
    personas: dict[tuple[str, str], Persona] = field(default_factory=dict)
    revisions: dict[tuple[str, str], Revision] = field(default_factory=dict)
    distilled: dict[tuple[str, str], int] = field(default_factory=dict)
    """Fingerprints of the episodes that were distilled."""

    def counts(self) -> dict[str, int]:
        """Return how many records of each kind there are."""
        return {
            "episodes": len(self.episodes),
            "facts": len(self.facts),
            "personas": len(self.personas),
            "revisions": len(self.revisions),
        }


def examine(path: Path, *, page_bytes: int) -> tuple[str, Readable]:
    """Return what is wrong with a file, empty when nothing is, and what can be read of it.

    Records are known by their content, so that tables may be laid out anyhow.

    Args:
        path: an SQLite file; nothing is written to it.
        page_bytes: size of its pages, where its header does not tell.

    Raises:
        StoreUnavailableError: it cannot be read for reasons outside of it.
    """
    problem, (readable, unreadable) = take_rows(path, _sorted_out, page_bytes=page_bytes)
    if unreadable and not problem:
        problem = f"{unreadable} records cannot be read"
    return problem, readable


def take_rows(
    path: Path, take: Callable[[Iterable[Row]], Taken], *, page_bytes: int
) -> tuple[str, Taken]:
    """Return what is wrong with a file, empty when nothing is, and what is taken from its rows.

    Args:
        path: an SQLite file; nothing is written to it.
        take: gets the rows of all tables, or of all readable pages where the file is damaged.
        page_bytes: size of its pages, where its header does not tell.

    Raises:
        StoreUnavailableError: it cannot be read for reasons outside of it.
    """
    try:
        problem, taken = _by_sql(path, take)
        if taken is None:
            taken = take(rows(path, page_bytes=page_bytes))
    except OSError as error:
        raise StoreUnavailableError(f"{path} cannot be read ({error})") from error
    return problem, taken


def _by_sql(
    path: Path, take: Callable[[Iterable[Row]], Taken]
) -> tuple[str, Taken] | tuple[str, None]:
    """Return a problem and nothing, or no problem and what is taken from all rows."""
    address = f"{path.resolve().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=10)) as file:
            (verdict,) = file.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                return str(verdict).splitlines()[-1], None
            return "", take(_all_rows(file))
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_THE_FILE:
            raise StoreUnavailableError(f"{path} cannot be read ({error})") from error
        return str(error) or "it cannot be read", None


def _all_rows(file: sqlite3.Connection) -> Iterator[Row]:
    """Yield the rows of every table in the order they were written."""
    tables = file.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in sorted(tables):
        yield from file.execute(f'SELECT * FROM "{name}"')


def _sorted_out(found: Iterable[Row]) -> tuple[Readable, int]:
    """Return the records among rows, and how many of them cannot be read."""
    readable, unreadable = Readable(), 0
    sizes: set[int] = set()
    for row in found:
        text = next((value for value in row if isinstance(value, str) and _is_body(value)), None)
        record = _record(text, row) if text is not None else None
        if isinstance(record, Episode):
            readable.episodes[record.user_id, record.id] = record
            sizes.update(len(value) for value in row if isinstance(value, bytes))
        elif isinstance(record, Fact):
            readable.facts[record.user_id, record.id] = record
        elif isinstance(record, Persona):
            readable.personas[record.user_id, record.version] = record
        elif isinstance(record, Revision):
            readable.revisions[record.user_id, record.id] = record
        elif text is not None:
            unreadable += 1
        else:
            match row:
                case (str(user_id), str(episode_id), int(), int(mark)):
                    readable.distilled[user_id, episode_id] = mark
    return readable, unreadable + max(0, len(sizes) - 1)  # vectors are of one length


def _is_body(text: str) -> bool:
    return text.startswith("{") and '"user_id"' in text


def _record(text: str, row: Row) -> Record | None:
    """Return the record that a row holds as JSON, if the row is its own."""
    for kind in _KINDS:
        try:
            record = kind.model_validate_json(text)
        except ValidationError:
            continue
        name = record.version if isinstance(record, Persona) else getattr(record, "id", None)
        if getattr(record, "user_id", None) in row and name in row:
            return record
    return None
