"""Nodes and tools for LangGraph: persona in, exchange remembered, nothing left in the state."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Annotated, Any

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
)
from langchain_core.outputs import ChatResult
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.runtime import Runtime
from langgraph.types import Command, RetryPolicy
from pydantic import BaseModel

from persona_agent import PersonaAgent
from persona_agent.errors import InputError
from persona_agent.integrations.langgraph import persona_node, with_persona
from persona_agent.integrations.langgraph_store import PersonaBaseStore
from persona_agent.integrations.langgraph_tools import persona_tools
from persona_agent.testing import ScriptedModel
from tests.integrations.conftest import SECRET

QUESTION = HumanMessage("What for dinner?", id="q1")


def config(user: str = "ana", thread: str = "t1") -> RunnableConfig:
    """Return the config of a run for a user."""
    return {"configurable": {"user_id": user, "thread_id": thread}}


class Fake(GenericFakeChatModel):
    """A chat model with scripted answers that keeps what it was sent."""

    seen: list[list[BaseMessage]] = []  # noqa: RUF012 (a field of a Pydantic model)

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.seen.append(messages)
        return super()._generate(messages, *args, **kwargs)

    def bind_tools(self, tools: Any, **kwargs: Any) -> Fake:
        return self


def fake(*answers: AIMessage | str) -> Fake:
    """Return a chat model with these answers."""
    return Fake(messages=iter(answers), seen=[])


def app(node: Any, state: Any = MessagesState, **options: Any) -> Any:
    """Return a graph of one node."""
    graph = StateGraph(state)
    graph.add_node("assistant", node, **options)
    graph.add_edge(START, "assistant")
    graph.add_edge("assistant", END)
    return graph.compile(checkpointer=InMemorySaver())


def remembered(agent: PersonaAgent, user: str = "ana") -> list[tuple[str, str | None]]:
    """Return what was asked and answered since the fixture."""
    found = agent.episodes_sync(user)
    return [(one.query.text, one.response) for one in found if one.id not in ("soup", "evil")]


async def test_a_node_adds_the_persona_and_remembers(agent: PersonaAgent) -> None:
    model = fake("A soup.")
    graph = app(persona_node(agent, model))
    rules = SystemMessage("Be brief.", id="rules")
    done = await graph.ainvoke({"messages": [rules, QUESTION]}, config())
    sent = model.seen[0]
    assert str(sent[0].content).startswith("Be brief.\n\n")
    assert "eats no meat" in str(sent[0].content) and "-> soup" in str(sent[0].content)
    assert sent[1] == QUESTION and SECRET not in str(sent)
    assert str(sent[0].content).count("</memories>") == 1
    assert [one.content for one in done["messages"]] == ["Be brief.", "What for dinner?", "A soup."]
    assert remembered(agent) == [("What for dinner?", "A soup.")]
    assert agent.episodes_sync("ana")[-1].metadata == {"thread": "t1"}


def test_it_works_without_an_event_loop_and_with_the_agents_own_model(
    agent: PersonaAgent, model: ScriptedModel
) -> None:
    graph = app(persona_node(agent))
    done = graph.invoke({"messages": [QUESTION]}, config())
    assert done["messages"][-1].content == "You said: What for dinner?"
    assert "eats no meat" in model.chats[0][0].content
    assert remembered(agent) == [("What for dinner?", "You said: What for dinner?")]


async def test_checkpoints_keep_no_copy_of_the_persona(agent: PersonaAgent) -> None:
    graph = app(persona_node(agent, fake("A soup.", "A stew.")))
    for question in ("What for dinner?", "And tomorrow?"):
        await graph.ainvoke({"messages": [HumanMessage(question)]}, config())
    kept = [one async for one in graph.aget_state_history(config())]
    assert kept and "eats no meat" not in str(kept)
    assert len(remembered(agent)) == 2


async def test_users_see_nothing_of_each_other(agent: PersonaAgent) -> None:
    model = fake("ok", "ok")
    graph = app(persona_node(agent, model))
    question = {"messages": [HumanMessage("Where is the key for dinner?")]}
    await graph.ainvoke(question, config("ben", "b"))
    await graph.ainvoke(question, config("ana", "a"))
    of_ben, of_ana = (str(sent[0].content) for sent in model.seen)
    assert SECRET in of_ben and SECRET not in of_ana
    assert "soup" in of_ana and "soup" not in of_ben


@pytest.mark.parametrize("given", [{}, {"configurable": {"user_id": 7}}])
async def test_a_run_without_a_user_is_refused(agent: PersonaAgent, given: Any) -> None:
    node = persona_node(agent, fake("never"))
    with pytest.raises(InputError, match="names no user"):
        await node.ainvoke({"messages": [QUESTION]}, given)
    assert not remembered(agent)


async def test_tokens_stream_through(agent: PersonaAgent) -> None:
    graph = app(persona_node(agent, fake("A tomato soup.")))
    pieces = [
        piece.content
        async for piece, _ in graph.astream(
            {"messages": [QUESTION]}, config(), stream_mode="messages"
        )
    ]
    assert "".join(pieces) == "A tomato soup." and len(pieces) > 3


async def test_a_retried_or_repeated_turn_is_stored_once(agent: PersonaAgent) -> None:
    tries = []

    async def unsure(state: MessagesState) -> dict[str, Any]:
        tries.append(state)
        if len(tries) == 1:
            raise ConnectionError("again")
        return {"messages": [AIMessage(f"try {len(tries)}")]}

    policy = RetryPolicy(initial_interval=0.01, retry_on=ConnectionError)
    graph = app(with_persona(agent, unsure), retry_policy=policy)
    await graph.ainvoke({"messages": [QUESTION]}, config())
    await graph.ainvoke({"messages": [QUESTION]}, config())
    assert len(tries) == 3
    assert remembered(agent) == [("What for dinner?", "try 2")]
    await graph.ainvoke({"messages": [QUESTION]}, config(thread="t2"))
    assert len(remembered(agent)) == 2


@dataclasses.dataclass
class Plain:
    messages: Annotated[list[AnyMessage], add_messages]


class Checked(BaseModel):
    messages: Annotated[list[AnyMessage], add_messages]


@pytest.mark.parametrize("state", [Plain, Checked])
def test_a_hosts_node_gets_what_it_asks_for(agent: PersonaAgent, state: Any) -> None:
    seen: list[Any] = []

    def node(given: Any, config: RunnableConfig, runtime: Runtime[Any], writer: Any) -> Any:
        seen.append((given.messages, config["configurable"]["user_id"], runtime.context))
        writer("busy")
        return Command(update={"messages": AIMessage("A soup.")})

    graph = app(with_persona(agent, node), state)
    told = list(graph.stream({"messages": [QUESTION]}, config(), stream_mode="custom"))
    ((messages, user, _),) = seen
    assert told == ["busy"] and user == "ana" and "eats no meat" in messages[0].content
    final = graph.get_state(config()).values["messages"]
    assert [one.content for one in final] == ["What for dinner?", "A soup."]
    assert remembered(agent) == [("What for dinner?", "A soup.")]


async def test_an_asynchronous_node_needs_an_event_loop(agent: PersonaAgent) -> None:
    async def node(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage("A soup.")]}

    graph = app(with_persona(agent, node))
    with pytest.raises(InputError, match="ainvoke"):
        graph.invoke({"messages": [QUESTION]}, config())
    await graph.ainvoke({"messages": [QUESTION]}, config("ana", "t2"))
    assert len(remembered(agent)) == 1


# --- tools ----------------------------------------------------------------------------------------


def call(name: str, **arguments: Any) -> AIMessage:
    """Return an answer that calls a tool."""
    return AIMessage("", tool_calls=[ToolCall(name=name, args=arguments, id=f"call-{name}")])


async def test_tools_work_for_the_user_of_the_run_in_a_loop_of_tools(agent: PersonaAgent) -> None:
    model = fake(call("recall", query="dinner"), call("recall", query=""), "A soup.")
    graph = StateGraph(MessagesState)
    graph.add_node("assistant", persona_node(agent, model))
    graph.add_node("tools", ToolNode(persona_tools(agent)))
    graph.add_edge(START, "assistant")
    graph.add_conditional_edges("assistant", tools_condition)
    graph.add_edge("tools", "assistant")
    done = await graph.compile().ainvoke({"messages": [QUESTION]}, config())
    found, wrong = (one.content for one in done["messages"] if one.type == "tool")
    assert "-> soup" in found and SECRET not in found and found.count("</memories>") == 1
    assert "query" in wrong
    assert remembered(agent) == [("What for dinner?", "A soup.")]


def test_every_tool_can_be_called_without_an_event_loop(agent: PersonaAgent) -> None:
    tools = {tool.name: tool for tool in persona_tools(agent)}
    assert "eats no meat" in tools["read_persona"].invoke({}, config())
    told = tools["remember"].invoke({"text": "Lunch?", "outcome": "rice"}, config())
    identity = told.split("[id ")[1].rstrip("]")
    tools["give_feedback"].invoke({"memory_id": identity, "thumb": 1}, config())
    assert "no episode" in tools["give_feedback"].invoke({"memory_id": "key", "thumb": 1}, config())
    (stored,) = [one for one in agent.episodes_sync("ana") if one.id == identity]
    assert stored.outcome == "rice" and stored.feedback is not None
    assert all("user" not in tool.args for tool in tools.values())
    with pytest.raises(InputError, match="names no user"):
        tools["read_persona"].invoke({})


@pytest.mark.slow
async def test_an_agent_of_create_agent_is_a_node_too(agent: PersonaAgent) -> None:
    agents = pytest.importorskip("langchain.agents", reason="langchain is not installed")
    model = fake(call("recall", query="dinner"), "A soup.")
    made = agents.create_agent(model, persona_tools(agent), system_prompt="Be brief.")
    graph = app(with_persona(agent, made))
    done = await graph.ainvoke({"messages": [QUESTION]}, config())
    assert "eats no meat" in str(model.seen[0])
    kinds = [one.type for one in done["messages"]]
    assert kinds == ["human", "ai", "tool", "ai"] and "eats no meat" not in str(done)
    assert remembered(agent) == [("What for dinner?", "A soup.")]


# --- the store inside a graph ---------------------------------------------------------------------


async def test_a_graph_reaches_the_store_through_its_runtime(agent: PersonaAgent) -> None:
    async def note(state: MessagesState, runtime: Runtime[Any]) -> dict[str, Any]:
        assert runtime.store is not None
        await runtime.store.aput(("ana", "notes"), "n1", {"text": state["messages"][-1].content})
        return {}

    store = PersonaBaseStore(agent)
    graph = StateGraph(MessagesState)
    graph.add_node("note", note)
    graph.add_edge(START, "note")
    await graph.compile(store=store).ainvoke({"messages": [QUESTION]}, config())
    assert store.search(("ana",), query="dinner")[0].value == {"text": "What for dinner?"}
    store.close()


# --- what is loaded -------------------------------------------------------------------------------

MISSING = """
import sys
for name in ("langgraph", "mcp"):
    sys.modules[name] = None
import persona_agent.integrations
from persona_agent.errors import MissingExtraError
for part in ("langgraph", "langgraph_store", "mcp"):
    try:
        __import__(f"persona_agent.integrations.{part}")
    except MissingExtraError as error:
        print(error)
print([name for name in ("litellm", "langchain_core", "torch") if name in sys.modules])
"""


@pytest.mark.slow
def test_a_missing_extra_is_named_with_its_install_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MISSING], capture_output=True, text=True, check=True, timeout=60
    )
    graph, store, mcp, loaded = done.stdout.splitlines()
    assert "personaagent-ttp[agent]" in graph and "personaagent-ttp[agent]" in store
    assert "personaagent-ttp[mcp]" in mcp
    assert loaded in ("[]", "['langchain_core']")  # the latter: loaded before langgraph was missed
