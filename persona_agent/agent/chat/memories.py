"""Which memories a chat turn shows, beside the conversation itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from persona_agent.agent.lately import lately_stated
from persona_agent.schema import Episode, Persona, Recalled

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
    if persona.policy.is_generic:
        return ()
    recalled = with_other_tasks(
        memory,
        persona,
        vector,
        answered=answered,
        is_present=lambda one: one.id in present,
        most_present=len(present),
    )
    shown = {*present, *(one.episode.id for one in recalled)}
    return (*recalled, *lately_stated(memory, persona.user_id, vector, without=shown))


def with_other_tasks(
    memory: Memory,
    persona: Persona,
    vector: npt.NDArray[np.float32],
    *,
    answered: Sequence[Recalled],
    is_present: Callable[[Episode], bool],
    most_present: int,
) -> tuple[Recalled, ...]:
    """Complete the answered chat cases with memories of every task, answered or not. Blocking.

    Up to half the places go to chat cases whose answer the user settled on: they show the form
    that the user wants. What is in the conversation anyway (``is_present``; ``most_present`` are
    allowed for) is left out.
    """
    most = persona.policy.recalled
    if not most:
        return ()
    wider = _nearest(memory, persona, vector, limit=most + most_present)
    first = [*answered[: (most + 1) // 2], *wider]
    found = {one.episode.id: one for one in first if not is_present(one.episode)}
    return tuple(found.values())[:most]


def _nearest(
    memory: Memory, persona: Persona, vector: npt.NDArray[np.float32], *, limit: int
) -> list[Recalled]:
    """Return the nearest memories of every task; an episode may come twice.

    A decision that nobody settled holds no word of the user's: cases that were settled take its
    place.
    """
    user, blend = persona.user_id, persona.policy.blend
    found = memory.episodes.recall(user, vector, limit=limit, blend=blend)
    telling = [one for one in found if not one.episode.unsettled]
    if len(telling) < len(found):
        telling += memory.episodes.recall(user, vector, limit=limit, blend=blend, with_outcome=True)
    return telling
