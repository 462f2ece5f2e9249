"""The offline model: typed prompts answered by sentence embeddings and counting."""

from persona_agent.llm.offline.model import OfflineModel

__all__ = ["OfflineModel"]
