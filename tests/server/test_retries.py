"""A request that comes again under its ``Idempotency-Key`` while it is being answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from persona_agent.server.access import Person
from persona_agent.server.errors import ApiError
from persona_agent.server.request import ChatRequest
from persona_agent.server.retries import Retries

Make = Callable[[], Any]


def asked(key: str | None = "a", **body: Any) -> ChatRequest:
    return ChatRequest(
        body={"model": "m"} | body,
        messages=[],
        person=Person("ana", "ana"),
        thread="",
        streaming=False,
        usage_wanted=False,
        episode_id=key,
    )


class Upstream:
    """Counts what reaches it, and answers when it is let."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls = 0
        self.answering = asyncio.Event()
        self.error = error

    async def __call__(self) -> dict[str, Any]:
        self.calls += 1
        number = self.calls
        await self.answering.wait()
        if self.error:
            raise self.error
        return {"call": number}


async def begun(*waiting: Any) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.create_task(one) for one in waiting]
    await asyncio.sleep(0.01)
    return tasks


async def test_the_same_at_the_same_time_is_asked_once() -> None:
    retries, upstream = Retries(), Upstream()
    tasks = await begun(*(retries.complete(asked(), upstream) for _ in range(3)))
    upstream.answering.set()
    assert await asyncio.gather(*tasks) == [{"call": 1}] * 3
    assert await retries.complete(asked(), upstream) == {"call": 2}, "later it is asked anew"


async def test_what_differs_or_has_no_name_is_asked_apart() -> None:
    retries, upstream = Retries(), Upstream()
    others = (asked(), asked("b"), asked(None), asked(None), asked(temperature=1))
    tasks = await begun(*(retries.complete(one, upstream) for one in others))
    upstream.answering.set()
    assert len(await asyncio.gather(*tasks)) == upstream.calls == 5


async def test_an_error_is_told_to_all_and_not_kept() -> None:
    retries, upstream = Retries(), Upstream(ApiError(502, "gone"))
    tasks = await begun(*(retries.complete(asked(), upstream) for _ in range(2)))
    upstream.answering.set()
    for found in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(found, ApiError) and found.status == 502
    upstream.error = None
    assert await retries.complete(asked(), upstream) == {"call": 2}


async def test_who_leaves_takes_nobody_along() -> None:
    retries, upstream = Retries(), Upstream()
    first, second, third = await begun(*(retries.complete(asked(), upstream) for _ in range(3)))
    second.cancel()
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)
    upstream.answering.set()
    assert await third == {"call": 2}
    assert first.cancelled() and second.cancelled()


async def events(number: int) -> AsyncGenerator[bytes, None]:
    yield b"%d" % number
    yield b"end"


async def test_a_stream_is_refused_while_the_same_is_streamed() -> None:
    retries = Retries()
    first = retries.stream(asked(), events(1))
    assert await anext(first) == b"1"
    with pytest.raises(ApiError, match="is being answered") as caught:
        await anext(retries.stream(asked(), events(2)))
    assert (caught.value.status, caught.value.code) == (409, "conflict")
    for other in (asked("b"), asked(None), asked(stop="x")):
        assert [one async for one in retries.stream(other, events(3))] == [b"3", b"end"]
    await first.aclose()  # the client left
    assert [one async for one in retries.stream(asked(), events(4))] == [b"4", b"end"]
