"""What many callers ask for at once is done together, and what fails for one fails for one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.agent.batches import WORKERS, Batches
from persona_agent.agent.recorder import Recorder
from persona_agent.errors import InputError, StoreUnavailableError
from persona_agent.schema import Episode, Query


async def test_what_comes_meanwhile_is_one_batch() -> None:
    seen, may_go = list[list[int]](), asyncio.Event()

    async def double(items: list[int]) -> Sequence[int | Exception]:
        seen.append(items)
        await may_go.wait()
        return [2 * item for item in items]

    batches = Batches(double, most=3)
    tasks = [asyncio.create_task(batches.add(number)) for number in range(6)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    may_go.set()
    assert await asyncio.gather(*tasks) == [0, 2, 4, 6, 8, 10]
    assert (
        sorted(item for batch in seen for item in batch) == list(range(6))
        and max(map(len, seen)) == 3
    )
    assert len(seen) <= 3


async def test_an_item_that_comes_when_the_last_worker_ends_is_done() -> None:
    async def same(items: list[int]) -> Sequence[int | Exception]:
        return items

    batches = Batches(same, most=8)

    async def one_after_the_other(start: int) -> list[int]:
        return [await batches.add(number) for number in range(start, start + 200)]

    async with asyncio.timeout(10):
        found = await asyncio.gather(*(one_after_the_other(1000 * n) for n in range(5)))
    assert found == [list(range(1000 * n, 1000 * n + 200)) for n in range(5)]


async def test_an_error_is_raised_for_its_own_item_only() -> None:
    async def tried(items: list[int]) -> Sequence[int | Exception]:
        return [InputError("odd") if item % 2 else item for item in items]

    batches = Batches(tried, most=8)
    found = await asyncio.gather(*map(batches.add, range(4)), return_exceptions=True)
    assert found[0::2] == [0, 2] and all(isinstance(one, InputError) for one in found[1::2])


async def test_a_batch_that_fails_fails_for_all_and_the_next_one_works() -> None:
    failures = [StoreUnavailableError("disk full")]

    async def failing(items: list[int]) -> Sequence[int | Exception]:
        if failures:
            raise failures.pop()
        return items

    batches = Batches(failing, most=8)
    found = await asyncio.gather(*map(batches.add, range(3)), return_exceptions=True)
    assert all(isinstance(one, StoreUnavailableError) for one in found)
    assert await batches.add(7) == 7


async def test_one_that_takes_long_does_not_hold_up_the_others() -> None:
    may_go = asyncio.Event()

    async def slow_for_zero(items: list[int]) -> Sequence[int | Exception]:
        if 0 in items:
            await may_go.wait()
        return items

    batches = Batches(slow_for_zero, most=8, patience=0.02)
    slow = asyncio.create_task(batches.add(0))
    await asyncio.sleep(0.05)
    assert await asyncio.wait_for(batches.add(1), timeout=5) == 1
    assert not slow.done()
    may_go.set()
    assert await slow == 0 and WORKERS > 1


async def test_a_caller_that_leaves_takes_nothing_back_and_closing_waits() -> None:
    done, may_go = list[int](), asyncio.Event()

    async def noting(items: list[int]) -> Sequence[int | Exception]:
        await may_go.wait()
        done.extend(items)
        return items

    batches = Batches(noting, most=1)
    leaving = asyncio.create_task(batches.add(1))
    staying = asyncio.create_task(batches.add(2))
    await asyncio.sleep(0.01)
    leaving.cancel()
    closing = asyncio.create_task(batches.aclose())
    await asyncio.sleep(0.01)
    assert not closing.done()
    may_go.set()
    await closing
    assert done == [1, 2] and await staying == 2


async def test_an_episode_that_cannot_be_stored_does_not_lose_those_of_others(
    tmp_path: Path,
) -> None:
    def episode(user: str, number: float) -> Episode:
        return Episode(user_id=user, query=Query(text="supper"), metadata={"number": number})

    async with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        recorder = Recorder(agent)
        first = asyncio.create_task(recorder.add(episode("ana", 0)))
        await asyncio.sleep(0)
        found = await asyncio.gather(
            first,
            *(recorder.add(episode(user, value)) for user, value in (("ben", 1), ("eve", 1e999))),
            recorder.add(episode("cleo", 2)),
            return_exceptions=True,
        )
        assert [isinstance(one, InputError) for one in found] == [False, False, True, False]
        with pytest.raises(InputError, match="finite"):
            await recorder.add(episode("eve", 1e999))
        for user, count in (("ana", 1), ("ben", 1), ("cleo", 1), ("eve", 0)):
            assert len(await agent.episodes(user)) == count
