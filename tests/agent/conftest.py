"""What most tests of this folder work on: an agent, or the memory that a chat works on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.memory import Memory, open_memory
from persona_agent.schema import Claim, Persona, Section
from persona_agent.settings import Settings


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[PersonaAgent]:
    with PersonaAgent.open(tmp_path / "data", embedder="hash") as opened:
        yield opened


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, embedder="hash")


@pytest.fixture
def memory(settings: Settings) -> Iterator[Memory]:
    opened = open_memory(settings)
    yield opened
    opened.close()


@pytest.fixture
def claims_of_ana(memory: Memory) -> None:
    claims = (
        Claim(section=Section.VALUES, text="never eats meat", origin="user"),
        Claim(section=Section.STYLE, text="wants one line", origin="user"),
    )
    memory.personas.put(Persona(user_id="ana", claims=claims), expected=None)
