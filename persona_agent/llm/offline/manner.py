"""How a text says what it says: a few marks that can be seen without understanding it.

They are what tells replies apart that are about the same thing: one gives the hour, another one
apologizes. A claim names a mark in the words of its key: *prefers what gives figures*.
"""

from __future__ import annotations

import re

FEWEST_WORDS = 4
"""Words of the shortest text that has a manner; names and labels have none."""

_ANY = re.IGNORECASE
_MARKS = {
    "gives figures": re.compile(r"\d"),
    "names a day or an hour": re.compile(
        r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?|today|tonight|tomorrow|noon|midnight"
        r"|\d{1,2}(?::\d\d| ?[ap]m\b| o'clock)"
        r"|\d{1,2}(?:st|nd|rd|th)? (?:january|february|march|april|may|june|july|august|september"
        r"|october|november|december))",
        _ANY,
    ),
    "apologizes": re.compile(
        r"\b(?:sorry|apolog\w+|regret\w*|unfortunate\w*|(?:i'm|we're|i am|we are) afraid)\b", _ANY
    ),
    "has words of courtesy": re.compile(
        r"\b(?:please|thanks?|thank you|kindly|grateful\w*|appreciate\w*|best wishes"
        r"|(?:kind|warm|best|sincere) regards)\b",
        _ANY,
    ),
    "exclaims": re.compile(r"!"),
    "asks something": re.compile(r"\?"),
    "sets a condition": re.compile(r"\b(?:if|unless|otherwise|provided that)\b", _ANY),
    "speaks of feelings": re.compile(
        r"\b(?:love|loved|lovely|feel\w*|happy|glad|excit\w+|delight\w+|heart\w*|hugs?|proud"
        r"|worr(?:y|ied|ies)|joy\w*|enjoy\w*)\b",
        _ANY,
    ),
}
MANNERS = tuple(_MARKS)
NAMED = re.compile("|".join(map(re.escape, MANNERS)))
"""Finds the manners that a claim names."""


def is_prose(text: str) -> bool:
    """Tell whether a text has a manner: it is written in sentences."""
    return text.rstrip().endswith((".", "!", "?")) and len(text.split()) >= FEWEST_WORDS


def manners(text: str) -> set[str]:
    """Return the marks of a text; none where it is no prose."""
    return {name for name in MANNERS if has_manner(text, name)}


def has_manner(text: str, name: str) -> bool:
    """Tell whether a text has one of the MANNERS."""
    return is_prose(text) and _MARKS[name].search(text) is not None


def without_marks(text: str) -> str:
    """Return a text without the words that make its manner."""
    for mark in _MARKS.values():
        text = mark.sub(" ", text)
    return text
