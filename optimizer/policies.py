"""Context policies: what is worth showing to the model for this user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from persona_agent.persona import too_many
from persona_agent.persona.render import estimate_tokens
from persona_agent.schema import ContextPolicy, Episode

FULL = ContextPolicy(recalled=8)
RAG_STATISTICS = FULL.model_copy(update={"show_claims": False, "drop_superseded": False})
RAG = RAG_STATISTICS.model_copy(update={"show_statistics": False})
DEEP = FULL.model_copy(update={"recalled": 24})
MANY = RAG.model_copy(update={"recalled": 100})
NO_STATISTICS = FULL.model_copy(update={"show_statistics": False})
UNALIGNED = RAG.model_copy(update={"show_claims": True})
SPARSE = ContextPolicy(recalled=1, show_demonstrations=True)  # few cases leave room for examples

# The generic prompt and plain retrieval are always among the candidates, so that nobody is served
# worse than with them.
CANDIDATES: dict[str, ContextPolicy] = {
    "full": FULL,
    "no statistics": NO_STATISTICS,
    "deep": DEEP,
    "sparse": SPARSE,
    "rag+stats": RAG_STATISTICS,
    "rag": RAG,
    "generic": ContextPolicy.generic(),
}

MANY_TOKENS = 6_000
"""What the cases of MANY may take of a prompt: beyond it, their gain is not worth their price."""
SOME = 0.2
"""Share of choices among new things for claims to be shown from the start."""


def first_policy(history: Sequence[Episode]) -> ContextPolicy:
    """Return the policy that a search begins with; it is left only for a clear winner.

    Where the same options recur, counting and recall carry most, and claims have to earn their
    place. Where some choices are among new things, only claims tell what these have in common.
    Answers that were picked from no list, and that are too many to be counted, say little each:
    there more cases tell more than counts, as long as they are short.
    """
    if _free(history) and _short(history):
        return MANY
    offered = Counter(
        (episode.query.task_name, option)
        for episode in history
        for option in set(episode.query.options)
    )
    new = sum(
        bool(episode.query.options) and offered[episode.query.task_name, episode.outcome or ""] == 1
        for episode in history
    )
    return FULL if new > SOME * len(history) else RAG_STATISTICS


def _free(history: Sequence[Episode]) -> bool:
    """Tell whether most answers were picked from no list, and are too many to be counted."""
    free = [episode for episode in history if not episode.query.options]
    return 2 * len(free) > len(history) and too_many(free)


def _short(history: Sequence[Episode]) -> bool:
    """Tell whether as many cases as MANY shows are within their tokens."""
    texts = [f"{episode.query.text} {episode.outcome}" for episode in history]
    return MANY.recalled * sum(map(estimate_tokens, texts)) <= MANY_TOKENS * len(texts)
