"""Context policies: what is worth showing to the model for this user."""

from __future__ import annotations

from persona_agent.schema import ContextPolicy

FULL = ContextPolicy(recalled=8)
RAG_STATISTICS = FULL.model_copy(update={"show_claims": False, "drop_superseded": False})
RAG = RAG_STATISTICS.model_copy(update={"show_statistics": False})
DEEP = FULL.model_copy(update={"recalled": 24})
NO_STATISTICS = FULL.model_copy(update={"show_statistics": False})
UNALIGNED = RAG.model_copy(update={"show_claims": True})
SPARSE = ContextPolicy(recalled=1, show_demonstrations=True)  # few cases leave room for examples

# The generic prompt and plain retrieval are always among the candidates, so that nobody is served
# worse than with them. The first is the default: it is left only for a clear winner.
CANDIDATES: dict[str, ContextPolicy] = {
    "full": FULL,
    "no statistics": NO_STATISTICS,
    "deep": DEEP,
    "sparse": SPARSE,
    "rag+stats": RAG_STATISTICS,
    "rag": RAG,
    "generic": ContextPolicy.generic(),
}
