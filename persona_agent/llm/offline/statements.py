"""What a user says of themselves: told from other sentences, and read for what it is against.

A sentence is split into clauses, and a clause that negates something ("I never eat", "allergic
to", "rather than") is against what it names. Without that, "I hate jazz" would speak for jazz.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from persona_agent.llm.offline.evidence import CLAIM_TEMPERATURE, Array
from persona_agent.llm.offline.terms import words
from persona_agent.protocols import Embedder, Vectors

# What somebody said of a matter tells more of their choice than how the question is put: what is
# left of the question's own weight beside a statement that bears on it.
BESIDE = 1 / 3

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_LASTING = re.compile(
    r"\bI(?:'m|\s+am)?\s+(?:\w+\s+)?(?:never|always|prefer|like|love|hate|dislike|avoid|enjoy|can't"
    r"|cannot|don't|allergic)\b",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(r"\b(?:I|[Mm]e|[Mm]y|mine|myself|[Ww]e|[Oo]ur|us)\b")
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
    return _FIRST_PERSON.search(sentence) is not None and not _asks(sentence)


def _asks(sentence: str) -> bool:
    return sentence.rstrip(" \t\n\"'\u2019\u201d)").endswith("?")


def statements_in(turn: str) -> list[str]:
    """Return the sentences of a chat turn in which the speaker tells something lasting.

    In a turn that asks ("I am off to Rome. Where should I stay?") the rest leads up to the
    question and passes with it, unless it is worded as lasting ("I never fly").
    """
    sentences = [sentence.strip() for sentence in _SENTENCE.split(turn)]
    passing = any(_asks(sentence) for sentence in sentences)
    return [
        sentence
        for sentence in sentences
        if is_statement(sentence) and (not passing or _LASTING.search(sentence))
    ]


def clauses(statement: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the clauses that are for something, and what the others are against."""
    liked: list[str] = []
    avoided: list[str] = []
    for clause in _CLAUSE.split(statement):
        found = _AGAINST.search(clause)
        if found is None:
            if words(clause):
                liked.append(clause.strip())
            continue
        after, before = clause[found.end() :], clause[: found.start()]
        named = after if words(after) else before
        if words(named):
            avoided.append(named.strip())
    return tuple(liked), tuple(avoided)


def fit(statements: Sequence[str], query: Array | Vectors, embedder: Embedder) -> Array:
    """Return which statements a query is about, as weights (statements,) that sum to 1."""
    similarity = np.asarray(embedder.embed(list(statements)) @ query, dtype=np.float64)
    weights = np.exp((similarity - similarity.max()) / CLAIM_TEMPERATURE)
    return np.asarray(weights / weights.sum())


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
