"""Persona and coherence together: copying the persona buys one at the price of the other."""

from __future__ import annotations

from collections.abc import Mapping

COPY_TOLERANCE = 0.5
NOT_COHERENT = frozenset({"none", "topic-shift"})
ANSWERS_A_QUESTION = frozenset(
    {"qa-pair", "clarification-question", "acknowledgement", "correction"}
)


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


def joint_score(persona: float, coherence: float, copied: float) -> float:
    """Return ``harmonic_mean(persona, coherence) * (1 - max(0, copied - 0.5))``, 0 to 1."""
    if persona + coherence == 0:
        return 0.0
    together = 2 * persona * coherence / (persona + coherence)
    return together * (1 - max(0.0, copied - COPY_TOLERANCE))
