"""A turn that is asked for again while it is under way: one call upstream for all of them.

A client that did not wait long enough sends its request again under the same ``Idempotency-Key``.
What is stored is stored once anyway; here the model is asked once, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from pydantic_core import to_json

from persona_agent.llm.relay import Body
from persona_agent.server.errors import ApiError

if TYPE_CHECKING:  # whoever reads requests knows the services, and these know this module
    from persona_agent.server.request import ChatRequest

_Key = tuple[str, str, bytes]


class Retries:
    """The turns under way that named themselves. Requests are one where all of them is the same."""

    def __init__(self) -> None:
        self._whole: dict[_Key, asyncio.Future[Body]] = {}
        self._streamed: set[_Key] = set()

    async def complete(self, asked: ChatRequest, make: Callable[[], Awaitable[Body]]) -> Body:
        """Return what ``make`` does, or the reply to an equal request that is under way.

        Its error is raised likewise. When the one under way is cancelled, the next is made.
        """
        if asked.episode_id is None:
            return await make()
        key = _key(asked, asked.episode_id)
        while (first := self._whole.get(key)) is not None:
            await asyncio.wait([first])  # which does not cancel it when this one is cancelled
            if not first.cancelled():
                return first.result()
        mine = self._whole[key] = asyncio.get_running_loop().create_future()
        try:
            reply = await make()
        except Exception as error:
            mine.set_exception(error)
            mine.exception()  # there may be nobody else to hear of it
            raise
        else:
            mine.set_result(reply)
            return reply
        finally:
            mine.cancel()  # nothing where it is done
            del self._whole[key]

    def stream(
        self, asked: ChatRequest, events: AsyncGenerator[bytes, None]
    ) -> AsyncGenerator[bytes, None]:
        """Return the events; they raise ApiError (409) while an equal request is streamed."""
        if asked.episode_id is None:
            return events
        return self._alone(_key(asked, asked.episode_id), events)

    async def _alone(
        self, key: _Key, events: AsyncGenerator[bytes, None]
    ) -> AsyncGenerator[bytes, None]:
        async with aclosing(events):
            if key in self._streamed:
                raise ApiError(
                    409,
                    "this request is being answered: wait until it has ended, or send another "
                    "Idempotency-Key",
                    code="conflict",
                    retry_after=1,
                )
            self._streamed.add(key)
            try:
                async for event in events:
                    yield event
            finally:
                self._streamed.discard(key)


def _key(asked: ChatRequest, episode_id: str) -> _Key:
    return episode_id, asked.thread, to_json(asked.body, inf_nan_mode="constants")
