"""Whether what is said contradicts a statement, read from polarity, attributes and topic.

A heuristic for English, for where no language model judges: it sees opposite polarity about the
same topic ("I have no siblings" against "I have one older sister"), opposite or exclusive
attributes of the same thing ("brown hair" against "blonde hair"), and different numbers of the
same thing. It knows nothing of the world beyond the short lists below, so it misses
contradictions that need an inference ("I commute by train" against "I never leave the house").
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from persona_agent.protocols import Embedder

Verdict = Literal["entailment", "neutral", "contradiction"]

SAME_TOPIC = 0.45
"""Cosine from which two clauses without a common word are about the same topic. This and the next
were chosen on the even lines of Dialogue-NLI's ranking files; figures are of the odd lines."""
RELATED = 0.3
"""The same for clauses that share a word."""
SAYS_THE_SAME = 0.72
"""Cosine from which a clause of equal polarity says what the statement says."""
MOST_CLAUSES = 24


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEGATIONS = _words(
    """
    not no never neither nor none nobody nothing without cannot cant
    """
)
_AGAINST = _words(
    """
    hate hates hated dislike dislikes loathe loathes despise detest avoid avoids awful
    terrible worst boring cringe refuse refuses hatred sick disgusting disgust gross
    """
)
_FOR = _words(
    """
    love loves loved loving like likes liked enjoy enjoys enjoyed favorite favourite prefer
    prefers preferred adore adores fan best great enjoying lover
    """
)
_EMPTY = _words(
    """
    a an the i me my mine am is are was were be been being do does did done have has had
    having to of in on at for with and or but so that this it its as by from up you your yours
    we our us they them their he she his her him what which who how when where why will would
    can could should may might just really very much many lot lots some any all too also well
    then than more most get got getting go going one there here if because about out into over
    only even yes yeah yea nope oh ah hi hello hey lol haha wow okay ok nice cool now today
    always often usually sometimes still ever yet s t d m re ve ll don doesn didn isn aren
    wasn t let lets
    """
)
_EXCLUSIVE: tuple[tuple[frozenset[str], ...], ...] = tuple(
    tuple(frozenset(group.split("/")) for group in line.split())
    for line in (
        "blonde/blond/golden/platinum brown/brunette/dark/black red/ginger grey/gray/white",
        "tall short",
        "big/large/huge small/little/tiny",
        "married/husband/wife single/divorced/unmarried",
        "vegan/vegetarian carnivore/meat/bacon/steak/beef",
        "young old/elderly",
        "rich/wealthy poor/broke",
        "morning/early night/late",
        "quiet/shy/introvert loud/outgoing/extrovert",
        "indoors outdoors",
        "left right",
        "healthy sick/ill",
        "employed unemployed/jobless/retired",
        "short/brief/concise long/detailed/lengthy",
        "formal informal/casual",
        "cheap expensive",
    )
)
_NUMBERS = {word: number for number, word in enumerate(("zero", "one", "two", "three", "four",
    "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"))}  # fmt: skip
_TOKEN = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_BREAK = re.compile(r"(?<=[.!?;])\s+|\s*,\s*|\s+(?:but|although|though|while)\s+")


@dataclass(frozen=True)
class Relation:
    """How an utterance relates to one statement; ``probability`` is that of a contradiction."""

    verdict: Verdict
    probability: float
    evidence: str = ""


@runtime_checkable
class RelationReader(Protocol):
    """Tells how an utterance relates to statements about its speaker. Blocking."""

    @property
    def name(self) -> str:
        """Model id as recorded in results."""
        ...

    def relate(self, utterance: str, statements: Sequence[str]) -> list[Relation]:
        """Return the relation to each statement, in order."""
        ...


@dataclass(frozen=True)
class _Clause:
    text: str

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        text = self.text.casefold().replace("\u2019", "'")
        text = re.sub(r"n't\b", " not", text).replace("can t ", "can not ")
        return tuple(_TOKEN.findall(text))

    @cached_property
    def negative(self) -> bool:
        """Whether it denies or turns something down; two negatives cancel out."""
        count = sum(token in _NEGATIONS or token in _AGAINST for token in self.tokens)
        stands = "stand" in self.tokens and any(t in _NEGATIONS for t in self.tokens)
        return bool(count % 2) or stands

    @cached_property
    def content(self) -> frozenset[str]:
        dropped = _EMPTY | _NEGATIONS | _AGAINST | _FOR | {"stand", "care"}
        return frozenset(stem(token) for token in self.tokens if token not in dropped)

    @cached_property
    def topic(self) -> str:
        """What it is about, without the words that affirm, deny or judge it."""
        dropped = _NEGATIONS | _AGAINST | _FOR | {"stand", "do", "does", "did"}
        return " ".join(token for token in self.tokens if token not in dropped) or self.text

    @property
    def asks(self) -> bool:
        return self.text.rstrip().endswith("?")


def stem(word: str) -> str:
    """Return a word without the commonest endings of English."""
    for ending in ("ing", "ies", "es", "s", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word


def clauses(text: str) -> list[str]:
    """Return the clauses of a text, at most :data:`MOST_CLAUSES`; the text itself if it has one."""
    parts = [part.strip() for part in _BREAK.split(" ".join(text.split())) if part.strip(" .!?,")]
    return parts[:MOST_CLAUSES] or [text.strip()]


@lru_cache(maxsize=65_536)
def _clause(text: str) -> _Clause:
    return _Clause(text)


def compare(said: str, statement: str, similarity: float) -> Relation:
    """Return how one clause relates to one clause of a statement, given their cosine."""
    ours, theirs = _clause(said), _clause(statement)
    if ours.asks or (not ours.content and not similarity >= SAME_TOPIC):
        return Relation("neutral", 0.0)
    shared = ours.content & theirs.content
    related = similarity >= (RELATED if shared else SAME_TOPIC)
    clash = _clash(ours, theirs)
    if clash and not ours.negative and not theirs.negative and similarity >= RELATED:
        return Relation("contradiction", (1 + similarity) / 2, f"{clash}: {said!r}")
    if related and ours.negative != theirs.negative and not clash:
        return Relation("contradiction", (1 + similarity) / 2, f"opposite polarity: {said!r}")
    if similarity >= SAYS_THE_SAME and not clash:
        return Relation("entailment", 0.0, f"says the same: {said!r}")
    return Relation("neutral", 0.0)


def _clash(ours: _Clause, theirs: _Clause) -> str:
    first, second = set(ours.tokens), set(theirs.tokens)
    for groups in _EXCLUSIVE:
        mine = {i for i, group in enumerate(groups) if group & first}
        other = {i for i, group in enumerate(groups) if group & second}
        if mine and other and not mine & other:
            return "excludes"
    if ours.content & theirs.content:
        counted, against = _counts(ours), _counts(theirs)
        for noun in counted.keys() & against.keys():
            if counted[noun] != against[noun]:
                return "another number"
    return ""


def _counts(clause: _Clause) -> Mapping[str, int]:
    """Return the number that stands before a word, by the stem of the word."""
    found = {}
    for token, following in zip(clause.tokens, clause.tokens[1:], strict=False):
        number = int(token) if token.isdigit() and len(token) < 6 else _NUMBERS.get(token)
        if number is not None and following not in _EMPTY:
            found[stem(following)] = number
    return found


class ContradictionReader:
    """Reads relations with an embedder; safe to share, keeps what it embedded."""

    def __init__(self, embedder: Embedder) -> None:
        self.name = f"rules on {embedder.name}"
        self._embedder = embedder
        self._known: dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]] = {}

    def relate(self, utterance: str, statements: Sequence[str]) -> list[Relation]:
        """Return the relation of an utterance to each statement.

        The strongest contradiction among the pairs of clauses counts; without one, the strongest
        entailment. Questions assert nothing.
        """
        said = [(part, c) for part in sentences(utterance) for c in clauses(part)]
        said = [(part, c) for part, c in said if not part.rstrip().endswith("?")]
        against = [clauses(statement) for statement in statements]
        self._embed([c for _, c in said] + [c for parts in against for c in parts])
        return [
            _strongest(
                [
                    compare(ours, theirs, self._cosine(ours, theirs))
                    for _, ours in said
                    for theirs in parts
                ]
            )
            for parts in against
        ]

    def _cosine(self, first: str, second: str) -> float:
        return float(self._known[_clause(first).topic] @ self._known[_clause(second).topic])

    def prepare(self, texts: Sequence[str]) -> None:
        """Embed the clauses of many texts at once, which is faster than one by one."""
        self._embed([c for text in texts for part in sentences(text) for c in clauses(part)])

    def _embed(self, texts: Sequence[str]) -> None:
        topics = dict.fromkeys(_clause(text).topic for text in texts)
        new = [topic for topic in topics if topic not in self._known]
        if new:
            self._known.update(zip(new, self._embedder.embed(new), strict=True))


def sentences(text: str) -> list[str]:
    """Return the sentences of a text."""
    parts = [part for part in re.split(r"(?<=[.!?])\s+", text.strip()) if part.strip(" .!?")]
    return parts or [text]


def _strongest(relations: Sequence[Relation]) -> Relation:
    against = [one for one in relations if one.verdict == "contradiction"]
    if against:
        return max(against, key=lambda one: one.probability)
    agreeing = [one for one in relations if one.verdict == "entailment"]
    return agreeing[0] if agreeing else Relation("neutral", 0.0)
