"""What a user says of themselves: told from other sentences, and read for what it is against.

A sentence is split into clauses, and a clause that negates something ("I never eat", "allergic
to", "rather than") is against what it names. Without that, "I hate jazz" would speak for jazz.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from persona_agent.llm.offline.evidence import Array, attention
from persona_agent.protocols import Embedder, Vectors

# What somebody said weighs as much for each option as the question itself does, at full fit.
STATED = 3.0
LEAST_WORDS = 2

_FIRST_PERSON = re.compile(r"\b(?:I|I'\w+|me|my|mine|myself|we|our|us)\b")
_CLAUSE = re.compile(
    r"(?<=[,;.!])\s+|\b(?:but|because|since|although|though|and|due to)\b"
    r"|(?=\b(?:rather than|instead of|over)\b)",
    re.IGNORECASE,
)
_AGAINST = re.compile(
    r"\b(?:not|no|never|cannot|\w+n['\u2019]t|without|against|avoid\w*|hat(?:e|es|ed|ing)|dislik\w*"
    r"|despis\w*|detest\w*|loath\w*|refus\w*|oppos\w*|reject\w*|skip\w*|allerg\w*|intoleran\w*"
    r"|sensitiv\w*|avers\w*|uncomfortable|afraid|fear\w*|phobi\w*|bor(?:ed|ing)|too|lack\w*"
    r"|rather than|instead of|over)\b",
    re.IGNORECASE,
)


def is_statement(sentence: str) -> bool:
    """Tell whether a sentence says something of the speaker, rather than asks."""
    text = sentence.strip()
    return _FIRST_PERSON.search(text) is not None and not text.endswith("?")


def clauses(statement: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the clauses that are for something, and what the others are against."""
    liked: list[str] = []
    avoided: list[str] = []
    for clause in _CLAUSE.split(statement):
        found = _AGAINST.search(clause)
        if found is None:
            if _long_enough(clause):
                liked.append(clause.strip())
            continue
        after, before = clause[found.end() :], clause[: found.start()]
        named = after if _long_enough(after) else before
        if _long_enough(named):
            avoided.append(named.strip())
    return tuple(liked), tuple(avoided)


def _long_enough(text: str) -> bool:
    return len(text.split()) >= LEAST_WORDS


def fit(statements: Sequence[str], query: Array | Vectors, embedder: Embedder) -> Array:
    """Return how far each statement is about a query, shape (statements,); sums to 1."""
    similarity = embedder.embed(list(statements)) @ query
    return attention(np.asarray(similarity, dtype=np.float64))


def leaning(own: Vectors, statements: Sequence[str], weights: Array, embedder: Embedder) -> Array:
    """Return how much more each option is like what is liked than like what is avoided.

    Args:
        own: (options, dimensions) what sets each option apart from the others, of length 1.
        statements: what the user said.
        weights: (statements,) how far each is about the query.
        embedder: of the clauses.
    """
    scores = np.zeros(len(own))
    for statement, weight in zip(statements, weights, strict=True):
        liked, avoided = clauses(statement)
        for phrases, sign in ((liked, 1.0), (avoided, -1.0)):
            if phrases:
                near = own @ embedder.embed(list(phrases)).T
                scores += sign * weight * near.max(axis=1)
    return scores
