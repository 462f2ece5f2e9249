"""The shapes in which LaMP-like data comes, each read into the same raw users.

- user-grouped (and OPPU's): ``[{user_id, profile: [...], query: [{id, input, gold}]}]``
- LaMP's own: ``X_questions.json`` ``[{id, input, profile, user_id?}]`` with ``X_outputs.json``
  ``{task, golds: [{id, output}]}`` beside it; or with the gold in each question
- full histories: ``[{user_id, items: [{id, text, score}]}]``, of which the last fifth are queries
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from persona_agent.errors import InputError
from persona_agent.evals.data.source import Item, Place, read_rows

PROFILES = ("profile", "retrieved_profile")
GOLDS = ("gold", "output")


@dataclass(frozen=True)
class RawQuery:
    """A query as its file has it: a question with its gold, or (``gold`` None) a later item."""

    item: Item
    gold: str | None

    @property
    def question(self) -> str | None:
        """The question's text, where it is one."""
        return None if self.gold is None else self.item.text("input")


@dataclass(frozen=True)
class RawUser:
    """A user as a file has it; ``place`` says where."""

    user_id: str
    place: Place
    profile: list[Item]
    queries: list[RawQuery] = field(default_factory=list)


def questions_file(path: Path) -> Path:
    """Return the file to read: the path itself, or the one file of questions in a folder.

    Raises:
        InputError: the folder holds none, or more than one.
    """
    if not path.is_dir():
        return path
    found = sorted(path.glob("*questions.json"))
    if len(found) != 1:
        names = ", ".join(one.name for one in found) or "none"
        raise InputError(
            f"{path}: expected one *_questions.json in this folder, found: {names}; or name a file"
        )
    return found[0]


def read_users(path: Path, records: Sequence[tuple[Place, object]]) -> list[RawUser]:
    """Read the records of a file of any of the shapes; the first tells which.

    Raises:
        InputError: there are none, they have another shape, or one lacks a field. The message
            names the file, the record and the field.
    """
    rows = [Item(value, place) for place, value in records]
    if not rows:
        raise InputError(f"{path}: the file holds no records")
    first = rows[0]
    if first.has("golds"):
        first.place.fail("these are the outputs; give the *_questions.json beside them")
    if "query" in first.value:
        return [_grouped_user(row) for row in rows]
    if "items" in first.value:
        return [_history_user(row) for row in rows]
    if "input" in first.value:
        return _question_users(rows, path)
    fields = ", ".join(sorted(map(str, first.value))[:12]) or "none"
    first.place.fail(
        "not a known shape: expected the fields user_id, profile, query (user-grouped), "
        "id, input, profile (LaMP questions), user_id, items (full history), or user, query, "
        "options, outcome (interactions); "
        f"fields found: {fields}"
    )


def _user_place(row: Item, user_id: str) -> Place:
    return row.place.at(f"user {user_id!r}")


def _grouped_user(row: Item) -> RawUser:
    user_id = row.name("user_id")
    row = Item(row.value, _user_place(row, user_id))
    queries = [RawQuery(one, _gold(one)) for one in row.items("query", "query")]
    return RawUser(user_id, row.place, row.items("profile", "profile item"), queries)


def _history_user(row: Item) -> RawUser:
    user_id = row.name("user_id")
    row = Item(row.value, _user_place(row, user_id))
    items = row.items("items", "item")
    cut = len(items) * 4 // 5
    return RawUser(user_id, row.place, items[:cut], [RawQuery(one, None) for one in items[cut:]])


def _question_users(rows: list[Item], path: Path) -> list[RawUser]:
    """Read one question a record. Questions of one user with one profile share that user.

    Where a user's questions come with different profiles, each keeps its own, as a user of its
    own: what another question knows may lie in this one's future.
    """
    golds = {} if _has_gold(rows[0]) else _read_golds(path)
    users: dict[str, RawUser] = {}
    for row in rows:
        question_id = row.name("id")
        row = Item(row.value, row.place.at(f"question {question_id!r}"))
        profile = _profile(row)
        name = row.name("user_id") if row.has("user_id") else question_id
        known = users.get(name)
        if known is not None and row.has("user_id") and not _equal(known.profile, profile):
            name = f"{name}/{question_id}"
        elif known is not None and not row.has("user_id"):
            row.place.fail("the id of this question has occurred before")
        user = users.setdefault(name, RawUser(name, row.place, profile))
        user.queries.append(RawQuery(row, _gold_of(row, question_id, golds, path)))
    return list(users.values())


def _equal(first: list[Item], second: list[Item]) -> bool:
    return [item.value for item in first] == [item.value for item in second]


def _profile(row: Item) -> list[Item]:
    field_ = next((name for name in PROFILES if name in row.value), PROFILES[0])
    return row.items(field_, "profile item")


def _has_gold(row: Item) -> bool:
    return any(name in row.value for name in GOLDS)


def _gold(row: Item) -> str:
    return row.name(next((name for name in GOLDS if name in row.value), GOLDS[0]))


def _gold_of(row: Item, question_id: str, golds: Mapping[str, str], path: Path) -> str:
    if _has_gold(row):
        return _gold(row)
    if question_id not in golds:
        row.place.fail(f"no gold: neither here nor in {_outputs_file(path).name}")
    return golds[question_id]


def _outputs_file(path: Path) -> Path:
    return path.with_name(path.name.replace("questions", "outputs"))


def _read_golds(path: Path) -> dict[str, str]:
    """Return the golds by question id, from the outputs beside a file of questions."""
    outputs = _outputs_file(path)
    if outputs == path or not outputs.is_file():
        raise InputError(
            f"{path}: the questions hold no golds, and there is no file of outputs beside it "
            f"({outputs.name if outputs != path else 'X_outputs.json for X_questions.json'})"
        )
    rows = read_rows(outputs)
    place, value = rows[0] if rows else (Place(str(outputs)), None)
    listed = Item(value, place).items("golds", "gold")
    return {one.name("id"): one.name("output") for one in listed}
