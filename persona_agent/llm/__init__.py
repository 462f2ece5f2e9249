"""Language models: the offline one and any provider through LiteLLM. Importing this is cheap."""

from __future__ import annotations

from persona_agent.llm.accounting import (
    AccountedModel,
    Budget,
    Ledger,
    UsageMeter,
    account,
    limit,
)
from persona_agent.protocols import Embedder, LanguageModel
from persona_agent.settings import OFFLINE, Settings

__all__ = [
    "AccountedModel",
    "Budget",
    "Ledger",
    "UsageMeter",
    "account",
    "create_model",
    "limit",
]


def create_model(
    settings: Settings, embedder: Embedder, *, meter: UsageMeter | None = None
) -> LanguageModel:
    """Return the model that the settings name; no connection is made and no key is needed yet.

    ``meter`` books the calls of a real model, so that several models share one budget.
    """
    if settings.model == OFFLINE:
        from persona_agent.llm.offline import OfflineModel

        return OfflineModel(embedder)
    from persona_agent.llm.litellm_model import LiteLLMModel

    return LiteLLMModel(settings, meter=meter)
