"""When an optimization is worth its calls."""

from __future__ import annotations

from collections.abc import Sequence

from persona_agent.memory import Memory
from persona_agent.schema import Episode, Revision

LEAST_DECISIONS = 4
"""Decisions with a known outcome that regret is judged on."""

REGRET = 0.5
"""Share of them that must be wrong."""


def due(user_id: str, memory: Memory, after: int) -> str:
    """Return why an optimization is due, or "".

    Args:
        user_id: whose.
        memory: the user's episodes and revisions.
        after: new outcomes that make it due; twice as many after a run that changed nothing, so
            that a user for whom nothing helps does not cost calls for ever (a cool-down).
    """
    last, fresh = since_last(user_id, memory)
    enough = after if last is None or last.accepted else 2 * after
    if len(fresh) >= enough:
        return f"{len(fresh)} new outcomes"
    decided = [one for one in fresh if one.response is not None]
    wrong = sum(one.response != one.outcome for one in decided)
    if len(decided) >= LEAST_DECISIONS and wrong > REGRET * len(decided):
        return f"{wrong} of the last {len(decided)} decisions were wrong"
    return ""


def since_last(user_id: str, memory: Memory) -> tuple[Revision | None, Sequence[Episode]]:
    """Return the last optimization and the outcomes that it did not learn from."""
    revisions = memory.personas.revisions(user_id)
    last = revisions[-1] if revisions else None
    known = memory.episodes.timeline(user_id, with_outcome=True)
    return last, known[last.outcomes :] if last else known
