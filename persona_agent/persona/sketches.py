"""Past cases in a few key words each: what little room can hold of many."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from persona_agent.persona.words import telling_words
from persona_agent.schema import Episode

KEY_WORDS = 3
LATEST = 50
"""Cases, the latest ones, that are looked at."""
MOST = 30
"""Sketches that are made; what is shown of them is a matter of room."""
ONE_SIDED = 0.8
"""Share of one outcome above which its cases say no more than its count."""
SMOOTHING = 0.5

_APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"
_WORD = re.compile(rf"[^\W\d_](?:[^\W\d_]|[-{_APOSTROPHES}])*")
_POSSESSIVE = re.compile(rf"[{_APOSTROPHES}]s?$")
_STARTS = ('"', "“", "(", ".", "!", "?", ":")
_FUNCTION_WORDS = frozenset(
    """
    amid beneath beside besides beyond despite except following including inside instead
    meanwhile near outside regarding throughout unless versus via whatever whenever wherever
    whoever
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True)
class _Use:
    """How a word is written in one text."""

    capital: bool
    """Never in lower case."""
    inside: bool
    """With a capital elsewhere than at the start of a sentence."""


def sketches(
    episodes: Sequence[Episode], left_out: Collection[str] = ()
) -> tuple[tuple[str, str], ...]:
    """Return key words and outcome of the latest cases, newest first.

    Key words are those that set cases of this outcome apart from cases of the others. Names of a
    single case and contractions tell nothing of other cases and are no key words. Where nearly all
    cases had one outcome there are no sketches: its count says as much. Nor are there of ratings:
    a grade is a matter of degree, and few words of a text tell its subject only.

    Args:
        episodes: with outcomes, of one task, in time order.
        left_out: ids of episodes that are shown anyway; they count as cases of their outcome.
    """
    latest = episodes[-LATEST:]
    outcomes = Counter(episode.outcome or "" for episode in latest)
    if not latest or max(outcomes.values()) > ONE_SIDED * len(latest):
        return ()
    if latest[-1].query.kind == "rating":
        return ()
    told = [_words(episode.query.text) for episode in latest]
    contrast = _Contrast(told, [episode.outcome or "" for episode in latest])
    names = _single_names(told)
    made = [
        (_key_words([word for word in words if word not in names], outcome, contrast), outcome)
        for words, episode, outcome in zip(told, latest, contrast.of_cases, strict=True)
        if episode.id not in left_out
    ]
    return tuple([one for one in reversed(made) if one[0]][:MOST])


class _Contrast:
    """How much more often than by chance a word stands in cases of an outcome.

    It is (n - e) / sqrt(e + SMOOTHING), with n the cases of the outcome that have the word and e
    as many as there were if the word had nothing to do with outcomes (a Pearson residual).
    """

    def __init__(self, told: Sequence[Mapping[str, _Use]], outcomes: Sequence[str]) -> None:
        self.of_cases = outcomes
        self._shares = {name: n / len(outcomes) for name, n in Counter(outcomes).items()}
        self._all = Counter(word for words in told for word in words)
        self._with = Counter(
            (word, outcome) for words, outcome in zip(told, outcomes, strict=True) for word in words
        )

    def __call__(self, word: str, outcome: str) -> float:
        expected = self._all[word] * self._shares[outcome]
        return (self._with[word, outcome] - expected) / math.sqrt(expected + SMOOTHING)


def _key_words(words: Sequence[str], outcome: str, contrast: _Contrast) -> str:
    ranked = sorted(range(len(words)), key=lambda place: -contrast(words[place], outcome))
    return " ".join(words[place] for place in sorted(ranked[:KEY_WORDS]))


@lru_cache(maxsize=4096)
def _words(text: str) -> Mapping[str, _Use]:
    """Return the telling words of a text in their order, in lower case, and how they are written.

    In a text that is mostly written with capitals (a title) these tell nothing.
    """
    matches = list(_WORD.finditer(text))
    title = 2 * sum(match.group()[0].isupper() for match in matches) > len(matches)
    found: dict[str, _Use] = {}
    for match in matches:
        written = _POSSESSIVE.sub("", match.group()).strip("-")
        word = written.casefold()
        contracted = not set(_APOSTROPHES).isdisjoint(written)
        if contracted or word in _FUNCTION_WORDS or telling_words(word) != [word]:
            continue
        before = text[: match.start()].rstrip()
        capital = written[0].isupper() and not title
        inside = capital and bool(before) and not before.endswith(_STARTS)
        known = found.get(word, _Use(capital=True, inside=False))
        found[word] = _Use(known.capital and capital, known.inside or inside)
    return found


def _single_names(told: Sequence[Mapping[str, _Use]]) -> set[str]:
    """Return what is written as a name in one case and does not come in any other."""
    often = Counter(word for words in told for word in words)
    return {
        word
        for words in told
        for word, use in words.items()
        if use.capital and use.inside and often[word] == 1
    }
