"""The MCP server, spoken to by the official client: in process, over stdio and over HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

from persona_agent import PersonaAgent
from persona_agent.cli.main import main
from persona_agent.integrations.mcp import create_mcp_server
from persona_agent.server.keys import KeyRing, Scope
from tests.integrations.conftest import SECRET

TOOLS = {"recall", "remember", "read_persona", "give_feedback", "optimize"}
COMMAND = [sys.executable, "-m", "persona_agent", "mcp"]


def text(result: Any) -> str:
    """Return the text of a tool's result."""
    assert isinstance(result, CallToolResult)
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def use_every_tool(client: Client) -> None:
    """Call each tool as a host's model would, and check what came of it."""
    listed = (await client.list_tools()).tools
    assert {tool.name for tool in listed} == TOOLS
    assert not any("user" in tool.input_schema["properties"] for tool in listed)
    assert "nothing is remembered" in text(await client.call_tool("recall", {"query": "film"}))
    assert "no persona yet" in text(await client.call_tool("read_persona", {}))
    told = ""
    for day in range(6):
        asked = {"text": f"A film for evening {day}", "outcome": "comedy", "task": "film"}
        told = text(await client.call_tool("remember", asked))
    memory_id = re.findall(r"\[id (\w+)\]", told)[0]
    liked = await client.call_tool("give_feedback", {"memory_id": memory_id, "thumb": 1})
    assert not liked.is_error
    recalled = text(await client.call_tool("recall", {"query": "a film", "limit": 3}))
    assert recalled.count("-> comedy") == recalled.count("[id ") >= 1
    assert "model calls and" in text(await client.call_tool("optimize", {}))
    persona = text(await client.call_tool("read_persona", {}))
    assert "<persona>" in persona and "comedy" in persona
    for name, arguments, said in (
        ("recall", {"query": ""}, "query"),
        ("recall", {"query": "x", "user": "ben"}, "user"),
        ("give_feedback", {"memory_id": "none", "thumb": 1}, "no episode"),
        ("give_feedback", {"memory_id": memory_id}, "feedback needs"),
    ):
        refused = await client.call_tool(name, arguments)
        assert refused.is_error and said in text(refused)


# --- in process -----------------------------------------------------------------------------------


async def test_every_tool(tmp_path: Path) -> None:
    async with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        async with Client(create_mcp_server(agent, user="zoe")) as client:
            await use_every_tool(client)
        assert agent.memory.episodes.users() == ["zoe"]


async def test_a_fixed_user_is_out_of_the_models_reach(agent: PersonaAgent) -> None:
    async with Client(create_mcp_server(agent, user="ana")) as client:
        recalled = text(await client.call_tool("recall", {"query": "the key for dinner"}))
        assert "soup" in recalled and SECRET not in recalled
        refused = await client.call_tool("recall", {"query": "key", "user": "ben"})
        assert refused.is_error and SECRET not in text(refused)
        stolen = {"memory_id": "key", "comment": "mine"}
        assert (await client.call_tool("give_feedback", stolen)).is_error


async def test_text_of_a_user_cannot_leave_its_section(agent: PersonaAgent) -> None:
    async with Client(create_mcp_server(agent, user="ana")) as client:
        recalled = text(await client.call_tool("recall", {"query": "dinner"}))
        assert "ignore all rules" in recalled and "do not follow it" in recalled
        assert recalled.count("</memories>") == 1 and "<persona>" not in recalled


async def test_with_several_users_every_call_names_one(agent: PersonaAgent) -> None:
    async with Client(create_mcp_server(agent, user=None)) as client:
        for tool in (await client.list_tools()).tools:
            assert tool.input_schema["required"][0] == "user"
        found = await client.call_tool("recall", {"query": "key", "user": "ben"})
        assert SECRET in text(found)
        assert (await client.call_tool("recall", {"query": "key"})).is_error
        assert (await client.call_tool("recall", {"query": "key", "user": ""})).is_error


async def test_an_unknown_tool_and_a_crash_are_errors_without_details(
    agent: PersonaAgent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash(*_: object, **__: object) -> None:
        raise RuntimeError("/home/somebody/secret")

    monkeypatch.setattr(PersonaAgent, "search", crash)
    async with Client(create_mcp_server(agent, user="ana")) as client:
        assert "no tool" in text(await client.call_tool("drop_everything", {}))
        failed = await client.call_tool("recall", {"query": "x"})
        assert failed.is_error and "secret" not in text(failed)
    assert "secret" in caplog.text


# --- as a process ---------------------------------------------------------------------------------


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a server with its data in a folder."""
    place = {"PERSONA_AGENT_DATA_DIR": str(folder), "PERSONA_AGENT_EMBEDDER": "hash"}
    return {**os.environ, **place}


@pytest.mark.slow
async def test_every_tool_over_stdio(tmp_path: Path) -> None:
    server = StdioServerParameters(
        command=COMMAND[0], args=[*COMMAND[1:], "--user", "zoe"], env=environment(tmp_path)
    )
    async with Client(server) as client:
        await use_every_tool(client)


@pytest.mark.slow
def test_an_interrupt_ends_it_while_it_waits_for_input(tmp_path: Path) -> None:
    asked = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    with subprocess.Popen(
        [*COMMAND, "--user", "zoe"],
        env=environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            assert "persona-agent" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=10) == -signal.SIGINT
        finally:
            process.kill()


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    """Run a server over HTTP until the end of the block; yield its address."""
    command = [*COMMAND, *options, "--http", "--port", "0", "--no-progress"]
    with subprocess.Popen(
        command, env=environment(folder), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            found = re.search(r"http://\S+", line)
            assert found, line
            yield found[0]
        finally:
            process.terminate()
            process.communicate(timeout=20)


@pytest.mark.slow
async def test_every_tool_over_http(tmp_path: Path) -> None:
    with serving(tmp_path, "--user", "zoe") as url:
        async with Client(url) as client:
            await use_every_tool(client)
        foreign = httpx2.post(url, json={}, headers={"origin": "https://evil.example"})
        assert foreign.status_code == 403


@pytest.mark.slow
async def test_with_api_keys_only_who_has_one_gets_in(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    _, whole = ring.add(tenant="", scopes=[])
    _, narrow = ring.add(tenant="", scopes=[Scope.CHAT])
    _, tenant = ring.add(tenant="acme", scopes=[])
    ring.close()
    with serving(tmp_path, "--multi-user") as url:
        for key in ("", narrow, tenant, "pa_000000000000_" + "x" * 43):
            refused = httpx2.post(url, json={}, headers={"authorization": f"Bearer {key or 1}"})
            assert refused.status_code == 401, key
        async with (
            httpx2.AsyncClient(headers={"authorization": f"Bearer {whole}"}) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            await client.call_tool("remember", {"text": "a key", "user": "zoe"})
            found = await client.call_tool("recall", {"query": "key", "user": "zoe"})
            assert "a key" in text(found)


def test_other_machines_are_not_served_without_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERSONA_AGENT_EMBEDDER", "hash")
    options = ["--user", "zoe", "--http", "--host", "0.0.0.0", "--data-dir", str(tmp_path)]
    assert main(["mcp", *options]) == 2
    assert "no API key" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--user", "a", "--multi-user"]])
def test_whose_memory_it_is_must_be_said(options: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["mcp", *options])
