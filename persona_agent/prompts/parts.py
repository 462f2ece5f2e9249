"""What prompts share: how texts, references, options and past cases are shown.

Episodes and claims are shown under short references (``E1``, ``C1``), which cost few tokens and
cannot be mistyped into somebody else's id; :func:`resolve` translates them back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Annotated

from pydantic import StringConstraints

from persona_agent.schema import Episode, task_kind
from persona_agent.schema.base import Record

NOTHING = "(none)"
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1_000)]

MOST_SOURCES = 6
"""Interactions that are named behind a fact or a claim, the latest ones."""


def shorten(text: str, limit: int) -> str:
    """Return text on one line, cut at ``limit`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def numbered(options: Sequence[str]) -> str:
    """Return the options, one a line, numbered from 1."""
    return "\n".join(f"{i}. {shorten(option, 2_000)}" for i, option in enumerate(options, 1))


def resolve(reference: str, letter: str, ids: Sequence[str]) -> str | None:
    """Translate ``E3`` (or ``3``, ``[E3]``, or the id itself) to an id; None when unknown."""
    if reference in ids:
        return reference
    digits = reference.strip().strip("[]").upper().removeprefix(letter)
    if digits.isascii() and digits.isdigit() and 1 <= int(digits) <= len(ids):
        return ids[int(digits) - 1]
    return None


MOST_RIVALS = 4
RIVALS_LENGTH = 360
"""Characters for what was turned down in one case; longer options share them."""
COMMENT_LENGTH = 160
LABELS_COME = 3
"""Cases that share their options from which on these are labels."""
Labels = frozenset[str]


class Case(Record):
    """A past interaction as a prompt shows it.

    ``comment`` is what the user said of it, which may explain an exception.
    """

    query: str
    outcome: str
    options: tuple[str, ...] = ()
    task: str = ""
    date: str = ""
    episode_id: str = ""
    comment: str = ""

    @classmethod
    def of(cls, episode: Episode) -> Case:
        """Return the case of an episode whose outcome is known."""
        return cls(
            query=episode.query.text,
            outcome=episode.outcome or "",
            options=episode.query.options,
            task=episode.query.task_name,
            date=episode.at.date().isoformat(),
            episode_id=episode.id,
            comment=episode.feedback.comment if episode.feedback else "",
        )

    def line(self, *, query_length: int = 400) -> str:
        """Return the case on one line, with what the user said of it."""
        said = f" (comment: {shorten(self.comment, COMMENT_LENGTH)})" if self.comment else ""
        return f"{shorten(self.query, query_length)} -> {shorten(self.outcome, 300)}{said}"

    def rivals(self, labels: Collection[Labels] = ()) -> str:
        """Return what was turned down, to go behind a line; "" where that says little.

        Among a few options it is half of the evidence; among the grades of a scale, a long list,
        or ``labels`` that are the same in other cases it is not.
        """
        turned_down = [option for option in self.options if option != self.outcome]
        if not 1 <= len(turned_down) <= MOST_RIVALS or task_kind(self.options) == "rating":
            return ""
        if frozenset(self.options) in labels:
            return ""
        each = RIVALS_LENGTH // len(turned_down)
        return f" (not: {'; '.join(shorten(option, each) for option in turned_down)})"

    @property
    def head(self) -> str:
        """Return the day and the task, to go before a line; "" where neither is known."""
        return heading(self.date, self.task)

    def whole(self, *, query_length: int = 400, labels: Collection[Labels] = ()) -> str:
        """Return the case on one line with its day, its task and what was turned down."""
        return f"{self.head}{self.line(query_length=query_length)}{self.rivals(labels)}"


def heading(date: str, task: str) -> str:
    """Return a day and a task, to go before a line; "" where neither is known."""
    parts = [date, f"({task})" if task else ""]
    return "".join(f"{part} " for part in parts if part)


def labels_in(cases: Sequence[Case]) -> set[Labels]:
    """Return the options that come with case after case."""
    lists = Counter(frozenset(case.options) for case in cases)
    return {options for options, times in lists.items() if times >= LABELS_COME}


def cases_text(
    cases: Sequence[Case],
    *,
    letter: str = "",
    query_length: int = 400,
    offered: Sequence[str] = (),
) -> str:
    """Return one line a case, numbered behind a letter where one is given.

    ``offered`` are options that are shown anyway, and need no showing as turned down.
    """
    if not cases:
        return NOTHING
    labels = labels_in(cases) | {frozenset(offered)}
    lines = []
    for number, case in enumerate(cases, 1):
        mark = f"[{letter}{number}] " if letter else "- "
        lines.append(f"{mark}{case.whole(query_length=query_length, labels=labels)}")
    return "\n".join(lines)


def items(texts: Sequence[str]) -> str:
    """Return texts as a list; a word for none."""
    return "\n".join(f"- {shorten(text, 400)}" for text in texts) or NOTHING
