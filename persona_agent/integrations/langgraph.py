"""LangGraph: a node that knows its user, around a model, a node or an agent of the host's.

The user is ``config["configurable"]["user_id"]``, the thread ``thread_id``. What is known of the
user goes into the messages for the one call and stays out of the state, so that checkpoints keep
no copy of it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from persona_agent.agent import PersonaAgent
from persona_agent.agent.proxy import Proxy, ProxyTurn
from persona_agent.agent.sync import LoopThread
from persona_agent.errors import InputError, MissingExtraError
from persona_agent.llm.relay_model import ModelRelay

try:
    from langchain_core.messages import AIMessage, AnyMessage, convert_to_openai_messages
    from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
    from langgraph.runtime import get_runtime
    from langgraph.types import Command

    from persona_agent.integrations.langgraph_messages import (
        answer_in,
        as_messages,
        for_proxy,
        with_section,
    )
except ImportError:
    raise MissingExtraError("langgraph", "agent") from None

State = Any
"""The state of a graph: a mapping, a dataclass or a Pydantic model with ``messages``."""

USER_KEY = "user_id"
THREAD_KEY = "thread_id"
MESSAGES = "messages"


def persona_node(
    agent: PersonaAgent, model: Runnable[Any, Any] | None = None
) -> Runnable[State, Any]:
    """Return a node that answers the last message of the state as this user's assistant.

    Args:
        agent: what knows the user.
        model: a LangChain chat model, with tools bound where there are any; None: the agent's own.
    """
    own = _OwnModel(agent) if model is None else model

    async def answer(state: State, config: RunnableConfig) -> Any:
        return {MESSAGES: [await own.ainvoke(_get(state), config)]}

    def answer_blocking(state: State, config: RunnableConfig) -> Any:
        return {MESSAGES: [own.invoke(_get(state), config)]}

    return with_persona(agent, RunnableLambda(answer_blocking, afunc=answer))


def with_persona(
    agent: PersonaAgent, node: Callable[..., Any] | Runnable[Any, Any]
) -> Runnable[State, Any]:
    """Return a node of the host's, made to know its user.

    The node sees the state's messages with a system section of persona and related memories,
    behind its own rules and marked as data. When it has answered, the exchange is stored; an answer
    that calls a tool is not. A node that is run again for the same message (a retry, a resumed
    graph) stores nothing twice.

    Args:
        agent: what knows the user.
        node: takes the state (and ``config``, ``runtime``, ``store`` or ``writer``, if it likes)
            and returns an update with ``messages``: a function, or a Runnable such as the graph of
            ``create_agent``.

    The node raises InputError where the config names no user, and StoreError.
    """
    background = LoopThread()

    async def run(state: State, config: RunnableConfig) -> Any:
        proxy = Proxy(agent)
        turn, seen = await _prepared(proxy, state, config)
        update = await _call(node, _with(state, seen), config)
        return await _remembered(proxy, turn, update)

    def run_blocking(state: State, config: RunnableConfig) -> Any:
        proxy = Proxy(agent)
        turn, seen = background.run(_prepared(proxy, state, config))
        update = _call_blocking(node, _with(state, seen), config)
        return background.run(_remembered(proxy, turn, update))

    name = getattr(node, "__name__", None)
    return RunnableLambda(run_blocking, afunc=run, name=name or "persona")


def user_of(config: RunnableConfig) -> str:
    """Return whose turn it is. Raises InputError where the config does not say."""
    user = config.get("configurable", {}).get(USER_KEY)
    if not isinstance(user, str) or not user:
        raise InputError(
            f"the config names no user: run the graph with config['configurable'][{USER_KEY!r}]"
        )
    return user


async def _prepared(
    proxy: Proxy, state: State, config: RunnableConfig
) -> tuple[ProxyTurn, list[AnyMessage]]:
    user, messages = user_of(config), as_messages(_get(state))
    thread = str(config.get("configurable", {}).get(THREAD_KEY) or "")
    turn = await proxy.prepare(
        user, for_proxy(messages), thread=thread, episode_id=_episode_id(messages, thread)
    )
    return turn, with_section(messages, turn)


async def _remembered(proxy: Proxy, turn: ProxyTurn, update: Any) -> Any:
    """Store the exchange; return the update without the section that only the node was to see."""
    inside = update.update if isinstance(update, Command) else update
    if not isinstance(inside, Mapping) or MESSAGES not in inside:
        return update
    messages = [one for one in as_messages(inside[MESSAGES]) if one.id != turn.episode_id]
    await proxy.remember(turn, answer_in(messages))
    cleaned = {**inside, MESSAGES: messages}
    return dataclasses.replace(update, update=cleaned) if isinstance(update, Command) else cleaned


def _episode_id(messages: Sequence[AnyMessage], thread: str) -> str | None:
    """Return the same id whenever the same message is answered; None where it has no id."""
    asked = next((one.id for one in reversed(messages) if one.type == "human"), None)
    if asked is None:
        return None
    return hashlib.sha256(f"{thread}\0{asked}".encode("utf-8", "replace")).hexdigest()[:28]


async def _call(node: Any, state: State, config: RunnableConfig) -> Any:
    if isinstance(node, Runnable):
        return await node.ainvoke(state, config)
    wanted = _injected(node, config)
    if inspect.iscoroutinefunction(node) or inspect.iscoroutinefunction(
        getattr(node, "__call__", None)  # noqa: B004
    ):
        return await node(state, **wanted)
    return await asyncio.to_thread(node, state, **wanted)


def _call_blocking(node: Any, state: State, config: RunnableConfig) -> Any:
    if isinstance(node, Runnable):
        return node.invoke(state, config)
    update = node(state, **_injected(node, config))
    if inspect.iscoroutine(update):
        update.close()
        raise InputError("the node is asynchronous: run the graph with ainvoke or astream")
    return update


def _injected(node: Callable[..., Any], config: RunnableConfig) -> dict[str, Any]:
    """Return what the node asks for by the names of its parameters, as LangGraph does."""
    names = inspect.signature(node).parameters.keys()
    given: dict[str, Callable[[], Any]] = {
        "config": lambda: config,
        "runtime": get_runtime,
        "store": lambda: get_runtime().store,
        "writer": lambda: get_runtime().stream_writer,
    }
    return {name: make() for name, make in given.items() if name in names}


def _get(state: State) -> Any:
    found = state.get(MESSAGES) if isinstance(state, Mapping) else getattr(state, MESSAGES, None)
    if found is None:
        raise InputError(f"the state has no {MESSAGES!r}")
    return found


def _with(state: State, messages: list[AnyMessage]) -> State:
    """Return the state with other messages; the graph's own stays as it is."""
    if isinstance(state, Mapping):
        return {**state, MESSAGES: messages}
    if dataclasses.is_dataclass(state) and not isinstance(state, type):
        return dataclasses.replace(state, **{MESSAGES: messages})
    return state.model_copy(update={MESSAGES: messages})


class _OwnModel(RunnableLambda[Any, AIMessage]):
    """The language model of an agent, as LangChain calls one."""

    def __init__(self, agent: PersonaAgent) -> None:
        relay, background = ModelRelay(agent.model), LoopThread()

        async def answer(messages: Any, config: RunnableConfig) -> AIMessage:
            body = {MESSAGES: convert_to_openai_messages(as_messages(messages))}
            with agent.model.account(user_id=user_of(config), purpose="chat"):
                reply = await relay.complete(body)
            return AIMessage(reply["choices"][0]["message"]["content"] or "")

        def answer_blocking(messages: Any, config: RunnableConfig) -> AIMessage:
            return background.run(answer(messages, config))

        super().__init__(answer_blocking, afunc=answer)
