"""Personas as vectors, by what they claim."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import numpy as np

from persona_agent.evals.atlas.records import Entry, Vectors
from persona_agent.protocols import Embedder
from persona_agent.schema import Claim, Persona

BATCH = 512
SHORTEST_NAME = 3
_PART = re.compile(r"[^\W_]+")


def claim_vectors(entries: Sequence[Entry], embedder: Embedder) -> Vectors:
    """Return one unit row for each persona: the mean of its claims, weighted by their support.

    ``sum_i w_i e_i``, scaled to length 1, with ``w = log(1 + support)`` and support = episodes
    behind the claim + helpful - harmful uses, at least 1; a claim that the user fixed weighs as
    much as the best supported one. A row without claims is zero. The user's own name and id, and
    ids of episodes, are taken out of the texts first: they would tell who it is, not what they
    are like.
    """
    weighted = [list(_weighted(entry)) for entry in entries]
    texts = list(dict.fromkeys(text for claims in weighted for text, _ in claims))
    number = {text: row for row, text in enumerate(texts)}
    rows = np.zeros((len(texts), embedder.dimension), dtype=np.float32)
    for start in range(0, len(texts), BATCH):
        rows[start : start + BATCH] = embedder.embed(texts[start : start + BATCH])
    vectors = np.zeros((len(entries), embedder.dimension), dtype=np.float32)
    for row, claims in enumerate(weighted):
        for text, weight in claims:
            vectors[row] += weight * rows[number[text]]
    return unit(vectors)


def unit(rows: Vectors) -> Vectors:
    """Return rows of length 1; zero rows stay zero."""
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.where(length > 1e-9, length, 1.0), dtype=np.float32)


def centred(rows: Vectors) -> Vectors:
    """Return rows without what all of them share, of length 1; zero rows stay zero.

    All personas are sentences of one form, so raw vectors point almost the same way; what is left
    without their mean is what sets them apart.
    """
    known = np.linalg.norm(rows, axis=-1) > 1e-9
    if known.sum() < 2:
        return rows
    moved = np.where(known[..., None], rows - rows[known].mean(axis=0), 0.0).astype(np.float32)
    moved[np.linalg.norm(moved, axis=-1) < 1e-5] = 0.0  # equal personas differ by rounding only
    return unit(moved)


def support(claim: Claim) -> int:
    """Return how much speaks for a claim, at least 1."""
    return max(1, len(claim.evidence) + claim.helpful - claim.harmful)


def by_support(persona: Persona) -> list[Claim]:
    """Return the claims, those that the user fixed first, then the best supported."""
    return sorted(persona.claims, key=lambda claim: (not claim.protected, -support(claim)))


def _weighted(entry: Entry) -> Iterator[tuple[str, float]]:
    claims = entry.persona.claims
    most = max((support(claim) for claim in claims), default=1)
    hidden = _hidden(entry)
    for claim in claims:
        text = hidden.sub("someone", claim.statement) if hidden else claim.statement
        yield text, math.log1p(most if claim.protected else support(claim))


def _hidden(entry: Entry) -> re.Pattern[str] | None:
    """Return what gives a user away: the parts of name and id, and ids of episodes."""
    parts = set(_PART.findall(f"{entry.persona.user_id} {entry.name}"))
    ids = {one for claim in entry.persona.claims for one in claim.evidence}
    words = {entry.persona.user_id, *parts, *ids}
    told = sorted((re.escape(word) for word in words if len(word) >= SHORTEST_NAME), key=len)
    if not told:
        return None
    return re.compile(rf"(?<!\w)(?:{'|'.join(reversed(told))})(?!\w)", re.IGNORECASE)
