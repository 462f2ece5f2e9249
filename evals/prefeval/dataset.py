"""PrefEval (arXiv 2502.09597): a preference stated long ago, and a question it should govern.

Every preference with its question is a person of its own. It is stated first; then come turns
that have nothing to do with it, statements and questions of other topics; then the question, as a
choice among four options, of which the first one in the file follows the preference.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from persona_agent.errors import InputError
from persona_agent.evals.data.eval_data import EvalDataset, EvalQuery, EvalUser
from persona_agent.evals.data.source import Item, Place, read_rows
from persona_agent.schema import Episode, Query

FOLDER = "mcq_options"
FIELD = "classification_task_options"
TASK = "recommendation"
CHAT = "chat"
"""The task of a chat turn, as the agent records it."""

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(days=1)
TURNS = 100
"""PrefEval asks up to 300 turns later; at 100, retrieval of 8 misses the statement now and then."""


@dataclass(frozen=True)
class Preference:
    """One record: what is stated, what is asked later, and the options, the right one first."""

    topic: str
    number: int
    statement: str
    question: str
    options: tuple[str, ...]
    place: Place


def load_prefeval(
    folder: Path,
    *,
    topics: Sequence[str] | None = None,
    turns: int = TURNS,
    orders: int = 1,
    seed: int = 0,
) -> EvalDataset:
    """Return the people of some topics.

    Args:
        folder: with the folder ``mcq_options`` and a file for each topic in it.
        topics: names of files without their suffix; all by default.
        turns: turns between statement and question, taken from the other topics of the folder.
        orders: how often each question is asked, each time with its options in another order.
        seed: of the turns and the orders.

    Raises:
        InputError: a topic is unknown, or a file is not valid; names file, record and field.
    """
    files = sorted((folder / FOLDER).glob("*.json"))
    if not files:
        raise InputError(f"{folder}: expected a folder {FOLDER} with JSON files in it")
    known = {file.stem: _read(file) for file in files}
    unknown = sorted(set(topics or ()) - set(known))
    if unknown:
        raise InputError(f"unknown topic(s): {', '.join(unknown)}; known: {', '.join(known)}")
    if turns and len(known) < 2:
        raise InputError(f"{folder / FOLDER}: turns between need the files of other topics")
    chosen = [one for topic in known if topic in set(topics or known) for one in known[topic]]
    if not chosen:
        raise InputError(f"{folder / FOLDER}: there is no record")
    everybody = [one for items in known.values() for one in items]
    users = tuple(_user(one, everybody, turns, orders, seed) for one in chosen)
    return EvalDataset(name="prefeval", task=TASK, kind="choice", labels=(), users=users)


def _read(file: Path) -> list[Preference]:
    rows = enumerate(read_rows(file))
    return [_preference(file.stem, number, Item(row, place)) for number, (place, row) in rows]


def _preference(topic: str, number: int, item: Item) -> Preference:
    options = tuple(item.texts(FIELD))
    if len(options) < 2:
        item.place.fail(f"field {FIELD!r}: a choice needs at least 2 options")
    return Preference(
        topic=topic,
        number=number,
        statement=item.name("preference"),
        question=item.name("question"),
        options=options,
        place=item.place,
    )


def _user(
    one: Preference, everybody: Sequence[Preference], turns: int, orders: int, seed: int
) -> EvalUser:
    user_id = f"{one.topic}/{one.number:03d}"
    draw = random.Random(f"{seed}/{user_id}")
    said = [one.statement, *_other_turns(one, everybody, turns, draw)]
    history = tuple(_turn(user_id, n, text, one.place) for n, text in enumerate(said))
    queries = []
    for order in range(orders):
        options = tuple(draw.sample(one.options, len(one.options)))
        query = one.place.model(Query, text=one.question, options=options, task=TASK)
        asked = EvalQuery(
            user_id=user_id,
            query_id=f"order-{order}",
            query=query,
            gold=one.options[0],
            outcome=one.options[0],
            at=START + STEP * len(said) + timedelta(seconds=order),
        )
        queries.append(asked)
    return EvalUser(user_id=user_id, history=history, queries=tuple(queries))


def _turn(user_id: str, number: int, text: str, place: Place) -> Episode:
    """A turn of a chat: what the user said. What was answered then is not part of the data."""
    query = place.model(Query, text=text, task=CHAT)
    return Episode(id=f"turn-{number:03d}", user_id=user_id, query=query, at=START + STEP * number)


def _other_turns(
    one: Preference, everybody: Sequence[Preference], turns: int, draw: random.Random
) -> list[str]:
    """Return turns of other topics: of each at most one statement, so that none contradict."""
    others = [other for other in everybody if other.topic != one.topic]
    draw.shuffle(others)
    stated: dict[str, str] = {}
    for other in others:
        stated.setdefault(other.topic, other.statement)
    statements = list(stated.values())[: turns // 2]
    questions = [other.question for other in others][: turns - len(statements)]
    texts = statements + questions
    draw.shuffle(texts)
    return texts
