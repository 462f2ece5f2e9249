"""The chat: threads of messages, answered with the user's persona and memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from persona_agent.agent.chat.drafts import Weighed
from persona_agent.agent.chat.repairs import Repairs
from persona_agent.agent.chat.threads import ThreadFile, ThreadLocks, thread_id, user_prefix
from persona_agent.agent.chat.tools import ChatTool, Toolbox, ToolFunction, built_in_tools
from persona_agent.agent.chat.turn import Steps, Turn
from persona_agent.agent.inputs import explain
from persona_agent.agent.served import no_persona
from persona_agent.agent.traces import TRACES_FILE, RecalledTrace, Trace, TraceStore
from persona_agent.errors import (
    ConflictError,
    InputError,
    MissingExtraError,
    StoreError,
    StoreUnavailableError,
)
from persona_agent.llm import AccountedModel, create_model
from persona_agent.persona.render import claims_shown
from persona_agent.protocols import LanguageModel, Tool
from persona_agent.schema import Recalled, Usage, UserId
from persona_agent.schema.base import Record
from persona_agent.schema.episode import Text
from persona_agent.settings import Settings

if TYPE_CHECKING:
    from persona_agent.agent.chat.graph import ChatGraph
    from persona_agent.memory import Memory

THREADS_FILE = "threads.db"
LOCKS_FOLDER = "threads.locks"


class ChatTurn(Record):
    """One answered message.

    ``episode_id`` is what feedback attaches to. ``recalled`` are the memories that the model got
    to see with the message, ``tool_calls`` the names of the tools that it called, in order.
    ``usage`` is what this turn cost, ``costs`` the same by step: answer, mediator, candidates,
    critic (with the listener). ``request`` is what the mediator made of the message,
    ``weighed`` how the drafts came out, ``problems`` why a repair was left out.
    """

    text: str
    episode_id: str
    thread: str
    recalled: tuple[Recalled, ...] = ()
    persona_version: str
    tool_calls: tuple[str, ...] = ()
    usage: Usage = Usage()
    costs: dict[str, Usage] = Field(default_factory=dict)
    request: str = ""
    weighed: Weighed | None = None
    problems: tuple[str, ...] = ()


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


@dataclass
class _Reader:
    """Who reads a turn: what waits to be read, what was, and whether nobody reads any more."""

    pieces: asyncio.Queue[str | Turn | None] = field(default_factory=asyncio.Queue)
    sent: str = ""
    left: bool = False


class _Message(Record):
    user: UserId
    thread: UserId
    text: Annotated[Text, StringConstraints(min_length=1), AfterValidator(_not_blank)]


class Chat:
    """Chats with many users at once, from any event loop; each thread does one turn at a time."""

    def __init__(
        self,
        memory: Memory,
        model: LanguageModel,
        settings: Settings,
        *,
        critic: LanguageModel | None = None,
    ) -> None:
        """Take what turns work with; ``critic`` is the model inside repairs.

        By default it is the one that the settings name, else ``model``.
        """
        self.critic = critic or _critic(settings, memory, model)
        self._owns_critic = critic is None and self.critic is not model
        self._file = ThreadFile(settings.data_dir / THREADS_FILE)
        self._traces = settings.data_dir / TRACES_FILE
        self._model_name = model.name
        self._timeout = settings.timeout
        self._locks = ThreadLocks(settings.data_dir / LOCKS_FOLDER, timeout=settings.timeout)
        self._under_way: set[asyncio.Task[None]] = set()
        self._starting = threading.Lock()
        self._graph: ChatGraph | None = None
        self._tools = Toolbox(
            built_in_tools(memory, wikipedia=settings.wikipedia, timeout=settings.timeout),
            timeout=settings.timeout,
        )
        self._steps = Steps(
            memory,
            model,
            self._tools,
            repairs=Repairs.of(settings, self.critic, memory.embedder),
            persona_tokens=settings.persona_tokens,
            keep_secrets=settings.keep_secrets,
        )

    def add_tool(self, tool: Tool, run: ToolFunction) -> None:
        """Offer the model another tool, an async function or a plain one.

        Raises InputError when there is one of that name.
        """
        self._tools.add(ChatTool(tool, run))

    async def turn(self, user: str, text: str, *, thread: str) -> ChatTurn:
        """Answer one message.

        Raises:
            InputError: a value is not valid.
            ConflictError: another process stays busy in this thread; nothing was done.
            ModelError: no usable answer came; the thread is as it was.
            MissingExtraError: LangGraph is not installed.
            StoreError: the turn could not be stored.
        """
        async with aclosing(self._run(_turn(user, text, thread, streaming=False))) as pieces:
            async for piece in pieces:
                if isinstance(piece, ChatTurn):
                    return piece
        raise AssertionError("a run ends in a turn or an error")

    async def stream(
        self, user: str, text: str, *, thread: str
    ) -> AsyncGenerator[str | ChatTurn, None]:
        """Yield pieces of the answer as they come, then the whole turn as the last item.

        Text that the model writes beside a tool call is streamed, but is no part of the answer.
        Raises what :meth:`turn` raises. Of a turn that is left early (the iterator is closed, its
        reader cancelled) the message is stored with what of the answer was sent; the thread stays
        as it was. One that still waited for its thread was not begun, and leaves nothing.
        """
        async with aclosing(self._run(_turn(user, text, thread, streaming=True))) as pieces:
            async for piece in pieces:
                yield piece

    async def forget(self, user: str) -> int:
        """Remove all threads of a user, after the turns under way; return how many there were.

        Raises:
            ConflictError: a turn of the user did not end in time; nothing was removed.
            StoreError: the file cannot be used.
        """
        async with self.quiet(user):
            return await asyncio.to_thread(self.erase, user)

    @asynccontextmanager
    async def quiet(self, user: str) -> AsyncIterator[None]:
        """Let the user's turns under way end, and begin none in those threads meanwhile.

        Raises:
            ConflictError: a turn did not end in time.
        """
        async with AsyncExitStack() as held:
            try:
                holding = self._locks.hold_all(user_prefix(user), timeout=self._timeout)
                await held.enter_async_context(holding)
            except TimeoutError:
                raise ConflictError(
                    f"a chat turn of user {user!r} is still under way: try again when it has ended"
                ) from None
            yield

    def erase(self, user: str) -> int:
        """Remove all threads of a user at once; return how many there were. Blocking."""
        return self._file.forget(user)

    async def aclose(self) -> None:
        """Stop the turns under way, release the critic. Idempotent; a later turn starts anew."""
        here = asyncio.get_running_loop()
        for task in list(self._under_way):
            loop = task.get_loop()
            if loop is here:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            elif not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)
        if self._owns_critic:
            await self.critic.aclose()

    async def _run(self, turn: Turn) -> AsyncGenerator[str | ChatTurn, None]:
        """Run a turn in a task of its own, so that a slow reader holds up nobody else."""
        reader = _Reader()
        task = asyncio.create_task(self._drive(turn, reader))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            while (piece := await reader.pieces.get()) is not None:
                if isinstance(piece, Turn):
                    yield _result(piece)
                else:
                    reader.sent += piece
                    yield piece
            await _outcome(task)
        finally:
            reader.left = True
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _drive(self, turn: Turn, reader: _Reader) -> None:
        key = thread_id(turn.user, turn.thread)
        try:
            async with self._locks.hold(key):
                try:
                    await self._answer(key, turn, reader)
                except asyncio.CancelledError:
                    if turn.streaming and reader.left:
                        await self._steps.remember_left(turn, reader.sent)
                    raise
        finally:
            reader.pieces.put_nowait(None)

    async def _answer(self, key: str, turn: Turn, reader: _Reader) -> None:
        graph = self._graph
        if graph is None:
            graph = await asyncio.to_thread(self._start)
        async with aclosing(graph.run(key, turn)) as run:
            async for piece in run:
                if isinstance(piece, Turn):
                    await asyncio.to_thread(self._trace, piece)
                reader.pieces.put_nowait(piece)

    def _trace(self, turn: Turn) -> None:
        """Keep the trace of a turn; a turn that cannot be traced is answered all the same."""
        with suppress(StoreError), closing(TraceStore(self._traces)) as traces:
            traces.add([_traced(turn, self._model_name, self._tools)])

    def _start(self) -> ChatGraph:
        """Load LangGraph (seconds, so off the event loop) and make the file ready."""
        with self._starting:
            if self._graph is not None:
                return self._graph
            try:
                from persona_agent.agent.chat.graph import ChatGraph
            except ImportError as error:
                if (error.name or "").partition(".")[0] not in ("langgraph", "aiosqlite"):
                    raise
                raise MissingExtraError("langgraph", "agent") from error
            self._file.prepare()
            self._graph = started = ChatGraph(self._steps, self._file)
            return started


def _critic(settings: Settings, memory: Memory, model: LanguageModel) -> LanguageModel:
    """Return the critic that is set, on the model's budget; it judges at temperature 0."""
    if settings.critic in (None, model.name):
        return model
    changed = {"model": settings.critic, "temperature": 0.0, "candidates": 1, "listener_votes": 0}
    meter = model.meter if isinstance(model, AccountedModel) else None
    return create_model(settings.model_copy(update=changed), memory.embedder, meter=meter)


def _turn(user: str, text: str, thread: str, *, streaming: bool) -> Turn:
    try:
        message = _Message(user=user, thread=thread, text=text)
    except ValidationError as error:
        raise InputError(explain(error)) from None
    return Turn(
        user=message.user,
        thread=message.thread,
        text=message.text,
        persona=no_persona(message.user),
        streaming=streaming,
    )


async def _outcome(task: asyncio.Task[None]) -> None:
    """Raise what a turn raised; a turn that was stopped from outside is an error of its own."""
    try:
        await task
    except asyncio.CancelledError:
        caller = asyncio.current_task()
        if not task.cancelled() or (caller is not None and caller.cancelling()):
            raise
        raise StoreUnavailableError("the chat was closed while this turn was under way") from None


def _traced(turn: Turn, model: str, tools: Toolbox) -> Trace:
    system = turn.messages[0].content if turn.messages else ""
    return Trace(
        id=turn.episode_id,
        user_id=turn.user,
        at=turn.at,
        thread=turn.thread,
        model=model,
        streamed=turn.streaming,
        persona_version=turn.persona.version,
        claims=tuple(one.id for one in claims_shown(turn.persona.claims, system)),
        recalled=tuple(
            RecalledTrace(episode_id=one.episode.id, score=one.score, similarity=one.similarity)
            for one in turn.recalled
        ),
        tools_offered=tuple(tool.name for tool in tools.tools),
        tools_called=turn.tool_calls,
        usage=turn.usage,
        costs=dict(turn.costs),
        remembered=True,
        error="; ".join(turn.problems),
    )


def _result(turn: Turn) -> ChatTurn:
    return ChatTurn(
        text=turn.answer,
        episode_id=turn.episode_id,
        thread=turn.thread,
        recalled=turn.recalled,
        persona_version=turn.persona.version,
        tool_calls=turn.tool_calls,
        usage=turn.usage,
        costs=dict(turn.costs),
        request=turn.request,
        weighed=turn.weighed,
        problems=turn.problems,
    )
