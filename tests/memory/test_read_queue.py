"""Reads of concurrent tasks share a thread, and nothing else."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from persona_agent.errors import InputError
from persona_agent.memory.read_queue import ReadQueue
from persona_agent.memory.sqlite import SQLiteEpisodeStore
from persona_agent.testing.conformance import POOL, START, ids, make_episode

who = contextvars.ContextVar("who", default="nobody")


def test_reads_of_one_turn_run_in_order_in_one_thread() -> None:
    queue = ReadQueue()
    order: list[int] = []

    def read(number: int) -> int:
        order.append(number)
        return threading.get_ident()

    async def main() -> list[int]:
        return await asyncio.gather(*(queue.run(read, number) for number in range(32)))

    threads = asyncio.run(main())
    assert order == list(range(32))
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


def test_an_error_is_its_own_callers_alone() -> None:
    queue = ReadQueue()

    def read(number: int) -> int:
        if number == 1:
            raise InputError("not this one")
        return number

    async def main() -> list[int | BaseException]:
        reads = (queue.run(read, number) for number in range(3))
        return await asyncio.gather(*reads, return_exceptions=True)

    zero, one, two = asyncio.run(main())
    assert (zero, two) == (0, 2)
    assert isinstance(one, InputError)


def test_a_cancelled_caller_stops_nobody_else() -> None:
    queue = ReadQueue()
    ran: list[str] = []

    async def main() -> None:
        begun, go_on = threading.Event(), threading.Event()

        def slow() -> str:
            begun.set()
            go_on.wait(10)
            ran.append("slow")
            return "slow"

        tasks = [
            asyncio.create_task(queue.run(read)) for read in (slow, lambda: ran.append("never"))
        ]
        left = asyncio.create_task(queue.run(lambda: "left"))
        await asyncio.sleep(0)
        tasks[1].cancel()  # it waits behind the slow one, or has not been sent yet
        while not begun.is_set():
            await asyncio.sleep(0)
        tasks[0].cancel()  # it runs already: the caller is free at once
        await asyncio.wait(tasks)
        assert await left == "left"
        go_on.set()

    asyncio.run(main())
    assert ran == ["slow"]


def test_a_slow_read_does_not_hold_up_the_others() -> None:
    queue = ReadQueue()

    async def main() -> None:
        go_on = threading.Event()
        slow = asyncio.create_task(queue.run(go_on.wait, 10))
        others = [asyncio.create_task(queue.run(int, number)) for number in range(5)]
        assert await asyncio.gather(*others) == list(range(5))
        assert not slow.done()
        go_on.set()
        assert await slow

    asyncio.run(main())


def test_what_is_done_comes_back_before_a_slow_read_ends() -> None:
    queue = ReadQueue()

    async def main() -> None:
        go_on = threading.Event()
        quick = asyncio.create_task(queue.run(int, 7))
        slow = asyncio.create_task(queue.run(go_on.wait, 10))
        assert await quick == 7
        assert not slow.done()
        go_on.set()
        await slow

    asyncio.run(main())


def test_a_read_sees_the_context_of_its_caller() -> None:
    queue = ReadQueue()

    async def ask(name: str) -> str:
        who.set(name)
        return await queue.run(who.get)

    async def main() -> list[str]:
        return list(await asyncio.gather(ask("ann"), ask("bob"), queue.run(who.get)))

    assert asyncio.run(main()) == ["ann", "bob", "nobody"]


def test_several_loops_use_one_queue() -> None:
    queue = ReadQueue()
    found: list[list[int]] = []

    async def main() -> None:
        for _ in range(20):
            found.append(await asyncio.gather(*(queue.run(int, n) for n in range(8))))

    threads = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [list(range(8))] * 60


def test_a_loop_that_shuts_down_says_so() -> None:
    queue = ReadQueue()

    async def main() -> None:
        await asyncio.get_running_loop().shutdown_default_executor()
        with pytest.raises(RuntimeError, match="shutdown"):
            await queue.run(time.monotonic)

    asyncio.run(main())


def test_concurrent_recalls_each_have_their_own_user_and_filters(tmp_path: Path) -> None:
    store = SQLiteEpisodeStore(tmp_path / "memory.db", embedder="test")
    users = [f"u{number}" for number in range(8)]
    for user in users:
        store.add(
            [make_episode(f"{user}-{day}", user=user, day=day, n=day % 2) for day in range(4)],
            POOL[:4],
        )
    queue = ReadQueue()

    async def main() -> list[list[str]]:
        async def recall(number: int, user: str) -> list[str]:
            before = START + timedelta(days=number % 4)
            found = await queue.run(
                lambda: store.recall(user, POOL[0], limit=9, before=before, where={"n": 0})
            )
            return sorted(ids(found))

        return await asyncio.gather(*(recall(number, user) for number, user in enumerate(users)))

    expected = [
        [f"{user}-{day}" for day in range(number % 4) if day % 2 == 0]
        for number, user in enumerate(users)
    ]
    assert asyncio.run(main()) == expected
    store.close()
