"""Persona and coherence together: copying the persona buys one at the price of the other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

COPY_TOLERANCE = 0.5
NOT_COHERENT = frozenset({"none", "topic-shift"})
ANSWERS_A_QUESTION = frozenset(
    {"qa-pair", "clarification-question", "acknowledgement", "correction"}
)
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


def coherent(relation: str, *, to_question: bool) -> bool:
    """Whether a reply follows from the line before; to a question it has to react as to one."""
    if to_question:
        return relation in ANSWERS_A_QUESTION
    return relation not in NOT_COHERENT


def global_coherence(turns: int, edges: Mapping[tuple[int, int], str]) -> float:
    """Return the share of turns in the largest connected part of the graph of relations.

    Args:
        turns: how many there are, numbered from 0.
        edges: the relation of pairs of turns; "none" is no edge.
    """
    if not turns:
        return 0.0
    part = list(range(turns))

    def root(turn: int) -> int:
        while part[turn] != turn:
            turn = part[turn]
        return turn

    for (first, second), relation in edges.items():
        if relation != "none":
            part[root(first)] = root(second)
    roots = [root(turn) for turn in range(turns)]
    return max(roots.count(one) for one in set(roots)) / turns


def joint_score(
    persona: float, coherence: float, copied: float, *, tolerance: float = COPY_TOLERANCE
) -> float:
    """Return ``harmonic_mean(persona, coherence) * (1 - max(0, copied - tolerance))``, 0 to 1."""
    if persona + coherence == 0:
        return 0.0
    together = 2 * persona * coherence / (persona + coherence)
    return together * (1 - max(0.0, copied - tolerance))
