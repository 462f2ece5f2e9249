"""Which episodes overtake earlier ones: the same situation, the same answer on offer, another one.

An episode that overtakes an earlier one for the first time shows that the user changed. What was
remembered until then could only mislead there, and will not again, because what is overtaken is
not recalled any more: such an episode says nothing of how well memory serves from then on.

Where most of what came again since some moment was answered otherwise, taste as a whole changed
then. What was not asked again yet is as likely to have changed, and cases from before mislead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np

from persona_agent.protocols import Vectors
from persona_agent.schema import Claim, Episode, Persona

SAME_SITUATION = 0.9
"""Cosine between two queries from which on they ask the same."""
LEAST_CHANGES = 4
"""Changed answers that it takes to see a change of taste as a whole."""
CHANGED_TELLS = 3.0
"""How much more a changed answer tells of when taste changed than one that stayed: about
log(.6 / .05) against log(.95 / .4), where taste changes in six of ten and answers else in one of
twenty."""

Repeat = tuple[int, int, bool]
"""A question that came again: places of the latest earlier case and of the later one, and whether
the answer changed."""


def overtakes(later: Episode, earlier: Episode) -> bool:
    """Tell whether one answer overtakes another, given that both are to the same question."""
    return (
        later.at > earlier.at
        and later.outcome != earlier.outcome
        and earlier.outcome in later.query.options
    )


def seeing_turns(persona: Persona, history: Sequence[Episode]) -> Persona:
    """Return a persona whose claims tell whether they turned: what a habit was is none any more.

    A claim turned when all that speaks against it is later than all that it rests on. One with a
    case that is not in the history, as far as is known, did not.
    """
    moments = {one.id: one.at for one in history}
    claims = tuple(
        claim
        if claim.turned == (turned := _turned(claim, moments))
        else claim.model_copy(update={"turned": turned})
        for claim in persona.claims
    )
    return persona.model_copy(update={"claims": claims})


def _turned(claim: Claim, moments: Mapping[str, datetime]) -> bool:
    if not claim.contrary or not moments.keys() >= {*claim.evidence, *claim.contrary}:
        return False
    supported = [moments[name] for name in claim.evidence]
    return bool(supported) and max(supported) < min(moments[name] for name in claim.contrary)


def first_changes(history: Sequence[Episode], vectors: Vectors) -> frozenset[str]:
    """Return the ids of episodes that overtake the latest earlier answer to the same question.

    Whoever changes back and forth is fickle, and memory has to answer for that: after a change,
    there is another one only when the new answer was given twice in a row.

    Args:
        history: episodes with outcomes, in time order.
        vectors: unit vectors of their queries, shape (len(history), dimension).
    """
    return _firsts(history, _repeats(history, vectors))


def changes_of_taste(
    history: Sequence[Episode], vectors: Vectors
) -> tuple[frozenset[str], datetime | None]:
    """Return what :func:`first_changes` does, and since when taste as a whole is another, if it is.

    It is the moment of the first case after that change, which best tells changed answers from
    others: of what was asked before it and came again after it, many are changed, and few
    elsewhere. At least four have to be changed, and half of all.

    Args:
        history: episodes with outcomes, in time order.
        vectors: unit vectors of their queries, shape (len(history), dimension).
    """
    found = _repeats(history, vectors)
    return _firsts(history, found), _moment(history, found)


def _firsts(history: Sequence[Episode], repeats: Sequence[Repeat]) -> frozenset[str]:
    return frozenset(history[later].id for _, later, changed in repeats if changed)


def _moment(history: Sequence[Episode], repeats: Sequence[Repeat]) -> datetime | None:
    changes, others = np.zeros(len(history)), np.zeros(len(history))
    for earlier, later, changed in repeats:
        (changes if changed else others)[earlier + 1 : later + 1] += 1
    clear = (changes >= LEAST_CHANGES) & (changes >= others)
    if not clear.any():
        return None
    score = np.where(clear, CHANGED_TELLS * changes - others, -np.inf)
    latest = len(score) - 1 - int(score[::-1].argmax())
    return history[latest].at


def _repeats(history: Sequence[Episode], vectors: Vectors) -> list[Repeat]:
    """Return every question that came again."""
    tasks = np.array([episode.query.task_name for episode in history])
    changed = np.zeros(len(history), dtype=np.bool_)
    found = []
    for place, episode in enumerate(history):
        alike = (vectors[:place] @ vectors[place] >= SAME_SITUATION) & (
            tasks[:place] == tasks[place]
        )
        (same,) = alike.nonzero()
        if same.size:
            earlier = [history[n] for n in same[-2:]]
            stood = not changed[same].any() or _twice(earlier)
            changed[place] = stood and overtakes(episode, earlier[-1])
            found.append((int(same[-1]), place, bool(changed[place])))
    return found


def _twice(latest: Sequence[Episode]) -> bool:
    """Tell whether the latest two answers are one.

    After a change, one answer alone may be a change as well, of a case that is like it and not like
    those it is the latest of.
    """
    return len(latest) == 2 and latest[0].outcome == latest[1].outcome
