"""The chat as a LangGraph graph with checkpointed threads. Importing this loads LangGraph.

``interpret -> recall -> act <-> tools, act -> check -> respond -> remember``

A mediator stands before ``recall``, a check of the answer before ``respond``, where they are
switched on. Of the state only what belongs to the thread is checkpointed (its messages, what the
agent said of itself, the user's habits), and it is plain JSON: whatever else a turn works with
(persona, recalled episodes, vectors) has its own store, and a copy in the checkpoints would
outlive its deletion there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any, TypedDict, cast

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.channels import UntrackedValue
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from persona_agent.agent.chat.threads import SECONDS_TO_WAIT, ThreadFile
from persona_agent.agent.chat.turn import TOOL_ROUNDS, Said, Steps, Turn

# Each tool round is two steps and a retry two more; beyond that there is a loop with no end.
_RECURSION_LIMIT = 2 * TOOL_ROUNDS + 18


class TurnState(TypedDict):
    """What goes into the graph: the turn under way."""

    turn: Annotated[Turn, UntrackedValue]


class ChatState(TurnState):
    """State of the graph: the turn, and what its thread keeps."""

    history: list[Said]
    committed: list[str]
    habits: list[str] | None


Changes = dict[str, Any]
"""Part of a state, as a node returns it."""


class ChatGraph:
    """Runs turns in threads that are kept in a file.

    Every turn opens the file for itself (a few milliseconds beside a model call): a connection
    belongs to one event loop, and one agent may be used from several.
    """

    def __init__(self, steps: Steps, file: ThreadFile) -> None:
        self._builder = _build(steps)
        self._file = file

    async def run(self, thread_id: str, turn: Turn) -> AsyncGenerator[str | Turn, None]:
        """Run a turn; yield the pieces of the answer as they come, then the finished turn.

        A turn that fails leaves the thread as it was.
        """
        finished = turn
        with self._file.errors():
            async with (
                self._saver(thread_id) as saver,
                aclosing(self._stream(saver, thread_id, turn)) as stream,
            ):
                async for mode, piece in stream:
                    if mode == "custom":
                        yield str(piece)
                    else:
                        finished = piece["turn"]
        yield finished

    def _stream(
        self, saver: AsyncSqliteSaver, thread_id: str, turn: Turn
    ) -> AsyncGenerator[tuple[str, Any], None]:
        stream = self._builder.compile(checkpointer=saver).astream(
            {"turn": turn},
            RunnableConfig(configurable={"thread_id": thread_id}, recursion_limit=_RECURSION_LIMIT),
            stream_mode=["custom", "values"],
            durability="exit",
        )
        # LangGraph declares an iterator of any mode; it is a generator, and these are its pairs.
        return cast(AsyncGenerator[tuple[str, Any], None], stream)

    @asynccontextmanager
    async def _saver(self, thread_id: str) -> AsyncIterator[AsyncSqliteSaver]:
        """Open the checkpointer; afterwards drop all checkpoints of the thread but the latest."""
        async with aiosqlite.connect(self._file.path, timeout=SECONDS_TO_WAIT) as connection:
            await connection.execute("PRAGMA secure_delete=ON")
            # No module is allowed: the state is plain JSON, and a tampered file creates no objects.
            saver = AsyncSqliteSaver(
                connection, serde=JsonPlusSerializer(allowed_msgpack_modules=None)
            )
            await saver.setup()
            try:
                yield saver
            finally:
                await connection.execute(
                    "DELETE FROM checkpoints WHERE thread_id = ?1 AND checkpoint_id < "
                    "(SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = ?1)",
                    (thread_id,),
                )
                await connection.execute("DELETE FROM writes WHERE thread_id = ?", (thread_id,))
                await connection.commit()


def _build(steps: Steps) -> StateGraph[ChatState, None, TurnState, ChatState]:
    nodes = _Nodes(steps)
    graph = StateGraph(ChatState, input_schema=TurnState)
    graph.add_node("interpret", nodes.interpret)
    graph.add_node("recall", nodes.recall)
    graph.add_node("act", nodes.act)
    graph.add_node("tools", nodes.run_tools)
    graph.add_node("check", nodes.check)
    graph.add_node("respond", nodes.respond)
    graph.add_node("remember", nodes.remember)
    graph.add_edge(START, "interpret")
    if steps.repairs.mediator:
        graph.add_node("mediate", nodes.mediate)
        graph.add_edge("interpret", "mediate")
        graph.add_edge("mediate", "recall")
    else:
        graph.add_edge("interpret", "recall")
    graph.add_edge("recall", "act")
    graph.add_conditional_edges("act", _after_act, ["tools", "check"])
    graph.add_edge("tools", "act")
    answered = "respond"
    if steps.repairs.candidates > 1:
        answered = "choose"
        graph.add_node("choose", nodes.choose)
        graph.add_edge("choose", "respond")
    graph.add_conditional_edges("check", _after_check, {"act": "act", "answered": answered})
    graph.add_edge("respond", "remember")
    graph.add_edge("remember", END)
    return graph


def _after_act(state: ChatState) -> str:
    return "tools" if state["turn"].reply.tool_calls else "check"


def _after_check(state: ChatState) -> str:
    return "answered" if state["turn"].reply.content.strip() else "act"


class _Nodes:
    """The steps as nodes: each takes the state and returns what it changed."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def interpret(self, state: ChatState) -> Changes:
        habits = state.get("habits")
        turn = replace(
            state["turn"],
            history=tuple(state.get("history", ())),
            committed=tuple(state.get("committed", ())),
            habits=None if habits is None else tuple(habits),
        )
        return {"turn": await self._steps.interpret(turn)}

    async def mediate(self, state: ChatState) -> Changes:
        return {"turn": await self._steps.mediate(state["turn"])}

    async def recall(self, state: ChatState) -> Changes:
        return {"turn": await self._steps.recall(state["turn"])}

    async def act(self, state: ChatState, runtime: Runtime[None]) -> Changes:
        return {"turn": await self._steps.act(state["turn"], runtime.stream_writer)}

    async def run_tools(self, state: ChatState, runtime: Runtime[None]) -> Changes:
        return {"turn": await self._steps.run_tools(state["turn"], runtime.stream_writer)}

    async def check(self, state: ChatState) -> Changes:
        return {"turn": await self._steps.check(state["turn"])}

    async def choose(self, state: ChatState, runtime: Runtime[None]) -> Changes:
        return {"turn": await self._steps.choose(state["turn"], runtime.stream_writer)}

    async def respond(self, state: ChatState) -> Changes:
        return {"turn": await self._steps.respond(state["turn"])}

    async def remember(self, state: ChatState) -> Changes:
        turn = await self._steps.remember(state["turn"])
        return {
            "turn": turn,
            "history": list(turn.history),
            "committed": list(turn.committed),
            "habits": None if turn.habits is None else list(turn.habits),
        }
