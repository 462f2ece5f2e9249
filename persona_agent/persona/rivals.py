"""Whom a listener has to tell a persona from: its contradicted twin, and somebody without one."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

ASSISTANT = "I am a helpful AI assistant. I am happy to help with any question. I have no home."
ANYBODY = "A user of whom nothing is known."
_FLIPS = (
    (r"\bI am not\b", "I am"), (r"\bI do not\b", "I"), (r"\bI cannot stand\b", "I love"),
    (r"\bI hate\b", "I love"), (r"\bI love\b", "I hate"), (r"\bI never\b", "I always"),
    (r"\bI have\b", "I have no"), (r"\bI am\b", "I am not"), (r"\bI\b", "I do not"),
    (r"\b(does not want|dislikes|hates|avoids|rejects|refuses)\b", "likes"),
    (r"\b(wants|likes|loves|prefers|enjoys|chooses|picks|favou?rs)\b", "avoids"),
    (r"\bnever\b", "always"), (r"\b(always|usually|mostly|often)\b", "never"),
    (r"\bis not\b", "is"), (r"\bis\b", "is not"), (r"\bhas\b", "has no"),
)  # fmt: skip


def flipped(statement: str) -> str:
    """Return a statement that contradicts this one: affirmed where denied, denied where not."""
    for pattern, replacement in _FLIPS:
        turned, count = re.subn(pattern, replacement, statement, count=1)
        if count:
            return turned
    return f"It is not true that {statement[0].lower()}{statement[1:]}" if statement else ""


def contradicted_twin(statements: Sequence[str], order: random.Random) -> str:
    """Return the persona with one of its statements turned round. Needs at least one."""
    twin = list(statements)
    place = order.randrange(len(twin))
    twin[place] = flipped(twin[place])
    return " ".join(twin)
