"""The agent that most tests of this folder work on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from persona_agent.agent import PersonaAgent


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[PersonaAgent]:
    with PersonaAgent.open(tmp_path / "data", embedder="hash") as opened:
        yield opened
