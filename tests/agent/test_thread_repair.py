"""A damaged file of threads: what is told of it, and the new one made from what is readable."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from persona_agent.agent.chat import Chat
from persona_agent.agent.chat.thread_repair import check_threads, rebuild_threads
from persona_agent.errors import StoreDamagedError, StoreUnavailableError
from persona_agent.memory import open_memory
from persona_agent.memory.rebuild import FileCheck
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel

USERS = tuple(f"user{number}" for number in range(8))


async def talk(settings: Settings, message: str, users: tuple[str, ...] = USERS) -> list[str]:
    """Have each user say something; return the first words of what each was shown with it."""
    model = ScriptedModel(chat=lambda messages, tools: "ok " + "long " * 500)
    memory = open_memory(settings)
    chat = Chat(memory, model, settings)
    for user in users:
        await chat.turn(user, f"{message} of {user}", thread="t")
    memory.close()
    return [
        " ".join(one.content.split()[0] for one in messages[1:] if one.role == "user")
        for messages in model.chats
    ]


async def test_sound_threads_are_told_so(settings: Settings) -> None:
    assert check_threads(settings.data_dir) is None
    assert rebuild_threads(settings.data_dir) is None
    await talk(settings, "first")
    await talk(settings, "second")
    assert check_threads(settings.data_dir) == FileCheck(
        file="threads.db", readable={"threads": len(USERS)}
    )
    assert rebuild_threads(settings.data_dir) is None


async def test_a_wrong_header_costs_no_thread(settings: Settings) -> None:
    await talk(settings, "first")
    path = settings.data_dir / "threads.db"
    with path.open("r+b") as file:
        file.write(bytes(100))
    with pytest.raises(StoreDamagedError, match="memory rebuild"):
        await talk(settings, "lost")
    found = check_threads(settings.data_dir)
    assert found is not None and found.problem
    assert found.readable == {"threads": len(USERS)}
    assert rebuild_threads(settings.data_dir) == {"threads": len(USERS)}
    assert await talk(settings, "second") == ["first second"] * len(USERS)
    assert (settings.data_dir / "threads.db.damaged1").exists()


async def test_threads_on_pages_of_garbage_are_lost_and_no_other(settings: Settings) -> None:
    await talk(settings, "first")
    path = settings.data_dir / "threads.db"
    content = bytearray(path.read_bytes())
    size = len(content) // 3
    content[size : 2 * size] = b"\xa5" * size
    path.write_bytes(content)
    found = check_threads(settings.data_dir)
    assert found is not None and found.problem
    made = rebuild_threads(settings.data_dir)
    assert made == found.readable
    assert made is not None and 0 < made["threads"] < len(USERS)
    shown = await talk(settings, "second")
    assert shown.count("first second") == made["threads"]
    assert shown.count("second") == len(USERS) - made["threads"]


async def test_a_checkpoint_that_cannot_be_read_is_left_behind(settings: Settings) -> None:
    await talk(settings, "first", USERS[:2])
    with closing(sqlite3.connect(settings.data_dir / "threads.db")) as file, file:
        file.execute(
            "UPDATE checkpoints SET checkpoint = x'c1' WHERE thread_id = "
            "(SELECT min(thread_id) FROM checkpoints)"
        )
    found = check_threads(settings.data_dir)
    assert found == FileCheck(
        file="threads.db", problem="1 checkpoints cannot be read", readable={"threads": 1}
    )
    assert rebuild_threads(settings.data_dir) == {"threads": 1}
    assert sorted(await talk(settings, "second", USERS[:2])) == ["first second", "second"]


async def test_a_file_of_something_else_is_set_aside(settings: Settings) -> None:
    path = settings.data_dir / "threads.db"
    path.write_bytes(b"this is no database, whatever it is called" * 400)
    assert rebuild_threads(settings.data_dir) == {}
    assert (settings.data_dir / "threads.db.damaged1").read_bytes().startswith(b"this is no")
    assert await talk(settings, "first", USERS[:1]) == ["first"]
    memory = open_memory(settings)
    memory.forget("user0")
    memory.close()
    assert not (settings.data_dir / "threads.db.damaged1").exists()


@pytest.mark.slow
async def test_a_file_in_use_is_not_rebuilt(settings: Settings, tmp_path: Path) -> None:
    await talk(settings, "first", USERS[:1])
    code = (
        f"import sqlite3, sys; file = sqlite3.connect({str(tmp_path / 'threads.db')!r}); "
        "file.execute('SELECT * FROM checkpoints').fetchall(); print('open', flush=True); "
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StoreUnavailableError, match="another process"):
            rebuild_threads(settings.data_dir)
        other.communicate(b"")
