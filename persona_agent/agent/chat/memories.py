"""Which memories a chat turn shows, beside the conversation itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from persona_agent.agent.lately import lately_stated
from persona_agent.schema import ContextPolicy, Persona, Recalled

if TYPE_CHECKING:
    from persona_agent.memory import Memory


def memories(
    memory: Memory,
    persona: Persona,
    vector: npt.NDArray[np.float32],
    *,
    answered: Sequence[Recalled],
    present: Sequence[str],
) -> tuple[Recalled, ...]:
    """Return memories of every task, and what the user lately stated in other threads.

    Blocking.

    Args:
        memory: of the user.
        persona: whose policy says how much is recalled.
        vector: what is asked for.
        answered: chat cases like it whose answer the user settled on.
        present: ids of the episodes whose messages are sent anyway.
    """
    if persona.policy == ContextPolicy.generic():
        return ()
    recalled = _with_other_tasks(memory, persona, vector, answered, present)
    shown = {*present, *(one.episode.id for one in recalled)}
    return (*recalled, *lately_stated(memory, persona.user_id, vector, without=shown))


def _with_other_tasks(
    memory: Memory,
    persona: Persona,
    vector: npt.NDArray[np.float32],
    answered: Sequence[Recalled],
    present: Sequence[str],
) -> tuple[Recalled, ...]:
    """Complete the answered chat cases with memories of every task, answered or not.

    Up to half the places go to chat cases whose answer the user settled on: they show the form
    that the user wants. What is in the conversation anyway is left out.
    """
    policy = persona.policy
    if not policy.recalled:
        return ()
    wider = nearest(memory, persona, vector, limit=policy.recalled + len(present))
    first = [*answered[: (policy.recalled + 1) // 2], *wider]
    found = {one.episode.id: one for one in first if one.episode.id not in present}
    return tuple(found.values())[: policy.recalled]


def nearest(
    memory: Memory, persona: Persona, vector: npt.NDArray[np.float32], *, limit: int
) -> list[Recalled]:
    """Return the nearest memories of every task; an episode may come twice. Blocking.

    A decision that nobody settled holds no word of the user's: cases that were settled take its
    place.
    """
    user, blend = persona.user_id, persona.policy.blend
    found = memory.episodes.recall(user, vector, limit=limit, blend=blend)
    telling = [one for one in found if not one.episode.unsettled]
    if len(telling) < len(found):
        telling += memory.episodes.recall(user, vector, limit=limit, blend=blend, with_outcome=True)
    return telling
