"""Threads of the chat in one process: what they keep, whose they are, how they go."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import pytest

from persona_agent.agent.chat import Chat
from persona_agent.errors import ConflictError, StoreDamagedError, StoreUnavailableError
from persona_agent.memory import Memory
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel
from tests.agent.chats import contents, record


async def test_a_thread_remembers_across_turns_and_across_opening_again(
    memory: Memory, settings: Settings
) -> None:
    model = ScriptedModel(chat=["one", "two", "three"])
    chat = Chat(memory, model, settings)
    await chat.turn("ana", "first", thread="t")
    await chat.turn("ana", "second", thread="t")
    await chat.aclose()
    await Chat(memory, model, settings).turn("ana", "third", thread="t")
    assert contents(model.chats[1]) == ["first", "one", "second"]
    assert contents(model.chats[2]) == ["first", "one", "second", "two", "third"]
    assert [message.role for message in model.chats[2]] == [
        "system", "user", "assistant", "user", "assistant", "user",
    ]  # fmt: skip


async def test_users_with_the_same_thread_name_never_share(
    memory: Memory, settings: Settings
) -> None:
    model = ScriptedModel(chat=["for ana", "for ben", "for a mean name"])
    chat = Chat(memory, model, settings)
    await chat.turn("ana", "my secret", thread="t")
    await chat.turn("ben", "hello", thread="t")
    await chat.turn("an", "hello", thread="a:t")
    for messages in model.chats[1:]:
        assert len(messages) == 2
        assert not any("secret" in message.content for message in messages)


async def test_only_the_latest_messages_go_on_and_the_file_stays_small(
    memory: Memory, settings: Settings
) -> None:
    model = ScriptedModel(chat=lambda messages, tools: f"answer to {messages[-1].content}")
    chat = Chat(memory, model, settings)
    for number in range(14):
        await chat.turn("ana", f"message {number}", thread="t")
    assert contents(model.chats[-1])[0] == "message 3"
    assert len(model.chats[-1]) == 1 + 20 + 1
    with sqlite3.connect(settings.data_dir / "threads.db") as file:
        assert file.execute("SELECT count(*) FROM checkpoints").fetchone() == (1,)
        assert file.execute("SELECT count(*) FROM writes").fetchone() == (0,)
    file.close()


async def test_the_file_holds_no_copy_of_persona_and_memories(
    memory: Memory, settings: Settings
) -> None:
    record(memory, "ana", "a film about tea", "CANARY")
    chat = Chat(memory, ScriptedModel(chat=["ok"]), settings)
    turn = await chat.turn("ana", "a film about tea?", thread="t")
    assert turn.recalled
    stored = b"".join(path.read_bytes() for path in settings.data_dir.glob("threads.db*"))
    assert b"a film about tea?" in stored
    assert b"CANARY" not in stored


async def test_forget_removes_the_threads_of_this_user_only(
    memory: Memory, settings: Settings
) -> None:
    model = ScriptedModel(chat=lambda messages, tools: "ok")
    chat = Chat(memory, model, settings)
    assert await chat.forget("ana") == 0
    await chat.turn("ana", "my CANARY", thread="one")
    await chat.turn("ana", "another CANARY", thread="two")
    await chat.turn("ben", "mine", thread="one")
    assert await chat.forget("ana") == 2
    assert await chat.forget("ana") == 0
    stored = b"".join(path.read_bytes() for path in settings.data_dir.glob("threads.db*"))
    assert b"CANARY" not in stored
    await chat.turn("ben", "again", thread="one")
    assert contents(model.chats[-1]) == ["mine", "ok", "again"]
    await chat.turn("ana", "hello", thread="one")
    assert contents(model.chats[-1]) == ["hello"]


async def test_turns_in_one_thread_wait_for_each_other(memory: Memory, settings: Settings) -> None:
    async def slowly(messages: Any, tools: Any) -> str:
        await asyncio.sleep(0.05)
        return f"answer to {messages[-1].content}"

    model = ScriptedModel(chat=slowly)
    chat = Chat(memory, model, settings)
    await asyncio.gather(*(chat.turn("ana", f"m{n}", thread="t") for n in range(4)))
    assert [contents(messages)[-1] for messages in model.chats] == ["m0", "m1", "m2", "m3"]
    assert contents(model.chats[-1]) == [
        "m0", "answer to m0", "m1", "answer to m1", "m2", "answer to m2", "m3",
    ]  # fmt: skip


async def test_forget_waits_for_a_turn_and_gives_up_in_the_end(
    memory: Memory, settings: Settings
) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def held(messages: Any, tools: Any) -> str:
        started.set()
        await go_on.wait()
        return "ok"

    hurried = settings.model_copy(update={"timeout": 0.1})
    chat = Chat(memory, ScriptedModel(chat=held), hurried)
    turn = asyncio.ensure_future(chat.turn("ana", "one", thread="t"))
    await started.wait()
    with pytest.raises(ConflictError, match="still under way"):
        await chat.forget("ana")
    assert await chat.forget("ben") == 0
    go_on.set()
    await turn
    assert await chat.forget("ana") == 1


async def test_a_damaged_file_is_named_and_a_folder_in_its_place_too(
    memory: Memory, settings: Settings
) -> None:
    path = settings.data_dir / "threads.db"
    path.write_bytes(b"this is no database, whatever it is called" * 40)
    with pytest.raises(StoreDamagedError, match=r"threads\.db"):
        await Chat(memory, ScriptedModel(chat=["ok"]), settings).turn("ana", "hi", thread="t")
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreUnavailableError, match=r"threads\.db"):
        await Chat(memory, ScriptedModel(chat=["ok"]), settings).turn("ana", "hi", thread="t")
