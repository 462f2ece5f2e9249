"""``memory check`` and ``memory rebuild`` over all that a data directory holds."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest

from persona_agent.agent.chat import Chat
from persona_agent.cli.main import main
from persona_agent.memory import open_memory
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel
from persona_agent.testing.conformance import make_episode


@pytest.mark.slow
def test_every_damaged_file_is_told_and_made_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path, embedder="hash", store="chroma")
    monkeypatch.setenv("PERSONA_AGENT_EMBEDDER", "hash")
    options = ["--data-dir", str(tmp_path)]
    with closing(open_memory(settings)) as memory:
        memory.episodes.add([make_episode("e1")], memory.embedder.embed(["question e1"]))
        chat = Chat(memory, ScriptedModel(chat=["ok"]), settings)
        asyncio.run(chat.turn("ann", "hello", thread="t"))
    assert main(["memory", "check", *options]) == 0
    sound = capsys.readouterr().out.splitlines()
    assert sound == [
        "memory.db: sound: nothing",
        "personas.db: sound: nothing",
        "chroma: sound: 2 episodes",
        "threads.db: sound: 1 thread",
    ]
    for name in ("threads.db", "chroma/chroma.sqlite3"):
        with (tmp_path / name).open("r+b") as file:
            file.write(bytes(100))
    assert main(["memory", "check", *options, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert {one["file"]: bool(one["problem"]) for one in told["files"]} == {
        "memory.db": False,
        "personas.db": False,
        "chroma": True,
        "threads.db": True,
    }
    assert main(["memory", "rebuild", *options]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "chroma: 2 episodes; what it was made from is kept beside it",
        "threads.db: 1 threads; what it was made from is kept beside it",
    ]
    assert main(["memory", "check", *options]) == 0
    assert capsys.readouterr().out.splitlines() == sound
    assert main(["memory", "rebuild", *options]) == 0
    assert capsys.readouterr().out == "nothing is damaged\n"
