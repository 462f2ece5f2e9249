"""Reading a rendered persona back: claims, counts and examples, from the text alone.

The offline model gets the same text as any other model. It understands what is in quotes (answers,
or phrases of options) or named as a manner (see ``manner``), what a claim is about (its scope, by
embedding), a few plain words for "not", and a few sentences on how the user decides. The user's own
words without quotes are read as a statement, clause by clause; see ``statements``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from persona_agent.llm.offline.manner import NAMED
from persona_agent.llm.offline.statements import is_statement
from persona_agent.persona.render import (
    ALIKE,
    BELOW_SCOPE,
    COUNTS_HEADING,
    EXAMPLES_HEADING,
    ITEM,
)
from persona_agent.schema import SAID_ABOUT

_SEEN = re.compile(
    r" \((?:seen (\d+)x(?:, otherwise \d+x(?:, all later)?)?|(\d+) of \d+"
    r"|user's own words(?:, \d{4}-\d\d-\d\d)?)\)\.?$"
)
_REPLY = re.compile(re.escape(SAID_ABOUT) + r'"([^"]+)": (.+)')
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'])")
_COUNT = re.compile(r'"([^"]*)" (\d+)')
_QUOTED = re.compile(r'"([^"]*)"')
_RUN = re.compile(r'"([^"]*)"(?: x(\d{1,3}))?')
_RATING = re.compile(r"\b(?:rates?|scores?|gives?|stars?)\b(?:[^.;]|\.\d)*", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.]*\d)")
_NOT = re.compile(
    r"\b(?:rather than|instead of|over|not|never|avoids?|seldom|rarely|dislikes?|rejects?|skips?"
    r"|hates?|refuses?|against|without|lower than|leaves? out|turns? down)\b",
    re.IGNORECASE,
)
_AGAIN = re.compile(r"[.;]|\b(?:but|prefers?|likes?|chooses?|picks?|wants?)\b", re.IGNORECASE)
_JUST_NEGATED = re.compile(r"\b(?:not|never|seldom|rarely)\s+(?:\w+\s+)?$", re.IGNORECASE)
_COUNT_LINE = re.compile(r"(.*?) \((\d+)\): (.*)")
_LATEST = re.compile(r"; latest first(?:, from [\d-]+ back)?: (?=\"|$)")
_ALIKE = re.compile(re.escape(ALIKE) + r'(?=")')
_EXAMPLE = re.compile(r'(.*) -> "([^"]*)"')
_OWN_WORDS_WEIGHT = 5


@dataclass(frozen=True)
class Claim:
    """A claim as it was read. ``seen`` is how many cases it rests on.

    ``stated`` tells the user's own words that quote nothing: they are to be compared by meaning.
    """

    scope: str
    text: str
    seen: int
    likes: tuple[str, ...]
    avoids: tuple[str, ...]
    stated: bool = False

    @property
    def about(self) -> str:
        """What a query is compared with to see whether the claim applies."""
        return self.scope or self.text


@dataclass(frozen=True)
class Counts:
    """Outcome counts of one task; ``latest`` is newest first, ``alike`` closest first."""

    task: str
    total: int
    counts: tuple[tuple[str, int], ...]
    latest: tuple[str, ...]
    alike: tuple[str, ...] = ()


@dataclass(frozen=True)
class Habits:
    """How the user decides, as far as a claim says so. None: nothing was said."""

    by_subject: float | None = None
    recent: float | None = None
    by_tone: float | None = None


@dataclass(frozen=True)
class Reading:
    """Everything that was read from a persona's text."""

    claims: tuple[Claim, ...] = ()
    counts: tuple[Counts, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    habits: Habits = Habits()


BY_SUBJECT = "goes by the subject of the case more than by habit"
BY_HABIT = "goes by habit more than by the subject, so frequent answers are the best guess"
LATEST_FIRST = "repeats what was decided in the last few cases"
STEADY = "is steady over time, so old cases count as much as recent ones"
TONE_COUNTS = "follows the tone of the text closely"
TONE_IS_MOOT = "is hardly moved by the tone of the text"
HABITS: dict[str, Habits] = {
    BY_SUBJECT: Habits(by_subject=0.85),
    BY_HABIT: Habits(by_subject=0.15),
    LATEST_FIRST: Habits(recent=0.85),
    STEADY: Habits(recent=0.0),
    TONE_COUNTS: Habits(by_tone=1.0),
    TONE_IS_MOOT: Habits(by_tone=0.1),
}


def read(persona: str) -> Reading:
    """Read a rendered persona; "" reads as knowing nothing."""
    claims: list[Claim] = []
    counts: list[Counts] = []
    examples: list[tuple[str, str]] = []
    habits = Habits()
    heading = ""
    for line in _each_with_its_scope(persona):
        if not line.startswith(ITEM):
            if line.rstrip().endswith((".", "!", "?")):
                claims.extend(read_claim(part) for part in _SENTENCE.split(line.strip()))
            heading = line.strip() or heading
        elif heading == COUNTS_HEADING:
            counts.extend(_counts(line[2:]))
        elif heading == EXAMPLES_HEADING:
            examples.extend(_example(line[2:]))
        else:
            claim = read_claim(line[2:])
            habit = next((h for words, h in HABITS.items() if words in claim.text), None)
            if habit is None:
                claims.append(claim)
            else:
                habits = _combined(habits, habit)
    return Reading(tuple(claims), tuple(counts), tuple(examples), habits)


def _each_with_its_scope(persona: str) -> Iterator[str]:
    """Yield the lines of a persona; a claim below a scope as if it stood by itself."""
    scope = ""
    for line in persona.splitlines():
        if line.startswith(BELOW_SCOPE):
            yield f"{scope} {line.removeprefix(BELOW_SCOPE)}"
        elif line.startswith(ITEM) and line.endswith(":"):
            scope = line
        else:
            yield line


def _combined(first: Habits, second: Habits) -> Habits:
    return Habits(
        by_subject=second.by_subject if second.by_subject is not None else first.by_subject,
        recent=second.recent if second.recent is not None else first.recent,
        by_tone=second.by_tone if second.by_tone is not None else first.by_tone,
    )


def read_claim(line: str) -> Claim:
    """Read one claim line (without its dash)."""
    found = _SEEN.search(line)
    count = next((group for group in found.groups() if group), None) if found else None
    seen = int(count) if count else _OWN_WORDS_WEIGHT
    statement = line[: found.start()] if found else line
    own_words = found is not None and count is None
    scope, text = _scope_and_text(statement, own_words=own_words)
    stated = own_words and '"' not in text
    likes, avoids = _polarity(text)
    return Claim(scope=scope, text=text, seen=seen, likes=likes, avoids=avoids, stated=stated)


def _scope_and_text(statement: str, *, own_words: bool) -> tuple[str, str]:
    if own_words and (reply := _REPLY.fullmatch(statement)):
        return reply[1], reply[2]
    head, colon, tail = statement.partition(": ")
    scoped = bool(colon) and '"' not in head and len(head) <= 500
    scoped = scoped and not (own_words and is_statement(head))
    return (head, tail) if scoped else ("", statement)


def _polarity(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split what is quoted, or else named as a manner, into what the claim is for and against."""
    likes: list[str] = []
    avoids: list[str] = []
    negative = False
    position = 0
    for match in [*_QUOTED.finditer(text)] or NAMED.finditer(text):
        between = text[position : match.start()]
        turns = [(m.end(), True) for m in _NOT.finditer(between)]
        turns += [
            (m.end(), False)
            for m in _AGAIN.finditer(between)
            if not _JUST_NEGATED.search(between[: m.start()])
        ]
        if turns:
            negative = max(turns)[1]
        (avoids if negative else likes).append(match.group().strip('"'))
        position = match.end()
    if not likes and not avoids:
        rated = _RATING.search(text)
        likes.extend(_NUMBER.findall(rated.group()) if rated else ())
    return tuple(likes), tuple(avoids)


def _counts(line: str) -> list[Counts]:
    found = _COUNT_LINE.fullmatch(line)
    if found is None:
        return []
    task, total, tail = found.groups()
    past, *alike = _ALIKE.split(tail, maxsplit=1)
    counted, *latest = _LATEST.split(past, maxsplit=1)
    counts = tuple((label, int(count)) for label, count in _COUNT.findall(counted))
    return [Counts(task, int(total), counts, _each(latest), _each(alike))]


def _each(lists: Sequence[str]) -> tuple[str, ...]:
    """Return every outcome of lists in which those that follow upon their like are one."""
    runs = (run for listed in lists for run in _RUN.findall(listed))
    return tuple(label for label, length in runs for _ in range(int(length or 1)))


def _example(line: str) -> list[tuple[str, str]]:
    found = _EXAMPLE.fullmatch(line)
    return [(found.group(1), found.group(2))] if found else []
