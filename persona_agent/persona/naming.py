"""Labels, grades and options that somebody gives: names of a choice, which direct nobody.

*Files it under "based on a book"* says what a person does with a film. Whatever the label is
called, it is part of no direction, and no more is the verb, though *files* and *book* mean other
things elsewhere. What stands around the names is read as it is, and so is a name that directs by
itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable

LONGEST_NAME = 200
"""Characters of a name: options are short, and what is longer is read like any other text."""
FEWEST_WORDS = 2
"""Words of a name that can direct by itself: *approve* or *skip* alone is the name of a button."""
FEWEST_ON_END = 3
"""Words of several names that are read on end as well: a direction may be cut into names."""

_GIVES = (
    r"(?:files|tags|labels|marks|rates|grades|scores|ranks|gives|picks|chooses|selects|answers|says|"
    r"writes|comments|calls|names|puts|sorts|classes|classifies|takes|uses|sees|reads|assigns|"
    r"(?:sticks|keeps) (?:to|with)|(?:goes|opts|votes) for|(?:prefers|likes|avoids|wants) what has)"
)
"""What a person does in choosing, in the third person: nobody is told to."""
_NAME = (
    rf"(?:\"[^\"]{{1,{LONGEST_NAME}}}\"|\u201c[^\u201d]{{1,{LONGEST_NAME}}}\u201d|"
    rf"(?<!\w)'[^'\"]{{1,{LONGEST_NAME}}}'(?!\w))"
)
_BETWEEN = (
    r"(?:[\s,;:/]|\b(?:and|or|nor|but|not|never|over|rather|instead|than|of|before|then|under|as|in|"
    r"with|is|to|it|them)\b)*+"
)
_CHOICE = re.compile(
    rf"\b(?P<verb>{_GIVES})\b(?P<thing>[^\".!?]{{0,80}}?)(?P<names>{_NAME}(?:{_BETWEEN}{_NAME})*)"
)
_WISHING = re.compile(r"sees|prefers|likes|avoids|wants")
"""Verbs that may wish something as well: these stay."""
_NAMES = re.compile(_NAME)
_FEATURE = re.compile(r"^(?:no|without|zero) (?=\w+(?: \w+)?$)")
"""What a thing lacks: *no contract* is a feature of it."""
_FILING = re.compile(
    r"\bfiles(?= (?:it|them|this|these|such \w+|most \w+|all \w+|every \w+) (?:\w+ ){0,2}?"
    r"(?:under|as|away)\b)"
)
_RATING = re.compile(
    r"\b(?:rates|grades|gives|marks|picks|chooses|avoids) (?:apps|systems)"
    r"(?= (?:that|which|who)\b(?!.*\b(?:wants?|expects?|so|never|must|should|may)\b))"
)
"""A thing that is rated, and not the assistant."""


def without_names(text: str, directs: Callable[[str], bool]) -> str:
    """Return a text, in small letters, with ``x`` in place of the names that somebody gives.

    Args:
        text: is read as it is seen, in small letters.
        directs: tells whether a name is a direction by itself; such names stay.
    """

    def plain(match: re.Match[str]) -> str:
        names = [_FEATURE.sub("", name[1:-1].strip()) for name in _NAMES.findall(match["names"])]
        if _directing(names, directs):
            return match[0]
        verb = match["verb"] if _WISHING.match(match["verb"]) else "chooses"
        return f"{verb}{match['thing']}x"

    if '"' in text or "'" in text or "\u201c" in text:
        text = _CHOICE.sub(plain, text)
    return _RATING.sub("rates things", _FILING.sub("chooses", text))


def _directing(names: list[str], directs: Callable[[str], bool]) -> bool:
    """Tell whether one of the names is a direction, or all of them on end are."""
    if any(len(name.split()) >= FEWEST_WORDS and directs(name) for name in names):
        return True
    on_end = " ".join(names)
    return len(names) > 1 and len(on_end.split()) >= FEWEST_ON_END and directs(on_end)
