"""Threads of the chat between processes: no turn is lost, and none waits for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from persona_agent.agent.chat import Chat
from persona_agent.agent.chat.threads import thread_id
from persona_agent.errors import ConflictError, StoreUnavailableError
from persona_agent.memory import open_memory
from persona_agent.memory.file_lock import hold
from persona_agent.protocols import ChatMessage
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel

TURNS = 4

TALKER = """
import asyncio, sys, time
from pathlib import Path
from persona_agent.agent.chat import Chat
from persona_agent.memory import open_memory
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel

folder, name, turns = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
settings = Settings(data_dir=folder, embedder="hash")
memory = open_memory(settings)

def answer(messages, tools):
    time.sleep(0.05)  # so that the turns of both would overlap
    return "ok"

chat = Chat(memory, ScriptedModel(chat=answer), settings)

async def talk():
    await chat.turn("ana", "warming up", thread=name)
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(turns):
        await chat.turn("ana", f"{name} {number}", thread="shared")

asyncio.run(talk())
memory.close()
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, embedder="hash", timeout=0.3)


async def said(settings: Settings, thread: str) -> list[str]:
    """Return what the next message in a thread is shown with."""
    shown: list[ChatMessage] = []

    def answer(messages: tuple[ChatMessage, ...], tools: object) -> str:
        shown.extend(messages[1:-1])
        return "ok"

    memory = open_memory(settings)
    await Chat(memory, ScriptedModel(chat=answer), settings).turn("ana", "?", thread=thread)
    memory.close()
    return [message.content for message in shown if message.role == "user"]


@pytest.mark.slow
async def test_turns_of_two_processes_in_one_thread_are_all_kept(settings: Settings) -> None:
    command = [sys.executable, "-c", TALKER, str(settings.data_dir)]
    talkers = [
        subprocess.Popen(
            [*command, name, str(TURNS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for name in ("one", "two")
    ]
    for talker in talkers:
        assert talker.stdout is not None
        assert talker.stdout.readline() == b"ready\n"
    for talker in talkers:
        assert talker.stdin is not None
        talker.stdin.write(b"\n")
        talker.stdin.flush()
    for talker in talkers:
        talker.communicate()
        assert talker.returncode == 0
    kept = await said(settings, "shared")
    for name in ("one", "two"):
        mine = [text for text in kept if text.startswith(name)]
        assert mine == [f"{name} {number}" for number in range(TURNS)]
    assert list(settings.data_dir.glob("threads.locks/*")) == []


async def test_a_thread_that_another_process_holds_is_an_error_in_time(settings: Settings) -> None:
    memory = open_memory(settings)
    chat = Chat(memory, ScriptedModel(chat=lambda messages, tools: "ok"), settings)
    folder = settings.data_dir / "threads.locks"
    folder.mkdir()
    other = hold(folder / f"{thread_id('ana', 't').replace(':', '-')}.lock")
    assert other is not None
    with pytest.raises(ConflictError, match=r"another process.*send the message again"):
        await chat.turn("ana", "hello", thread="t")
    with pytest.raises(ConflictError):
        await chat.forget("ana")
    assert memory.episodes.timeline("ana") == []
    await chat.turn("ana", "hello", thread="another")
    await chat.turn("ben", "hello", thread="t")
    other.close()  # as the operating system does when the process ends
    await chat.turn("ana", "hello", thread="t")
    assert await chat.forget("ana") == 2
    assert list(folder.iterdir()) == []
    memory.close()


async def test_two_chats_of_one_process_keep_each_others_turns(settings: Settings) -> None:
    first, second = open_memory(settings), open_memory(settings)
    chats = [
        Chat(memory, ScriptedModel(chat=lambda messages, tools: "ok"), settings)
        for memory in (first, second)
    ]
    for number in range(3):
        for chat in chats:
            await chat.turn("ana", f"message {number}", thread="t")
    first.close()
    second.close()
    assert len(await said(settings, "t")) == 6


async def test_a_place_that_cannot_be_locked(settings: Settings) -> None:
    memory = open_memory(settings)
    (settings.data_dir / "threads.locks").write_text("", encoding="utf-8")
    chat = Chat(memory, ScriptedModel(chat=["ok"]), settings)
    with pytest.raises(StoreUnavailableError, match=r"threads\.locks"):
        await chat.turn("ana", "hello", thread="t")
    memory.close()
