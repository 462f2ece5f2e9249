"""How much of a reply is copied: from the words of a persona, or from any other statements."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TOKEN = re.compile(r"\w+(?:'\w+)?")


def tokens(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return _TOKEN.findall(text.casefold())


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence."""
    row = [0] * (len(second) + 1)
    for one in first:
        before = 0
        for place, other in enumerate(second, 1):
            here = row[place]
            row[place] = before + 1 if one == other else max(row[place], row[place - 1])
            before = here
    return row[-1]


def copying(reply: str, statements: Sequence[str]) -> float:
    """Return ``max_j LCS(reply, p_j) / |p_j|`` in words: 1 where a statement is contained whole."""
    said = tokens(reply)
    found = [(tokens(statement)) for statement in statements]
    return max((common_subsequence(said, one) / len(one) for one in found if one), default=0.0)


def containment(reply: str, statements: Sequence[str], *, n: int = 3) -> float:
    """Return the share of the reply's n-grams that stand in the statements."""
    said = tokens(reply)
    grams = [tuple(said[i : i + n]) for i in range(len(said) - n + 1)]
    known = set()
    for statement in statements:
        words = tokens(statement)
        known |= {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}
    return sum(gram in known for gram in grams) / len(grams) if grams else 0.0
