"""Words that set one group of texts apart from another, by counting."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from persona_agent.persona.words import telling_words


def words(text: str) -> set[str]:
    """Return the telling words of a text, in lower case."""
    return set(telling_words(text))


def segments(text: str) -> set[str]:
    """Return the comma-separated parts of a list-like text, else none."""
    parts = {part.strip().rstrip(".").casefold() for part in text.split(",")}
    short = len(parts) > 1 and all(0 < len(part.split()) <= 5 for part in parts)
    return parts if short else set()


def distinctive(
    inside: Sequence[set[str]], outside: Sequence[set[str]], *, most: int, at_least: int = 2
) -> list[tuple[str, int]]:
    """Return terms that are frequent inside and rare outside, best first, with their counts.

    score = log((i + .5) / (n + 1)) - log((o + .5) / (m + 1)), weighted by log(1 + i); only terms
    in at least ``at_least`` texts inside and relatively more frequent there count.
    """
    counted = Counter(term for terms in inside for term in terms)
    against = Counter(term for terms in outside for term in terms)
    scored = []
    for term, count in counted.items():
        rate = (count + 0.5) / (len(inside) + 1)
        other = (against[term] + 0.5) / (len(outside) + 1)
        if count >= at_least and rate > 1.5 * other:
            scored.append((math.log(rate / other) * math.log1p(count), term, count))
    scored.sort(key=lambda item: (-item[0], item[1]))
    return [(term, count) for _, term, count in scored[:most]]
