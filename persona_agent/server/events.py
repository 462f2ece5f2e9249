"""Sending server-sent events to a client that may leave at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send


class EventStream:
    """A response of server-sent events, which are no longer made once the client has left.

    Unlike Starlette's, it notices that also before the first event, for which a model may take its
    time, and costs a quarter of it. What fails until then is an ordinary error: nothing was sent.
    """

    _HEADERS = (
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-cache"),
        (b"x-accel-buffering", b"no"),
    )

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events. Raises ClientDisconnect, and what the first event raised."""
        begun = False
        with _while_connected(receive):
            async with aclosing(self._events) as events:
                async for event in events:
                    if not begun:
                        begun, head = True, list(self._HEADERS)
                        start = {"type": "http.response.start", "status": 200, "headers": head}
                        await send(start)
                    await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


@contextmanager
def _while_connected(receive: Receive) -> Iterator[None]:
    """End what is done inside when the client leaves. Raises ClientDisconnect."""
    task = asyncio.current_task()
    assert task is not None

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        task.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not watching.done() or task.uncancel():
            raise  # somebody else ends it
        raise ClientDisconnect from None
    finally:
        watching.cancel()
