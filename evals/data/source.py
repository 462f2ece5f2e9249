"""Reading files of records: where each record stands in its file, and what is wrong with it."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from persona_agent.errors import InputError

ModelT = TypeVar("ModelT", bound=BaseModel)

LINES = frozenset({".jsonl", ".ndjson"})
"""Names of files that hold a record on each line, even if the first one is broken."""

OTHER_FILES = {
    b"\x1f\x8b": "packed with gzip: unpack it first",
    b"PK\x03\x04": "a ZIP archive or a spreadsheet: unpack it, or save it as CSV",
    b"\xff\xfe": "UTF-16: save it as UTF-8",
    b"\xfe\xff": "UTF-16: save it as UTF-8",
}
"""What files that are no UTF-8 text often are, by their first bytes."""

MILLISECONDS_FROM = 1e11
"""Unix times from here on are milliseconds: as seconds they would be past the year 5000."""


class Place:
    """Where something stands, for messages: ``data.json: record 3, profile item 2``."""

    def __init__(self, text: str) -> None:
        self.text = text

    def at(self, part: str) -> Place:
        """Return the place of a part of this."""
        return Place(f"{self.text}, {part}")

    def fail(self, problem: str) -> NoReturn:
        """Raise InputError with this place in front."""
        raise InputError(f"{self.text}: {problem}")

    def model(self, kind: type[ModelT], /, **fields: Any) -> ModelT:
        """Build a model. What pydantic finds wrong is an InputError that names the field."""
        try:
            return kind(**fields)
        except ValidationError as error:
            self.fail(describe(error))


class Item:
    """A JSON object with its place; reading a field checks its presence and type."""

    def __init__(self, value: object, place: Place) -> None:
        if not isinstance(value, Mapping):
            place.fail(f"expected an object with named fields, found {kind_of(value)}")
        self.value: Mapping[str, object] = value
        self.place = place

    def has(self, *names: str) -> bool:
        """Whether all these fields are there with a value."""
        return all(self.value.get(name) is not None for name in names)

    def text(self, name: str) -> str:
        """Return a field as text; a number counts as its digits. Raises InputError."""
        value = self._present(name)
        if isinstance(value, str):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.place.fail(f"field {name!r}: expected text, found {kind_of(value)}")
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

    def name(self, name: str) -> str:
        """Return a field that identifies something: text that is not blank. Raises InputError."""
        value = self.text(name)
        if not value.strip():
            self.place.fail(f"field {name!r} is blank")
        return value

    def items(self, name: str, part: str) -> list[Item]:
        """Return a field as a list of objects; ``part`` is what messages call one of them."""
        value = self._list(name)
        return [Item(one, self.place.at(f"{part} {n}")) for n, one in enumerate(value, 1)]

    def texts(self, name: str) -> list[str]:
        """Return a field as a list of texts that are not blank. Raises InputError."""
        values = self._list(name)
        found = [one for one in values if isinstance(one, str) and one.strip()]
        if len(found) < len(values):
            self.place.fail(f"field {name!r}: expected a list of texts that are not blank")
        return found

    def time(self, *names: str) -> datetime | None:
        """Return the first of these fields that is there as a moment, or None."""
        for name in names:
            value = self.value.get(name)
            if value is not None and value != "":
                return self._moment(name, value)
        return None

    def _moment(self, name: str, value: object) -> datetime:
        try:
            return moment(value, year=name == "year")
        except (ValueError, OverflowError, OSError):
            self.place.fail(
                f"field {name!r}: {str(value)[:40]!r} is not a time "
                "(ISO 8601, Unix seconds, or a year in 'year')"
            )

    def _list(self, name: str) -> list[object]:
        value = self._present(name)
        if not isinstance(value, list):
            self.place.fail(f"field {name!r}: expected a list, found {kind_of(value)}")
        return value

    def _present(self, name: str) -> object:
        value = self.value.get(name)
        if value is None and name in self.value:
            self.place.fail(f"field {name!r} is null")
        if value is None:
            there = ", ".join(sorted(map(str, self.value))[:12]) or "none"
            self.place.fail(f"field {name!r} is missing (fields found: {there})")
        return value


def moment(value: object, *, year: bool = False) -> datetime:
    """Return an aware time from ISO 8601 text, Unix (milli)seconds or a year.

    A time without a zone is taken as UTC. Raises ValueError, OverflowError or OSError.
    """
    if isinstance(value, bool):
        raise ValueError("a truth value is not a time")
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            found = datetime.fromisoformat(value.strip())
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        if len(value.strip()) == 8 and value.strip().isdigit():  # 20180228
            return datetime.fromisoformat(value.strip()).replace(tzinfo=UTC)
        return moment(number, year=year or len(value.strip()) == 4)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a number")
    if year:
        return datetime(int(value), 1, 1, tzinfo=UTC)
    seconds = value / 1000 if abs(value) >= MILLISECONDS_FROM else value
    return datetime.fromtimestamp(seconds, tz=UTC)


def kind_of(value: object) -> str:
    """Return what JSON calls the type of a value."""
    names = {dict: "an object", list: "a list", str: "text", bool: "a truth value"}
    if value is None:
        return "null"
    return names.get(type(value), "a number")


def describe(error: ValidationError) -> str:
    """Return the first problem of a validation error as ``field 'x': problem``."""
    problem = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    return f"field {field!r}: {message}" if field else message


def read_text(path: Path) -> str:
    """Return a file's text (UTF-8, with or without a byte order mark).

    Raises:
        InputError: the file is absent, cannot be read, is not UTF-8 text or is empty.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    return text_of(data, str(path))


def text_of(data: bytes, name: str) -> str:
    """Return what is in a file of this name as text, as :func:`read_text`. Raises InputError."""
    try:
        text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig").read()
    except UnicodeDecodeError as error:
        kind = next((what for head, what in OTHER_FILES.items() if data.startswith(head)), "")
        problem = f"; it is {kind}" if kind else f" (byte {error.start}): save it as UTF-8"
        raise InputError(f"{name}: not UTF-8 text{problem}") from None
    if not text.strip():
        raise InputError(f"{name}: the file is empty")
    return text


def read_rows(path: Path) -> list[tuple[Place, object]]:
    """Return the records of a JSON or JSON Lines file, each with its place.

    A JSON list gives its members, anything else itself as the one record.

    Raises:
        InputError: the file cannot be read, or is not valid JSON (where: line and column).
    """
    text = read_text(path)
    try:
        whole = json.loads(text)
    except RecursionError:
        raise InputError(f"{path}: not usable JSON: nested too deeply") from None
    except json.JSONDecodeError as error:
        lines = text.split("\n")
        if path.suffix.lower() not in LINES and not _looks_like_lines(lines):
            raise InputError(f"{path}: not valid JSON: {error}") from None
        return list(_json_lines(path, lines))
    rows = whole if isinstance(whole, list) else [whole]
    return [(Place(f"{path}: record {number}"), row) for number, row in enumerate(rows, 1)]


def read_table(path: Path, *, delimiter: str) -> list[tuple[Place, object]]:
    """Return the rows of a CSV or TSV file with a heading, as objects of their non-empty cells.

    Where the comma is the decimal sign, spreadsheets write semicolons between cells.

    Raises:
        InputError: the file cannot be read, or a line is malformed; the message names the line.
    """
    text = read_text(path)
    heading = text.partition("\n")[0]
    if delimiter not in heading and ";" in heading:
        delimiter = ";"
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[Place, object]] = []
    try:
        for row in reader:
            place = Place(f"{path}: line {reader.line_num}")
            if None in row:
                place.fail(
                    f"more cells than columns; put text that holds {delimiter!r} in double quotes"
                )
            rows.append((place, {name.strip(): cell for name, cell in row.items() if cell}))
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: not valid CSV: {error}") from None
    return rows


def _looks_like_lines(lines: list[str]) -> bool:
    """Whether a text that is no JSON is meant as JSON Lines: its first line is a whole object."""
    first = next((line for line in lines if line.strip()), "")
    try:
        return isinstance(json.loads(first), dict)
    except (json.JSONDecodeError, RecursionError):
        return False


def _json_lines(path: Path, lines: list[str]) -> Iterator[tuple[Place, object]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield Place(f"{path}: line {number}"), json.loads(line.rstrip())
            except json.JSONDecodeError as error:
                problem = f"not valid JSON: {error.msg} (column {error.colno})"
                raise InputError(f"{path}: line {number}: {problem}") from None
