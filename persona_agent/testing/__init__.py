"""Fakes and suites for tests, of this library's users too."""

from persona_agent.memory.hash_embedder import HashEmbedder
from persona_agent.testing.models import RecordingModel, ReplayModel, ScriptedModel

__all__ = ["HashEmbedder", "RecordingModel", "ReplayModel", "ScriptedModel"]
