"""Whom a listener has to tell a persona from: its contradicted twin, and somebody without one."""

from __future__ import annotations

import re
from collections.abc import Sequence

ASSISTANT = "I am a helpful AI assistant. I am happy to help with any question. I have no home."
ANYBODY = "A user of whom nothing is known."
NEAR = 0.3
"""Cosine from which a claim bears on a message or a draft, where no model can tell."""
_DENIED = (
    (r"\bI am not\b", "I am"), (r"\bI do not\b", "I"), (r"\bI cannot stand\b", "I love"),
    (r"\bI (?:hate|avoid|refuse)\b", "I love"), (r"\bI never\b", "I"), (r"\bI have no\b", "I have"),
    (r"\b(?:does not want|dislikes|hates|avoids|rejects|refuses)\b", "likes"),
    (r"\bnever ", ""), (r"\b(is|does|do|has|can) not\b", r"\1"),
)  # fmt: skip
_COUNT = r"(?: (?:an?|one|two|three|four|five|six|\d+)\b)?"
_AFFIRMED = (
    (r"\bI love\b", "I hate"), (rf"\bI have{_COUNT}", "I have no"), (r"\bI am\b", "I am not"),
    (r"\bI\b", "I do not"),
    (r"\b(?:wants|likes|loves|prefers|enjoys|chooses|picks|favou?rs)\b", "avoids"),
    (r"\b(?:always|usually|mostly|often)\b", "never"),
    (r"\bis\b", "is not"), (rf"\bhas{_COUNT}", "has no"),
)  # fmt: skip


def flipped(statement: str) -> str:
    """Return a statement that contradicts this one: affirmed where denied, denied where not.

    The first word that affirms or denies is turned round; what a denial joins by "or" is joined by
    "and" once it is affirmed.
    """
    places = [
        (found, replacement, denied)
        for table, denied in ((_DENIED, True), (_AFFIRMED, False))
        for pattern, replacement in table
        if (found := re.search(pattern, statement))
    ]
    if places:
        found, replacement, denied = min(places, key=lambda one: one[0].start())
        rest = statement[found.end() :]
        rest = re.sub(r"\bn?or\b", "and", rest) if denied else rest
        return statement[: found.start()] + found.expand(replacement) + rest
    return f"It is not true that {statement[0].lower()}{statement[1:]}" if statement else ""


def nearest(closeness: Sequence[float]) -> int | None:
    """Return the place of the closest claim, None where none is :data:`NEAR`.

    ``closeness`` is the cosine of each claim with what it is to bear on. Embeddings miss what has
    to be inferred (what to cook, of a vegan), so this stands in only where no model is asked.
    """
    best = max(range(len(closeness)), key=lambda place: closeness[place], default=None)
    return best if best is not None and closeness[best] >= NEAR else None


def contradicted_twin(statements: Sequence[str], place: int) -> str:
    """Return the persona with the statement at ``place`` (from 0) turned round."""
    twin = list(statements)
    twin[place] = flipped(twin[place])
    return " ".join(twin)
