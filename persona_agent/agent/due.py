"""When an optimization is worth its calls: enough is new that it could learn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from persona_agent.llm.offline.statements import statements_in
from persona_agent.memory import Memory
from persona_agent.optimizer.draft import with_stated
from persona_agent.schema import Episode, Persona, Revision

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
            that a user for whom nothing helps does not cost calls for ever (a cool-down). So many
            new statements make it due as well: they are kept unjudged, so nothing cools down.
    """
    last, fresh = since_last(user_id, memory)
    enough = after if last is None or last.accepted else 2 * after
    if len(fresh) >= enough:
        return f"{len(fresh)} new outcomes"
    said = statements_since(user_id, memory)
    if said >= after:
        return f"{said} new statements"
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


def statements_since(user_id: str, memory: Memory) -> int:
    """Return how many statements of the user no optimization took up.

    These are facts in the user's own words that the persona does not hold, and messages and
    comments that were not distilled yet and are worded as statements (in English).
    """
    persona = memory.personas.latest(user_id) or Persona(user_id=user_id)
    held = {claim.id for claim in persona.claims}
    stated = with_stated(persona, memory.facts.profile(user_id))
    waiting = [claim for claim in stated.claims if claim.id not in held]
    return len(waiting) + sum(map(may_state, _undistilled(user_id, memory)))


def may_state(words: str) -> bool:
    """Tell whether a message or a comment is worded as a statement about its writer, in English."""
    return bool(statements_in(words))


def unlearned(user_id: str, memory: Memory) -> int:
    """Return how much of a user no optimization took up: outcomes, statements, messages.

    A message counts in any wording: only distilling it tells whether it states something.
    """
    words = sum(1 for _ in _undistilled(user_id, memory))
    return len(since_last(user_id, memory)[1]) + max(words, statements_since(user_id, memory))


def _undistilled(user_id: str, memory: Memory) -> Iterator[str]:
    """Yield the user's own words that were not distilled yet: messages and comments."""
    for episode in memory.facts.pending(user_id, memory.episodes.timeline(user_id)):
        if not episode.query.options:
            yield episode.query.text
        if episode.feedback and episode.feedback.comment:
            yield episode.feedback.comment
