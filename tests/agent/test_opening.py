"""Opening a data directory: what is there again, what is refused, what a closed agent says."""

from __future__ import annotations

from pathlib import Path

import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.errors import EmbedderMismatchError, SettingsError, StoreUnavailableError
from tests.agent.films import films


def test_everything_is_there_after_opening_again(tmp_path: Path) -> None:
    with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        films(agent, "ana")
        agent.optimize_sync("ana")
        persona, episodes = agent.persona_sync("ana"), agent.memory.episodes.timeline("ana")
        facts = agent.memory.facts.current("ana")
    with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        assert agent.persona_sync("ana") == persona
        assert agent.memory.episodes.timeline("ana") == episodes
        assert agent.memory.facts.current("ana") == facts


@pytest.mark.parametrize("below", [".", "deeper"])
def test_a_data_directory_that_is_a_file_is_refused_and_kept(tmp_path: Path, below: str) -> None:
    place = tmp_path / "data"
    place.write_text("not yours")
    with pytest.raises(StoreUnavailableError, match="data"):
        PersonaAgent.open(place / below, embedder="hash")
    assert place.read_text() == "not yours"


def test_another_embedder_is_refused_and_loses_nothing(tmp_path: Path) -> None:
    with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        films(agent, "ana", 3)
    with pytest.raises(EmbedderMismatchError, match="hash-256"):
        PersonaAgent.open(tmp_path)
    with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        assert agent.memory.episodes.count("ana") == 3


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="PERSONA_AGENT_STORE"):
        PersonaAgent.open(tmp_path, store="mongo")
    with pytest.raises(SettingsError, match="no such setting"):
        PersonaAgent.open(tmp_path, colour="red")


def test_a_closed_agent_says_so(tmp_path: Path) -> None:
    agent = PersonaAgent.open(tmp_path, embedder="hash")
    agent.close()
    agent.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        agent.memory.episodes.count("ana")
