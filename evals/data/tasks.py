"""The LaMP tasks: how their questions are written, and what their profile items say.

Source: LaMP (arXiv 2304.11406), tasks 1, 2N, 2M and 3, and a rating of movies in the same form.
Models are shown the content of a question without the instruction and the list of options that
every question repeats: the options travel in the query itself, and text that is the same
everywhere only draws all queries together in an embedding.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from persona_agent.errors import InputError
from persona_agent.evals.data.source import Item, Place
from persona_agent.schema import Query, TaskKind

AUTO = "auto"
BLANK = "(no text)"
"""Stands for a text that is there but blank, as in a few real records."""

OUTCOME_LENGTH = 300
DEFAULT_SCALE = ("1", "2", "3", "4", "5")

Asked = tuple[str, tuple[str, ...]]
"""What a question asks about, and its options in order."""

Remembered = tuple[str, tuple[str, ...]]
"""What a profile item is about, and the user's outcomes: one interaction for each."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task: how to read its questions and its profile items.

    Attributes:
        name: what episodes, queries and results call it.
        aliases: other names that a person may give it, lower case.
        kind: choice or rating.
        notation: how golds are written, see :class:`EvalDataset`.
        asks: recognizes the task's questions.
        form: the shape of a question in words, for messages.
        profile: sets of fields, one of which each profile item has.
        parse: reads a question; None when it has another form.
        remember: reads a profile item: the text asked about, and the user's outcomes.
    """

    name: str
    aliases: tuple[str, ...]
    kind: TaskKind
    notation: Literal["text", "index"] = "text"
    asks: re.Pattern[str]
    form: str
    profile: tuple[tuple[str, ...], ...]
    parse: Callable[[str], Asked | None]
    remember: Callable[[Item], Remembered]

    def query(self, text: str, options: tuple[str, ...], place: Place) -> Query:
        """Build a query of this task. Raises InputError."""
        return place.model(Query, text=text, options=options, task=self.name)

    def read(self, text: str, place: Place) -> Query:
        """Build the query of a question in LaMP's form. Raises InputError."""
        asked = self.parse(text)
        if asked is None:
            place.fail(
                f"field 'input': not a question of the task {self.name!r}; expected {self.form}"
            )
        return self.query(*asked, place)


def _or_blank(text: str) -> str:
    return text.strip() or BLANK


def _unquoted(text: str) -> str:
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return _or_blank(text[1:-1] if quoted else text)


def _listed(options: str, content: str) -> Callable[[str], Asked | None]:
    """Return a reader of ``<options>: [a, b] <content>: text``."""
    pattern = re.compile(rf"\b{options}:\s*\[(.*?)\]\s*{content}:(.*)", re.S)

    def parse(question: str) -> Asked | None:
        found = pattern.search(question)
        if found is None:
            return None
        return _or_blank(found[2]), tuple(one.strip() for one in found[1].split(", "))

    return parse


def _scored(content: str, lead: str) -> Callable[[str], Asked | None]:
    """Return a reader of ``... scale of 1 to 5 ... <content>: text``."""
    scale = re.compile(r"\bscale of (\d{1,2}) to (\d{1,2})\b")
    text = re.compile(rf"\b{content}:(.*)", re.S)

    def parse(question: str) -> Asked | None:
        range_, found = scale.search(question), text.search(question)
        if range_ is None or found is None or int(range_[1]) >= int(range_[2]):
            return None
        scores = range(int(range_[1]), int(range_[2]) + 1)
        return lead + _or_blank(found[1]), tuple(str(score) for score in scores)

    return parse


_PAPER = re.compile(r'paper with the title "(.*?)",? which reference', re.S)
_REFERENCE = re.compile(r"(?:^|\s)\[(\d{1,2})\]:\s*")


def _cited(question: str) -> Asked | None:
    """Read ``... the title "T", which reference ... [1]: "A" [2]: "B"``."""
    title = _PAPER.search(question)
    if title is None:
        return None
    pieces = _REFERENCE.split(question[title.end() :])
    numbers, texts = pieces[1::2], pieces[2::2]
    if len(texts) < 2 or numbers != [str(n) for n in range(1, len(texts) + 1)]:
        return None
    return _or_blank(title[1]), tuple(_unquoted(text) for text in texts)


def _tagged(item: Item) -> Remembered:
    return _or_blank(item.text("description")), (item.name("tag"),)


def _filed(item: Item) -> Remembered:
    # Questions show the article's text only; its title stands in where a text is blank.
    text = item.text("text").strip() or (item.text("title") if item.has("title") else "")
    return _or_blank(text), (item.name("category"),)


def _rated(lead: str) -> Callable[[Item], Remembered]:
    def remember(item: Item) -> Remembered:
        return lead + _or_blank(item.text("text")), (item.name("score"),)

    return remember


def _published(item: Item) -> Remembered:
    """A paper and each work that it cites; with abstracts only, the paper speaks for itself."""
    title = _or_blank(item.text("title"))
    if item.has("citation") or item.has("references"):
        cited = item.texts("references") if item.has("references") else []
        cited += [item.name("citation")] if item.has("citation") else []
        if not cited:
            item.place.fail("field 'references' is empty, and there is no 'citation'")
        return title, tuple(dict.fromkeys(cited))
    return title, (item.text("abstract").strip()[:OUTCOME_LENGTH].rstrip() or title,)


TASKS = (
    Task(
        name="movie-tagging",
        aliases=("lamp-2m", "movies"),
        kind="choice",
        asks=re.compile(r"\bwhich tag does this movie\b", re.I),
        form="'... tags: [a, b, ...] description: ...'",
        profile=(("tag", "description"),),
        parse=_listed("tags", "description"),
        remember=_tagged,
    ),
    Task(
        name="news-categories",
        aliases=("lamp-2n", "lamp-2", "news"),
        kind="choice",
        asks=re.compile(r"\bwhich category does this article\b", re.I),
        form="'... categories: [a, b, ...] article: ...'",
        profile=(("category", "text"),),
        parse=_listed("categories", "article"),
        remember=_filed,
    ),
    Task(
        name="citation",
        aliases=("lamp-1", "citations"),
        kind="choice",
        notation="index",
        asks=re.compile(r"\bwhich reference is related\b", re.I),
        form='\'... with the title "T", which reference ... [1]: "A" [2]: "B"\'',
        profile=(("title", "citation"), ("title", "references"), ("title", "abstract")),
        parse=_cited,
        remember=_published,
    ),
    Task(
        name="product-rating",
        aliases=("lamp-3", "reviews"),
        kind="rating",
        asks=re.compile(r"\bscore of the following review\b", re.I),
        form="'... on a scale of 1 to 5 ... review: ...'",
        profile=(("score", "text"),),
        parse=_scored("review", "Review: "),
        remember=_rated("Review: "),
    ),
    Task(
        name="movie-rating",
        aliases=("ratings",),
        kind="rating",
        asks=re.compile(r"\bscore would this user give to the following movie\b", re.I),
        form="'... on a scale of 1 to 5 ... movie: ...'",
        profile=(),
        parse=_scored("movie", "Movie: "),
        remember=_rated("Movie: "),
    ),
)


_FREE_TEXT = re.compile(
    r"\s*(?:generate an? (?:headline|title|subject)|paraphrase)\b", re.IGNORECASE
)


def task_named(name: str) -> Task:
    """Return the task with this name or alias (``LaMP-3``). Raises InputError."""
    wanted = name.strip().lower().replace("_", "-")
    for task in TASKS:
        if wanted in (task.name, *task.aliases):
            return task
    known = ", ".join(f"{task.name} ({task.aliases[0]})" for task in TASKS)
    raise InputError(f"unknown task {name!r}; known: {AUTO}, {known}")


def task_of(question: str, profile: Item | None, place: Place) -> Task:
    """Tell the task from a question's wording ("": there is none), or else from a profile item.

    Raises:
        InputError: neither is known.
    """
    for task in TASKS:
        if task.asks.search(question):
            return task
    if _FREE_TEXT.match(question):
        place.fail(
            "asks for a text to be written (LaMP-4 to LaMP-7): only tasks with one right answer "
            "among options or grades are evaluated"
        )
    for task in TASKS:
        if profile is not None and any(profile.has(*fields) for fields in task.profile):
            return task
    place.fail(
        "cannot tell the task from the questions or the profile; name it with --task: "
        + ", ".join(task.name for task in TASKS)
    )
