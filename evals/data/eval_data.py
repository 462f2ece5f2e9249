"""What an evaluation runs on: users with a history, and later queries whose outcome is known."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, Field

from persona_agent.errors import InputError
from persona_agent.schema import Episode, Query, TaskKind, UserId
from persona_agent.schema.base import Record

QueryKey = tuple[str, str]
"""User id and query id."""


class EvalQuery(Record):
    """One question to a user whose answer is known.

    ``gold`` is the answer in the data set's own notation (``"[1]"``), ``outcome`` the text of the
    option that it means. ``at`` is strictly after every history item that may be used for it.
    """

    user_id: UserId
    query_id: str = Field(min_length=1)
    query: Query
    gold: str
    outcome: str
    at: AwareDatetime | None = None


class EvalUser(Record):
    """One user: history in time order, all with an outcome, and at least one query.

    The history may be empty (cold start). No two moments of a user are equal. Where a file says
    so, history items may be later than a query: recall with ``before=query.at``.
    """

    user_id: UserId
    history: tuple[Episode, ...] = ()
    queries: tuple[EvalQuery, ...] = Field(min_length=1)

    def history_before(self, moment: datetime | None) -> tuple[Episode, ...]:
        """Return the episodes strictly before a moment; all of them for None."""
        if moment is None:
            return self.history
        return tuple(episode for episode in self.history if episode.at < moment)


class EvalDataset(Record):
    """Users and queries of one task.

    ``labels`` is the full set of golds, in the data set's notation: what macro-F1 averages over
    and, for ratings, the scale in rising order. Where every query has options of its own these
    are their numbers (``"[1]"``, ``"[2]"``), as LaMP-1 scores them. ``notation`` says how an
    answer is written: as the option's text, or as its number in brackets.
    """

    name: str
    task: str
    kind: TaskKind
    labels: tuple[str, ...]
    users: tuple[EvalUser, ...] = Field(min_length=1)
    notation: Literal["text", "index"] = "text"

    @property
    def queries(self) -> tuple[EvalQuery, ...]:
        """All queries, in the order of users and then of the file."""
        return tuple(query for user in self.users for query in user.queries)

    def answers_in_notation(
        self, answers: Mapping[QueryKey, str | None]
    ) -> dict[QueryKey, str | None]:
        """Return answers as the data set writes them; None stays None.

        Raises:
            InputError: an answer is not one of its query's options.
        """
        queries = {(one.user_id, one.query_id): one.query for one in self.queries}
        return {
            key: None if text is None else in_notation(queries[key], text, self.notation)
            for key, text in answers.items()
        }


def in_notation(query: Query, option_text: str, notation: Literal["text", "index"]) -> str:
    """Return an option as text, or as its bracketed number from 1. Raises InputError."""
    if option_text not in query.options:
        shown = ", ".join(repr(option[:40]) for option in query.options[:8])
        raise InputError(f"{option_text[:60]!r} is not one of the options: {shown}")
    return option_text if notation == "text" else f"[{query.options.index(option_text) + 1}]"


def select(
    dataset: EvalDataset, *, users: int | None = None, queries: int | None = None, seed: int = 0
) -> EvalDataset:
    """Return a part of a data set: the same part for equal arguments.

    Args:
        dataset: stays as it is.
        users: how many users, drawn at random with ``seed`` and kept in file order; None: all.
        queries: how many queries of each user, the earliest first; None: all.
        seed: of the draw of users. A larger ``users`` contains the smaller draw.

    Raises:
        InputError: a number is below 1.
    """
    for name, number in (("users", users), ("queries", queries)):
        if number is not None and number < 1:
            raise InputError(f"{name} must be 1 or more, not {number}")
    order = list(range(len(dataset.users)))
    random.Random(seed).shuffle(order)
    chosen = sorted(order if users is None else order[:users])
    kept = (_earliest(dataset.users[index], queries) for index in chosen)
    return dataset.model_copy(update={"users": tuple(kept)})


def _earliest(user: EvalUser, count: int | None) -> EvalUser:
    if count is None or len(user.queries) <= count:
        return user
    timed = [(query.at, index) for index, query in enumerate(user.queries) if query.at is not None]
    if len(timed) < len(user.queries):
        return user.model_copy(update={"queries": user.queries[:count]})
    chosen = sorted(index for _, index in sorted(timed)[:count])
    return user.model_copy(update={"queries": tuple(user.queries[index] for index in chosen)})
