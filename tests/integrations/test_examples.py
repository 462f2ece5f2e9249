"""The worked examples of the README, run as they stand there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LANGGRAPH = """\
from langgraph.graph import END, START, MessagesState, StateGraph

from persona_agent import PersonaAgent
from persona_agent.integrations.langgraph import persona_node
from persona_agent.integrations.langgraph_store import PersonaBaseStore

with PersonaAgent.open("./data") as agent:
    agent.record_sync("ana", "Dinner after the gym?", "a tomato soup", task="dinner")
    store = PersonaBaseStore(agent)  # the first label of a namespace names the user
    graph = StateGraph(MessagesState)
    graph.add_node("assistant", persona_node(agent))  # or persona_node(agent, your_chat_model)
    graph.add_edge(START, "assistant")
    graph.add_edge("assistant", END)
    app = graph.compile(store=store)
    config = {"configurable": {"user_id": "ana", "thread_id": "evening"}}
    state = app.invoke({"messages": [("user", "What do I like for dinner?")]}, config)
    print(state["messages"][-1].content)
    store.put(("ana", "notes"), "gym", {"text": "goes to the gym on Mondays"})
    print(store.search(("ana",), query="sport")[0].value["text"])
    store.close()
"""

MCP = """\
import asyncio

from mcp import Client, StdioServerParameters

server = StdioServerParameters(
    command="persona-agent", args=["mcp", "--user", "ana", "--data-dir", "./data"]
)


async def main() -> None:
    async with Client(server) as client:
        print([tool.name for tool in (await client.list_tools()).tools])
        told = {"text": "Dinner after the gym?", "outcome": "a tomato soup", "task": "dinner"}
        await client.call_tool("remember", told)
        found = await client.call_tool("recall", {"query": "what to eat"})
        print(found.content[0].text)


asyncio.run(main())
"""

PLAIN = """\
import asyncio

import litellm

from persona_agent import PersonaAgent
from persona_agent.integrations import wrap


async def main() -> None:
    async with PersonaAgent.open("./data") as agent:
        await agent.record("ana", "Dinner after the gym?", "a tomato soup", task="dinner")
        ask = wrap(litellm.acompletion, agent=agent, user="ana")
        reply = await ask(
            model="openai/gpt-4.1-mini",
            messages=[{"role": "user", "content": "What shall I cook?"}],
            mock_response="A tomato soup.",  # leave this out to ask the model
        )
        print(reply.choices[0].message.content)
        print((await agent.episodes("ana"))[-1].response)


asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("example", "shown"),
    [
        (LANGGRAPH, ["tomato soup", "goes to the gym on Mondays"]),
        (MCP, ["'recall', 'remember', 'read_persona', 'give_feedback', 'optimize'", "-> a tomato"]),
        (PLAIN, ["A tomato soup.\nA tomato soup.\n"]),
    ],
    ids=["langgraph", "mcp", "plain"],
)
def test_an_example_runs(example: str, shown: list[str], tmp_path: Path) -> None:
    scripts = str(Path(sys.executable).parent)
    place = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # nothing is fetched
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "PERSONA_AGENT_EMBEDDER": "hash",
    }
    if example is MCP:  # the client passes on few variables: the server gets its own
        example = example.replace(
            '"./data"]\n', '"./data"], env={"PERSONA_AGENT_EMBEDDER": "hash"}\n'
        )
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env=os.environ | place,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for text in shown:
        assert text in done.stdout


@pytest.mark.parametrize("example", [LANGGRAPH, MCP, PLAIN], ids=["LangGraph", "MCP", "plain"])
def test_the_readme_shows_it(example: str) -> None:
    readme = Path(__file__).parents[2] / "README.md"
    assert f"```py\n{example}```" in readme.read_text(encoding="utf-8")
