"""Fakes and checks for tests of this library and of what is built on it.

Scripted and replayed language models, an embedder without a model, and the conformance suite that
every episode store has to pass (it needs pytest and hypothesis). Loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from persona_agent.testing.conformance import EpisodeStoreConformance, episode_store_machine
    from persona_agent.testing.embedder import CountingEmbedder, HashEmbedder
    from persona_agent.testing.models import RecordingModel, ReplayModel, ScriptedModel

_HOMES = {
    "CountingEmbedder": "persona_agent.testing.embedder",
    "EpisodeStoreConformance": "persona_agent.testing.conformance",
    "HashEmbedder": "persona_agent.testing.embedder",
    "RecordingModel": "persona_agent.testing.models",
    "ReplayModel": "persona_agent.testing.models",
    "ScriptedModel": "persona_agent.testing.models",
    "episode_store_machine": "persona_agent.testing.conformance",
}

__all__ = [
    "CountingEmbedder",
    "EpisodeStoreConformance",
    "HashEmbedder",
    "RecordingModel",
    "ReplayModel",
    "ScriptedModel",
    "episode_store_machine",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
