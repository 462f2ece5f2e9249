"""The blocking twins: made of the async methods, on one loop, from any thread."""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from persona_agent.agent import ChatTurn, PersonaAgent
from persona_agent.agent.sync import LoopThread, blocking, blocking_iterator
from persona_agent.errors import InputError, StoreUnavailableError
from persona_agent.memory import open_memory
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel


class Sample:
    def __init__(self) -> None:
        self._background = LoopThread()
        self.closed = 0

    async def add(self, one: int, *, two: int = 2) -> int:
        """Add."""
        await asyncio.sleep(0)
        return one + two

    async def where(self) -> tuple[int, str]:
        return id(asyncio.get_running_loop()), threading.current_thread().name

    async def count(self, end: int, fail_at: int = -1) -> AsyncIterator[int]:
        """Count."""
        try:
            for number in range(end):
                if number == fail_at:
                    raise InputError("that far and no further")
                yield number
        finally:
            self.closed += 1

    async def wait(self) -> AsyncIterator[int]:
        """Wait for something that does not come before somebody presses Ctrl-C."""
        try:
            asyncio.get_running_loop().call_later(0.05, interrupt)
            yield await asyncio.sleep(60, 1)
        finally:
            self.closed += 1

    add_sync = blocking(add)
    where_sync = blocking(where)
    count_sync = blocking_iterator(count)
    wait_sync = blocking_iterator(wait)


@pytest.fixture
def sample() -> Iterator[Sample]:
    made = Sample()
    yield made
    made._background.close()


def test_a_twin_has_arguments_result_name_and_text(sample: Sample) -> None:
    assert sample.add_sync(1) == 3
    assert sample.add_sync(1, two=5) == 6
    assert Sample.add_sync.__name__ == "add_sync"
    assert Sample.add_sync.__qualname__ == "Sample.add_sync"
    assert Sample.add_sync.__doc__ == "Blocking twin of :meth:`add`.\n\nAdd."
    assert Sample.count_sync.__name__ == "count_sync"


def test_help_shows_the_arguments_of_a_twin() -> None:
    shown = inspect.signature(Sample.add_sync)
    assert str(shown) == "(self, one: 'int', *, two: 'int' = 2) -> 'int'"
    assert inspect.signature(Sample.count_sync).return_annotation == "Iterator[int]"
    assert "outcome" in inspect.signature(PersonaAgent.record_sync).parameters
    assert "InputError" in (PersonaAgent.record_sync.__doc__ or "")


def test_all_twins_run_on_one_loop_in_a_thread_of_its_own(sample: Sample) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: sample.where_sync(), range(16)))
    assert len(found) == 1
    assert found.pop()[1] == "persona-agent"


def test_an_iterator_yields_all_and_closes(sample: Sample) -> None:
    assert list(sample.count_sync(4)) == [0, 1, 2, 3]
    assert list(sample.count_sync(0)) == []
    assert sample.closed == 2


def test_an_iterator_that_is_left_early_is_closed(sample: Sample) -> None:
    stream = sample.count_sync(9)
    assert next(stream) == 0
    stream.close()  # type: ignore[attr-defined]
    assert sample.closed == 1


def test_an_error_passes_through(sample: Sample) -> None:
    found = []
    with pytest.raises(InputError, match="no further"):
        for number in sample.count_sync(9, fail_at=2):
            found.append(number)
    assert found == [0, 1]
    assert sample.closed == 1


def interrupt() -> None:
    """Press Ctrl-C, which wakes the main thread."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def test_a_caller_that_is_interrupted_ends_the_work(sample: Sample) -> None:
    ended: list[bool] = []

    async def work() -> None:
        asyncio.get_running_loop().call_later(0.05, interrupt)
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        sample._background.run(work())
    assert ended == [True]
    assert sample.add_sync(1) == 3, "the loop goes on"


def test_an_iterator_that_is_interrupted_is_closed(sample: Sample) -> None:
    with pytest.raises(KeyboardInterrupt):
        list(sample.wait_sync())
    assert sample.closed == 1


def test_closing_is_idempotent_and_ends_the_thread() -> None:
    loop = LoopThread()
    loop.close()

    async def thread() -> threading.Thread:
        return threading.current_thread()

    used = loop.run(thread())
    loop.close()
    loop.close()
    assert not used.is_alive()


def test_a_twin_that_would_wait_for_itself_says_so(sample: Sample) -> None:
    async def tool() -> int:
        return sample.add_sync(1)

    with pytest.raises(RuntimeError, match="await the async method there"):
        sample._background.run(tool())
    assert sample.add_sync(1) == 3, "the loop goes on"


def test_closing_ends_a_call_of_another_thread() -> None:
    loop, started = LoopThread(), threading.Event()
    ended: list[bool] = []

    async def work() -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(loop.run, work())
        assert started.wait(5)
        loop.close()
        with pytest.raises(StoreUnavailableError, match="closed during this call"):
            call.result(5)
    assert ended == [True]


def test_every_async_method_of_the_agent_has_a_twin() -> None:
    for name, method in inspect.getmembers(PersonaAgent, inspect.isfunction):
        waits = inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)
        if waits and not name.startswith("_") and name != "aclose":
            assert hasattr(PersonaAgent, f"{name}_sync"), name


def test_stream_twin_gives_pieces_and_then_the_turn(tmp_path: Path) -> None:
    chosen = Settings(data_dir=tmp_path, embedder="hash")
    model = ScriptedModel(chat=["Green tea, please.", "And again."])
    with PersonaAgent(open_memory(chosen), model, chosen) as agent:
        *pieces, turn = agent.stream_sync("ana", "Which tea?")
        assert "".join(str(piece) for piece in pieces) == "Green tea, please."
        assert isinstance(turn, ChatTurn)
        assert turn.text == "Green tea, please."
        assert agent.chat_sync("ana", "Once more?").text == "And again."


async def test_async_and_blocking_calls_see_the_same_data(tmp_path: Path) -> None:
    agent = PersonaAgent.open(tmp_path, embedder="hash")
    try:
        await agent.record("ana", "tea?", "yes", options=("yes", "no"), id="a")
        await asyncio.to_thread(agent.record_sync, "ana", "tea?", "no", id="b")
        made = await agent.decide("ana", "tea?", ("yes", "no"))
        assert {one.id for one in agent.memory.episodes.timeline("ana")} == {
            "a", "b", made.episode_id,
        }  # fmt: skip
    finally:
        await asyncio.to_thread(agent.close)


def test_twins_from_many_threads_lose_nothing(tmp_path: Path) -> None:
    with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: agent.record_sync("ana", f"q{n}", "yes"), range(24)))
        assert agent.memory.episodes.count("ana") == 24
