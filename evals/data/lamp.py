"""From raw users to a data set: episodes with outcomes, queries with golds, one order of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from persona_agent.errors import InputError
from persona_agent.evals.data.eval_data import EvalDataset, EvalQuery, EvalUser, in_notation
from persona_agent.evals.data.import_file import TABLES
from persona_agent.evals.data.lamp_shapes import RawQuery, RawUser, questions_file, read_users
from persona_agent.evals.data.own import are_interactions, load_interactions
from persona_agent.evals.data.source import Item, Place, read_rows
from persona_agent.evals.data.tasks import AUTO, DEFAULT_SCALE, Task, task_named, task_of
from persona_agent.evals.data.timeline import total_order
from persona_agent.schema import Episode, Query

TIME_FIELDS = ("timestamp", "date", "at", "year")


def load_dataset(path: Path, task: str = AUTO) -> EvalDataset:
    """Read LaMP-like data of any shape of :mod:`persona_agent.evals.data.lamp_shapes`.

    A file of interactions, as they are imported, is read by :mod:`persona_agent.evals.data.own`.
    Users without queries are left out. Times are made a total order, see
    :func:`persona_agent.evals.data.timeline.total_order`.

    Args:
        path: a user-grouped file (JSON or JSON Lines), LaMP's ``X_questions.json`` with its
            ``X_outputs.json`` beside it, a folder that holds one such pair, or a file of full
            histories; or interactions, as they are imported.
        task: name or alias of one of :data:`persona_agent.evals.data.tasks.TASKS`, or the task of
            interactions; ``auto`` tells it from the content.

    Raises:
        InputError: names the file, the record (with its user), the field and the problem.
    """
    file = questions_file(path)
    if file.suffix.lower() in TABLES:
        return load_interactions(file, task)
    records = read_rows(file)
    if records and are_interactions(records[0][1]):
        return load_interactions(file, task)
    forced = None if task == AUTO else task_named(task)
    raw = [user for user in read_users(file, records) if user.queries]
    if not raw:
        raise InputError(f"{file}: no user has a query")
    _refuse_twins(raw)
    chosen = forced or _detect(raw)
    queries = {user.user_id: [_query(chosen, one) for one in user.queries] for user in raw}
    labels = _labels(chosen, [query for asked in queries.values() for query in asked])
    return EvalDataset(
        name=file.stem,
        task=chosen.name,
        kind=chosen.kind,
        labels=labels,
        users=tuple(_user(chosen, user, queries[user.user_id], labels) for user in raw),
        notation=chosen.notation,
    )


def _refuse_twins(users: Sequence[RawUser]) -> None:
    seen: set[str] = set()
    for user in users:
        if user.user_id in seen:
            user.place.fail("this user has occurred before in the file")
        seen.add(user.user_id)
        asked: set[str] = set()
        for query in user.queries:
            name = query.item.name("id")
            if name in asked:
                query.item.place.fail(f"field 'id': {name!r} has occurred before for this user")
            asked.add(name)


def _detect(users: Sequence[RawUser]) -> Task:
    question = next((one.question for user in users for one in user.queries if one.gold), "")
    items = (item for user in users for item in user.profile)
    later = (one.item for user in users for one in user.queries if one.gold is None)
    item = next(items, None) or next(later, None)
    return task_of(question or "", item, users[0].place)


def _query(task: Task, raw: RawQuery) -> Query:
    if raw.question is not None:
        return task.read(raw.question, raw.item.place)
    text, _ = task.remember(raw.item)
    if task.kind != "rating":
        raw.item.place.fail(f"a full history without questions has no options for {task.name!r}")
    return task.query(text, DEFAULT_SCALE, raw.item.place)


def _labels(task: Task, queries: Sequence[Query]) -> tuple[str, ...]:
    if task.notation == "index":
        most = max(len(query.options) for query in queries)
        return tuple(f"[{number}]" for number in range(1, most + 1))
    labels = dict.fromkeys(option for query in queries for option in query.options)
    return tuple(sorted(labels, key=float)) if task.kind == "rating" else tuple(labels)


@dataclass(frozen=True)
class _Event:
    """One interaction of a profile item: most items have one, a paper has one a reference."""

    item: Item
    name: str
    text: str
    outcome: str


def _user(task: Task, raw: RawUser, queries: Sequence[Query], labels: tuple[str, ...]) -> EvalUser:
    events = _events(task, raw.profile)
    past, present = total_order(
        [event.item.time(*TIME_FIELDS) for event in events],
        [one.item.time(*TIME_FIELDS) for one in raw.queries],
    )
    episodes = [
        _episode(task, raw.user_id, event, at, labels)
        for event, at in zip(events, past, strict=True)
    ]
    return raw.place.model(
        EvalUser,
        user_id=raw.user_id,
        history=tuple(sorted(episodes, key=lambda episode: episode.at)),
        queries=tuple(
            _eval_query(task, raw.user_id, one, query, at)
            for one, query, at in zip(raw.queries, queries, present, strict=True)
        ),
    )


def _events(task: Task, profile: Sequence[Item]) -> list[_Event]:
    """Return the interactions in file order. An id that comes again is not taken for a retry."""
    seen: Counter[str] = Counter()
    events = []
    for number, item in enumerate(profile, 1):
        name = item.text("id") if item.has("id") else f"item-{number}"
        text, outcomes = task.remember(item)
        for outcome in outcomes:
            seen[name] += 1
            label = name if seen[name] == 1 else f"{name}#{seen[name]}"
            events.append(_Event(item, label, text, outcome))
    return events


def _episode(
    task: Task, user_id: str, event: _Event, at: datetime, labels: tuple[str, ...]
) -> Episode:
    said = event.outcome
    options: tuple[str, ...] = ()
    place = event.item.place
    if task.notation == "text":
        found = _match(said, labels)
        if found is None and task.kind == "rating":
            _refuse(place, "score", said, labels)
        # A label that no question offers is still what this user chose.
        options = labels if found is not None else (*labels, said)
        said = found or said
    query = task.query(event.text, options, place)
    return place.model(Episode, id=event.name, user_id=user_id, query=query, outcome=said, at=at)


def _eval_query(task: Task, user_id: str, raw: RawQuery, query: Query, at: datetime) -> EvalQuery:
    said = task.remember(raw.item)[1][0] if raw.gold is None else raw.gold
    outcome = _pointed(task, said, query.options) or _match(said, query.options)
    if outcome is None:
        _refuse(raw.item.place, "gold" if raw.gold else "score", said, query.options)
    return raw.item.place.model(
        EvalQuery,
        user_id=user_id,
        query_id=raw.item.name("id"),
        query=query,
        gold=in_notation(query, outcome, task.notation),
        outcome=outcome,
        at=at,
    )


def _match(said: str, options: Sequence[str]) -> str | None:
    """Return the option that is meant: spelled so, or in other case, or the same number."""
    wanted = said.strip()
    if wanted in options:
        return wanted
    for option in options:
        if option.casefold() == wanted.casefold():
            return option
    try:
        return next((option for option in options if float(option) == float(wanted)), None)
    except ValueError:
        return None


def _pointed(task: Task, said: str, options: Sequence[str]) -> str | None:
    """Return the option that ``[2]`` points to."""
    digits = said.strip().strip("[]")
    if task.notation != "index" or not (digits.isascii() and digits.isdigit()):
        return None
    return options[int(digits) - 1] if 1 <= int(digits) <= len(options) else None


def _refuse(place: Place, field: str, said: str, options: Sequence[str]) -> NoReturn:
    shown = ", ".join(option[:60] for option in options[:30])
    place.fail(f"field {field!r}: {said[:60]!r} is not one of the options: {shown}")
