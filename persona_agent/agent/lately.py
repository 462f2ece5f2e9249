"""What a user lately said of themselves that nothing was learned from yet.

Until it is distilled no claim says it, and what is asked next need not be like it: recall finds
"I am vegetarian" for other statements about food, not for "what could I cook?".
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence, Set

import numpy as np
import numpy.typing as npt

from persona_agent.memory import Memory
from persona_agent.persona.admission import admitted
from persona_agent.persona.contradiction import sentences
from persona_agent.schema import Episode, Recalled

LATEST = 100
"""Episodes that are looked through."""
MOST = 8
SECONDS = 30.0
"""After which an endpoint looks again for what other processes stored."""
MOST_USERS = 1_000
LONGEST = 400
"""Characters of a message in which a statement counts: no more of it is shown."""

_OF_SELF = re.compile(
    r"\b(?:i(?!\.)|we)\b|"
    r"\b(?:my|our)\s+(?:[\w-]+\s+){1,3}"
    r"(?:is|are|was|were|has|have|likes?|hates?|loves?|never|cannot|(?:can|does|do|is|are)n?'t)\b",
    re.IGNORECASE,
)
_NO_FACT = re.compile(
    r"\b(?:I|we)(?:'ll|(?:'d|\s+would)(?!\s+never)|\s+(?:can(?!'t)|will|could|may|might|should|shall|"
    r"guess|suppose|wonder|hope|wish|see|understand))\b|"
    r"\b(?:let|tell|give|send|show)\s+(?:me|us)\b|\b(?:please|thanks|thank\s+you)\b|\?$",
    re.IGNORECASE,
)
_PASSES = re.compile(
    r"\b(?:need|looking|trying|planning|going|about to|today|tonight|tomorrow|now|"
    r"this (?:morning|afternoon|evening|week|weekend))\b",
    re.IGNORECASE,
)


def lately_stated(
    memory: Memory, user: str, vector: npt.NDArray[np.float32], *, without: Set[str]
) -> list[Recalled]:
    """Return the latest messages that state something of the user and were not distilled yet.

    Read by rule, for English: what is worded otherwise waits for its distillation. Of equal ones
    the latest, and at most :data:`MOST`, oldest first; what somebody needs just now stands back
    behind what lasts. What would change rules, tools, keys or safety wording is none. The score is
    the similarity alone. Blocking.

    Args:
        memory: of the user.
        user: who said it.
        vector: the message to answer, for the similarity.
        without: ids of episodes that are shown anyway.
    """
    return _recalled(
        memory, vector, [one for one in _stated(memory, user) if one.id not in without]
    )


class Lately:
    """The same for an endpoint, where looking through the episodes would cost each turn too much.

    It is done again when the user states something here, and every :data:`SECONDS` for what other
    processes store. Only ids are kept: what was deleted or distilled meanwhile is not returned.
    Safe to use from several threads.
    """

    def __init__(self, memory: Memory, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._memory = memory
        self._clock = clock
        self._found: dict[str, tuple[float, tuple[str, ...]]] = {}

    def heard(self, user: str, text: str) -> None:
        """Take note of a message that was stored."""
        if _tells_of_self(text):
            self._found.pop(user, None)

    def stated(
        self, user: str, vector: npt.NDArray[np.float32], *, without: Set[str], said: Set[str]
    ) -> list[Recalled]:
        """Return what :func:`lately_stated` does, less the texts that are ``said`` anyway."""
        ids = [one for one in self._ids(user) if one not in without]
        if not ids:
            return []
        known = self._memory.episodes.get(user, ids)
        pending = self._memory.facts.pending(user, [one for one in known if _states(one)])
        return _recalled(
            self._memory, vector, [one for one in pending if one.query.text not in said]
        )

    def _ids(self, user: str) -> tuple[str, ...]:
        now = self._clock()
        at, ids = self._found.get(user, (-math.inf, ()))
        if now - at < SECONDS:
            return ids
        if len(self._found) >= MOST_USERS:
            self._found.clear()
        # Entered first: a statement that is stored meanwhile takes it away again.
        self._found[user] = entered = now, ids
        ids = tuple(one.id for one in _stated(self._memory, user))
        if self._found.get(user) is entered:
            self._found[user] = now, ids
        return ids


def _stated(memory: Memory, user: str) -> list[Episode]:
    """Return the latest statements that were not distilled yet, oldest first."""
    latest = memory.episodes.timeline(user, limit=LATEST)
    pending = memory.facts.pending(user, [one for one in latest if _states(one)])
    said: dict[str, Episode] = {}
    for one in sorted(reversed(pending), key=_passes):  # the latest first, of each kind
        words = " ".join(one.query.text.casefold().split())
        if len(said) < MOST and words not in said and admitted(one.query.text[:LONGEST]):
            said[words] = one
    return sorted(said.values(), key=lambda one: (one.at, one.id))


def _recalled(
    memory: Memory, vector: npt.NDArray[np.float32], found: Sequence[Episode]
) -> list[Recalled]:
    if not found:
        return []
    near = memory.episodes.vectors(found[0].user_id, [one.id for one in found]) @ vector
    return [
        Recalled(episode=one, score=float(similarity), similarity=float(similarity))
        for one, similarity in zip(found, near, strict=True)
    ]


def _states(episode: Episode) -> bool:
    """Tell whether a message that nobody settled an answer to states something of its writer."""
    if episode.outcome is not None or episode.query.options:
        return False
    return _tells_of_self(episode.query.text)


def _tells_of_self(text: str) -> bool:
    parts = [one.rstrip() for one in sentences(text[:LONGEST].replace("\u2019", "'"))]
    return any(_OF_SELF.search(one) and not _NO_FACT.search(one) for one in parts)


def _passes(episode: Episode) -> bool:
    """Tell whether a message is worded as being about just now."""
    return _PASSES.search(episode.query.text[:LONGEST]) is not None
