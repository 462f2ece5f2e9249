"""Read a user's own interactions from a file, to be recorded as episodes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from persona_agent.errors import InputError
from persona_agent.evals.data.source import Item, Place, describe, kind_of, read_rows, read_table
from persona_agent.memory.codec import encode
from persona_agent.schema import Episode, Query

FIELDS = ("user", "query", "outcome", "options", "at", "task", "id", "response")
ALIASES = {"user_id": "user", "timestamp": "at", "date": "at"}
TABLES = {".csv": ",", ".tsv": "\t"}


def read_interactions(path: Path | str, user_id: str | None = None) -> list[Episode]:
    """Read interactions from JSON, JSON Lines or CSV; all of them or none.

    Fields: ``query`` and ``user`` are needed, ``outcome``, ``options``, ``at``, ``task``, ``id``
    and ``response`` may be absent. ``options`` is a list, in CSV a JSON list or text with ``|``
    between the options. A record may also be all that is of one user,
    ``{"user_id", "interactions": [...]}``, or a whole episode as an export writes it.

    A record without an id gets one from its content, so that importing a file again adds nothing.
    One without a time is taken to have happened now; file order is kept by microseconds.

    Args:
        path: the file; ``.csv`` and ``.tsv`` are tables with a heading.
        user_id: whose interactions these are, where a record does not say.

    Returns:
        Episodes in file order.

    Raises:
        InputError: names the file, the line or record, the field and the problem.
    """
    path = Path(path)
    delimiter = TABLES.get(path.suffix.lower())
    rows = read_rows(path) if delimiter is None else read_table(path, delimiter=delimiter)
    owned = _unwrapped(rows, user_id)
    if not owned:
        raise InputError(f"{path}: the file holds no interactions")
    start = datetime.now(UTC) - timedelta(microseconds=len(owned))
    seen: Counter[str] = Counter()
    episodes = []
    for number, (row, owner) in enumerate(owned):
        now = start + timedelta(microseconds=number)
        episodes.append(_episode(row, owner, now, seen))
    _refuse_twins([row.place for row, _ in owned], episodes)
    return episodes


def _unwrapped(
    rows: list[tuple[Place, object]], user_id: str | None
) -> list[tuple[Item, str | None]]:
    """Return all interactions with their users, those within ``{"user_id", "interactions"}`` too.

    Raises:
        InputError: a record is no object, or one that evaluations read.
    """
    owned: list[tuple[Item, str | None]] = []
    for place, row in rows:
        whole = Item(row, place)
        if "profile" in whole.value and isinstance(whole.value.get("query"), list):
            place.fail("a user with a history and queries: persona-agent eval lamp reads such data")
        if "interactions" not in whole.value:
            owned.append((whole, user_id))
            continue
        owner = whole.name("user_id") if whole.has("user_id") else user_id
        owned += [(item, owner) for item in whole.items("interactions", "interaction")]
    return owned


def _episode(row: Item, user_id: str | None, now: datetime, seen: Counter[str]) -> Episode:
    if isinstance(row.value.get("query"), Mapping):
        try:
            episode = Episode.model_validate(row.value)
            encode(episode)
        except ValidationError as error:
            row.place.fail(describe(error))
        except InputError as error:
            row.place.fail(str(error))
        return episode
    row = _known_fields(row)
    owner = row.name("user") if row.has("user") else user_id
    if owner is None:
        row.place.fail("field 'user' is missing, and no user was named for the whole file")
    task = row.text("task") if row.has("task") else ""
    query = row.place.model(Query, text=row.name("query"), options=_options(row), task=task)
    outcome = row.text("outcome") if row.has("outcome") else None
    at = row.time("at")
    return row.place.model(
        Episode,
        id=row.name("id") if row.has("id") else _content_id(owner, query, outcome, at, seen),
        user_id=owner,
        query=query,
        response=row.text("response") if row.has("response") else None,
        outcome=outcome,
        at=at or now,
    )


def _known_fields(row: Item) -> Item:
    """Translate aliases. A field that is not known is refused: it may be a misspelt outcome."""
    fields = {ALIASES.get(name, name): value for name, value in row.value.items()}
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        row.place.fail(f"unknown field {unknown[0]!r}; known: {', '.join(FIELDS)}")
    return Item(fields, row.place)


def _options(row: Item) -> tuple[str, ...]:
    value = row.value.get("options")
    if value is None:
        return ()
    if isinstance(value, str):
        return _cell_options(value, row.place)
    if not isinstance(value, Sequence):
        row.place.fail(f"field 'options': expected a list of texts, found {kind_of(value)}")
    return tuple(_option(one, row.place) for one in value)


def _cell_options(cell: str, place: Place) -> tuple[str, ...]:
    if not cell.lstrip().startswith("["):
        return tuple(part.strip() for part in cell.split("|"))
    try:
        listed = json.loads(cell)
    except json.JSONDecodeError as error:
        place.fail(f"field 'options': begins like a JSON list but is none: {error}")
    return tuple(_option(one, place) for one in listed)


def _option(value: object, place: Place) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        place.fail(f"field 'options': expected texts, found {kind_of(value)}")
    return str(value)


def _content_id(
    user: str, query: Query, outcome: str | None, at: datetime | None, seen: Counter[str]
) -> str:
    """Return an id that the same record gets again; equal records are told apart by count."""
    moment = at.isoformat() if at else None
    content = json.dumps([user, query.task, query.text, query.options, outcome, moment])
    seen[content] += 1
    digest = hashlib.sha256(f"{content}{seen[content]}".encode()).hexdigest()
    return f"import-{digest[:24]}"


def _refuse_twins(places: Sequence[Place], episodes: Sequence[Episode]) -> None:
    """Refuse an id that comes twice: the second would count as a retry and be lost."""
    seen = set()
    for place, episode in zip(places, episodes, strict=True):
        key = (episode.user_id, episode.id)
        if key in seen:
            place.fail(f"field 'id': {episode.id!r} has occurred before for this user")
        seen.add(key)
