"""What a user lately said of themselves that nothing was learned from yet.

Until it is distilled no claim says it, and what is asked next need not be like it: recall finds
"I am vegetarian" for other statements about food, not for "what could I cook?".
"""

from __future__ import annotations

import re
from collections.abc import Set

import numpy as np
import numpy.typing as npt

from persona_agent.memory import Memory
from persona_agent.persona.admission import admitted
from persona_agent.persona.contradiction import sentences
from persona_agent.schema import Episode, Recalled

LATEST = 100
"""Episodes that are looked through."""
MOST = 8
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
    latest = memory.episodes.timeline(user, limit=LATEST)
    pending = memory.facts.pending(user, [one for one in latest if _states(one)])
    said: dict[str, Episode] = {}
    for one in sorted(reversed(pending), key=_passes):  # the latest first, of each kind
        words = " ".join(one.query.text.casefold().split())
        if len(said) < MOST and words not in said and admitted(one.query.text[:LONGEST]):
            said[words] = one
    found = [one for one in said.values() if one.id not in without]
    found.sort(key=lambda one: (one.at, one.id))
    if not found:
        return []
    near = memory.episodes.vectors(user, [one.id for one in found]) @ vector
    return [
        Recalled(episode=one, score=float(similarity), similarity=float(similarity))
        for one, similarity in zip(found, near, strict=True)
    ]


def _states(episode: Episode) -> bool:
    """Tell whether a message that nobody settled an answer to states something of its writer."""
    if episode.outcome is not None or episode.query.options:
        return False
    text = episode.query.text[:LONGEST].replace("\u2019", "'")
    parts = [one.rstrip() for one in sentences(text)]
    return any(_OF_SELF.search(one) and not _NO_FACT.search(one) for one in parts)


def _passes(episode: Episode) -> bool:
    """Tell whether a message is worded as being about just now."""
    return _PASSES.search(episode.query.text[:LONGEST]) is not None
