"""Which episodes overtake earlier ones: the same situation, the same answer on offer, another one.

An episode that overtakes an earlier one for the first time shows that the user changed. What was
remembered until then could only mislead there, and will not again, because what is overtaken is
not recalled any more: such an episode says nothing of how well memory serves from then on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from persona_agent.protocols import Vectors
from persona_agent.schema import Episode

SAME_SITUATION = 0.9
"""Cosine between two queries from which on they ask the same."""


def overtakes(later: Episode, earlier: Episode) -> bool:
    """Tell whether one answer overtakes another, given that both are to the same question."""
    return (
        later.at > earlier.at
        and later.outcome != earlier.outcome
        and earlier.outcome in later.query.options
    )


def first_changes(history: Sequence[Episode], vectors: Vectors) -> frozenset[str]:
    """Return the ids of episodes that overtake the latest earlier answer to the same question.

    Whoever changes back and forth is fickle, and memory has to answer for that: after a change,
    there is another one only when the new answer was given twice in a row.

    Args:
        history: episodes with outcomes, in time order.
        vectors: unit vectors of their queries, shape (len(history), dimension).
    """
    changed: set[str] = set()
    for place, episode in enumerate(history):
        alike = (vectors[:place] @ vectors[place] >= SAME_SITUATION).nonzero()[0]
        same = [history[n] for n in alike if history[n].query.task_name == episode.query.task_name]
        if same and overtakes(episode, same[-1]) and _settled(same, changed):
            changed.add(episode.id)
    return frozenset(changed)


def _settled(same: Sequence[Episode], changed: Collection[str]) -> bool:
    """Tell whether the latest answer stood: it was the first one, or given twice in a row."""
    if not any(one.id in changed for one in same):
        return True
    return same[-1].outcome == same[-2].outcome
