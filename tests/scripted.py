"""A model by script that is sampled, for tests of what depends on that."""

from __future__ import annotations

from persona_agent.testing import ScriptedModel


class Sampling(ScriptedModel):
    """A scripted model whose equal requests may get different answers."""

    @property
    def deterministic(self) -> bool:
        return False
