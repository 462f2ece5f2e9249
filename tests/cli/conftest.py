from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from persona_agent.agent import PersonaAgent, facade
from persona_agent.cli.main import main
from persona_agent.protocols import ChatMessage
from persona_agent.schema import Claim, Persona, Section
from persona_agent.testing import ScriptedModel

Cli = Callable[..., CompletedProcess[str]]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PERSONA_AGENT_EMBEDDER", "hash")
    monkeypatch.setenv("PERSONA_AGENT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("PERSONA_AGENT_MODEL", raising=False)


@pytest.fixture
def replies() -> list[str | Exception]:
    """What the model says next in a chat; where nothing is left, it repeats the message."""
    return []


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, replies: list[str | Exception]) -> ScriptedModel:
    """The model that every command opens an agent with."""

    def chat(messages: Sequence[ChatMessage], tools: object) -> str | Exception:
        return replies.pop(0) if replies else f"You said: {messages[-1].content}"

    scripted = ScriptedModel(
        {"decide": {"choice": 2, "confidence": 0.75, "reason": "Always takes the train."}},
        chat=chat,
    )
    monkeypatch.setattr(facade, "create_model", lambda settings, embedder: scripted)
    return scripted


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], model: ScriptedModel) -> Cli:
    def run(*arguments: str) -> CompletedProcess[str]:
        capsys.readouterr()
        status = main(arguments)
        written = capsys.readouterr()
        return CompletedProcess(arguments, status, written.out, written.err)

    return run


@pytest.fixture
def agent(tmp_path: Path, model: ScriptedModel) -> Iterator[PersonaAgent]:
    """The agent of the data directory that the commands work on."""
    with PersonaAgent.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def ana(agent: PersonaAgent) -> PersonaAgent:
    """An agent that knows ana: four train rides, and two versions of her persona."""
    start = datetime(2026, 3, 1, 9, tzinfo=UTC)
    rides = [
        agent.record_sync(
            "ana",
            f"How to get to town {number}?",
            "train",
            options=["car", "train"],
            task="travel",
            at=start + timedelta(days=number),
        )
        for number in range(4)
    ]
    first = Claim(id="c1", section=Section.PREFERENCES, text="goes by car", evidence=(rides[0],))
    gone = Claim(id="c2", section=Section.STYLE, text="is in a hurry", evidence=(rides[1],))
    second = first.model_copy(update={"text": "goes by train", "evidence": tuple(rides)})
    added = Claim(id="c3", section=Section.VALUES, text="no flights", origin="user", pinned=True)
    old = Persona(user_id="ana", version="aa11", claims=(first, gone), cause="draft")
    new = Persona(
        user_id="ana", version="bb22", parent="aa11", claims=(second, added), cause="optimization"
    )
    agent.memory.personas.put(old, expected=None)
    agent.memory.personas.put(new, expected="aa11")
    return agent
