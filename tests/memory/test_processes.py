"""Several processes on one data directory: all is stored, and all of it is seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from persona_agent.memory import open_memory
from persona_agent.settings import Settings
from persona_agent.testing.conformance import make_episode

PROCESSES, EACH = 3, 12

WRITER = """
import sys
from pathlib import Path
from persona_agent.errors import ConflictError
from persona_agent.memory import open_memory
from persona_agent.memory.facts import Learned
from persona_agent.schema import Fact, Persona
from persona_agent.settings import Settings
from persona_agent.testing.conformance import make_episode

folder, name, each = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()  # all of them open the new folder at once
memory = open_memory(Settings(data_dir=folder, embedder="hash"))
conflicts = 0
for number in range(each):
    episode = make_episode(f"{name}-{number:02d}", day=number)
    memory.episodes.add([episode], memory.embedder.embed([episode.id]))
    memory.facts.learn("ann", [Learned(Fact(user_id="ann", text=f"{name} {number}",
        sources=(episode.id,)))], [episode])
    while True:
        latest = memory.personas.latest("ann")
        parent = latest.version if latest else None
        version = Persona(user_id="ann", version=f"{name}-{number}", parent=parent)
        try:
            memory.personas.put(version, expected=parent)
            break
        except ConflictError:
            conflicts += 1
memory.close()
"""


@pytest.mark.slow
def test_processes_write_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    arguments = [sys.executable, "-c", WRITER, str(folder)]
    writers = [
        subprocess.Popen(
            [*arguments, f"p{number}", str(EACH)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(PROCESSES)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"\n")
        writer.stdin.flush()
    reader = open_memory(Settings(data_dir=folder, embedder="hash"))
    question = reader.embedder.embed(["p1-05"])[0]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        # What is recalled, from the cache too, is never older than what is counted before.
        count = reader.episodes.count("ann")
        found = len(reader.episodes.recall("ann", question, limit=1_000))
        assert seen <= count <= found
        seen = found
    errors = [writer.communicate()[1].decode() for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * PROCESSES, errors
    expected = sorted(f"p{n}-{number:02d}" for n in range(PROCESSES) for number in range(EACH))
    assert sorted(episode.id for episode in reader.episodes.timeline("ann")) == expected
    recalled = reader.episodes.recall("ann", question, limit=1_000)
    assert sorted(one.episode.id for one in recalled) == expected
    assert len(reader.facts.current("ann")) == PROCESSES * EACH
    versions = reader.personas.history("ann")
    assert len(versions) == PROCESSES * EACH
    parents = [version.parent for version in versions]
    assert parents == [None, *(version.version for version in versions[:-1])]  # one chain
    reader.close()


def test_a_forgotten_user_is_gone_for_the_other_process_too(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, embedder="hash")
    one, other = open_memory(settings), open_memory(settings)
    episode = make_episode("e1")
    vector = one.embedder.embed(["tea"])
    one.episodes.add([episode], vector)
    assert len(other.episodes.recall("ann", vector[0], limit=3)) == 1
    one.forget("ann")
    assert other.episodes.recall("ann", vector[0], limit=3) == []
    other.episodes.add([episode], vector)  # a new beginning
    assert len(one.episodes.recall("ann", vector[0], limit=3)) == 1
    other.close()
    one.close()
