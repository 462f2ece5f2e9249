"""One chat turn through the server: recall, forward, remember, acknowledge, and its trace."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from persona_agent.agent.proxy import ProxyTurn
from persona_agent.agent.traces import Trace
from persona_agent.llm import Ledger, account, limit
from persona_agent.llm.relay import Body, Gathered
from persona_agent.schema import Usage
from persona_agent.server.errors import as_api_error
from persona_agent.server.request import ChatRequest
from persona_agent.server.services import Services

DONE = b"data: [DONE]\n\n"


class ServedTurn:
    """A turn under way. Use :meth:`complete` or :meth:`stream`, once.

    What the client gets as the end of a turn (the response, or ``finish_reason``) is sent after
    the exchange is durable; ``persona.episode_id`` in it acknowledges that.
    """

    def __init__(self, services: Services, request: ChatRequest) -> None:
        self._services = services
        self._request = request
        self._gathered = Gathered()
        self._seconds: dict[str, float] = {}
        self._turn: ProxyTurn | None = None
        self._remembered = False
        self._usage = Usage()

    @property
    def id(self) -> str:
        """Under which its trace is kept; "" until it is known what to send."""
        return self._turn.episode_id if self._turn is not None else ""

    async def complete(self) -> Body:
        """Return the response. Raises what recalling, forwarding or storing raised."""
        async with self._services.gate.turn(self._request.person.id):
            began, error = time.perf_counter(), ""
            try:
                return await self._completed()
            except BaseException as problem:
                error = _named(problem)
                raise
            finally:
                self._end(began, error)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield server-sent events. Raises only before the first; later, an error is an event."""
        async with self._services.gate.turn(self._request.person.id):
            began, error, sent = time.perf_counter(), "", False
            try:
                turn = await self._prepared()
                async with aclosing(self._pieces(turn)) as pieces:
                    async for chunk in pieces:
                        if not sent:
                            sent = True
                            self._seconds["first_piece"] = time.perf_counter() - began
                        yield _event(chunk)
                yield DONE
            except (GeneratorExit, asyncio.CancelledError):
                error = "" if self._remembered else "the client went away"
                raise
            except Exception as problem:
                error = _named(problem)
                if not sent:
                    raise
                yield _event(as_api_error(problem).body())
            finally:
                self._end(began, error)

    async def _completed(self) -> Body:
        turn = await self._prepared()
        begin = time.perf_counter()
        with self._accounted() as spent:
            reply = await self._services.relay.complete(self._body(turn))
        self._seconds["upstream"] = time.perf_counter() - begin
        self._usage = spent.used
        self._gathered.add(reply)
        await self._remember(turn)
        return reply | {"persona": self._acknowledgement(turn)}

    async def _pieces(self, turn: ProxyTurn) -> AsyncGenerator[Body, None]:
        """Yield the upstream's chunks; those from ``finish_reason`` on when all is stored."""
        gathered, held = self._gathered, list[Body]()
        begin = time.perf_counter()
        with self._accounted() as spent:
            stream = self._services.relay.stream(self._body(turn), gathered)
            async with aclosing(stream) as chunks:
                async for chunk in chunks:
                    if not chunk.get("choices") and not self._request.usage_wanted:
                        continue
                    if gathered.finished:
                        held.append(chunk)
                    else:
                        yield chunk
        self._seconds["upstream"] = time.perf_counter() - begin
        self._usage = spent.used
        await self._remember(turn)
        for place, chunk in enumerate(held):
            yield chunk if place else chunk | {"persona": self._acknowledgement(turn)}

    async def _prepared(self) -> ProxyTurn:
        begin, request = time.perf_counter(), self._request
        self._turn = await self._services.proxy.prepare(
            request.person.id,
            request.messages,
            thread=request.thread,
            episode_id=request.episode_id,
        )
        self._seconds["recall"] = time.perf_counter() - begin
        return self._turn

    async def _remember(self, turn: ProxyTurn) -> None:
        begin = time.perf_counter()
        if not self._gathered.tools:  # the host runs them and comes back with the results
            self._remembered = await self._services.proxy.remember(turn, self._gathered.text)
        self._seconds["remember"] = time.perf_counter() - begin

    @contextmanager
    def _accounted(self) -> Iterator[Ledger]:
        """Book the calls made inside to the user's chat; the ledger tells what they used."""
        with account(user_id=self._request.person.id, purpose="chat"), limit() as spent:
            yield spent

    def _body(self, turn: ProxyTurn) -> Body:
        return self._request.body | {"messages": turn.messages}

    def _acknowledgement(self, turn: ProxyTurn) -> Body:
        return {
            "turn": turn.episode_id,
            "episode_id": turn.episode_id if self._remembered else None,
            "version": turn.persona_version or None,
            "recalled": [one.episode.id for one in turn.recalled],
        }

    def _end(self, began: float, error: str) -> None:
        """Count the turn and keep its trace."""
        seconds, metrics = self._seconds, self._services.metrics
        seconds["total"] = time.perf_counter() - began
        metrics.count("turns_total", outcome="error" if error else "ok")
        metrics.observe("turn_seconds", seconds["total"])
        metrics.observe("own_seconds", seconds.get("recall", 0) + seconds.get("remember", 0))
        if "first_piece" in seconds:
            metrics.observe("first_piece_seconds", seconds["first_piece"])
        if self._remembered:
            metrics.count("remembered_total")
        metrics.count("tokens_total", self._usage.prompt_tokens, kind="prompt")
        metrics.count("tokens_total", self._usage.completion_tokens, kind="completion")
        metrics.count("cost_usd_total", self._usage.cost_usd)
        if self._turn is not None:
            self._services.tracer.add(self._trace(self._turn, error))

    def _trace(self, turn: ProxyTurn, error: str) -> Trace:
        # As plain values: pydantic makes records of them in one go.
        recalled: Any = tuple(
            {"episode_id": one.episode.id, "score": one.score, "similarity": one.similarity}
            for one in turn.recalled
        )
        return Trace(
            id=turn.episode_id,
            user_id=turn.user,
            at=turn.at,
            thread=turn.thread,
            model=self._services.model,
            streamed=self._request.streaming,
            persona_version=turn.persona_version,
            claims=turn.claims,
            recalled=recalled,
            tools_offered=self._request.tools,
            tools_called=tuple(self._gathered.tools.values()),
            usage=self._usage,
            seconds={name: round(value, 6) for name, value in self._seconds.items()},
            remembered=self._remembered,
            error=error,
        )


def _event(body: Body) -> bytes:
    # In ASCII: there are clients to whom more than line feeds ends a line.
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def _named(problem: BaseException) -> str:
    """Return what went wrong without any text of the user: the kind of error."""
    if isinstance(problem, asyncio.CancelledError | GeneratorExit):
        return "the turn was cancelled"
    told = as_api_error(problem) if isinstance(problem, Exception) else None
    return f"{type(problem).__name__} ({told.status})" if told else type(problem).__name__
