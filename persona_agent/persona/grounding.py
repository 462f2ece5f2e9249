"""What a text asserts about its user: the sentences that have to be known from somewhere.

Read by rule, for English. A text may be written to the user ("you"), in the user's name ("I"), or
about the user ("the user prefers"): each of them states facts of the same person. Wishes, offers,
advice, thanks and questions state none.
"""

from __future__ import annotations

import re

from persona_agent.persona.contradiction import sentences

MOST_ASSERTIONS = 8
_USER = re.compile(
    r"\b(?:i|i'm|i've|my|mine|me|we|our|you|you're|you've|your|yours|the user|this user)\b",
    re.IGNORECASE,
)
_NO_FACT = re.compile(
    r"\b(?:i|we|you)(?:'d|'ll|\s+(?:would|will|can|could|may|might|should|shall|must))\b|"
    r"\b(?:i|we)\s+(?:think|suggest|recommend|suppose|guess|believe|hope|wish|thank|appreciate|"
    r"understand|see|look\s+forward)\b|"
    r"\b(?:let|tell|give|send|show)\s+(?:me|us)\b|"
    r"\b(?:thank\s+you|thanks|please|if\s+you|sorry)\b|"
    r"^\W*(?:dear|hi|hello|love|regards|yours|best|kind|warm)\b",
    re.IGNORECASE,
)


def asserted(text: str) -> list[str]:
    """Return what a text states about its user, a sentence each, at most MOST_ASSERTIONS."""
    plain = " ".join(text.replace("\u2019", "'").split())
    found = [
        part
        for part in sentences(plain)
        if not part.rstrip().endswith("?") and _USER.search(part) and not _NO_FACT.search(part)
    ]
    return found[:MOST_ASSERTIONS]
