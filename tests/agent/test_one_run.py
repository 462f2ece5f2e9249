"""Runs that learn from one user come one after the other, whoever starts them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from persona_agent.agent import PersonaAgent, learning_calls
from persona_agent.errors import ConflictError, StoreUnavailableError
from persona_agent.memory.file_lock import hold
from persona_agent.schema import Revision

OPTIONS = ["salad", "roast"]


async def suppers(agent: PersonaAgent, count: int, *, first: int = 0) -> None:
    for number in range(first, first + count):
        await agent.record("ana", f"supper {number}", OPTIONS[number % 2], options=OPTIONS)


def paid(agent: PersonaAgent) -> int:
    return agent.model.usage(user_id="ana", purpose="optimize").calls


async def test_two_runs_at_once_are_one(tmp_path: Path) -> None:
    async with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        await suppers(agent, 10)
        first, second = await asyncio.gather(agent.optimize("ana"), agent.optimize("ana"))
        assert first == second
        assert await agent.revisions("ana") == [first]
        assert paid(agent) == first.usage.calls, "nothing is asked twice"


async def test_what_came_while_a_run_waited_is_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        search, may_go_on = agent._optimizer.optimize, asyncio.Event()

        async def slow(*args: Any, **kwargs: Any) -> Revision:
            await may_go_on.wait()
            return await search(*args, **kwargs)

        monkeypatch.setattr(agent._optimizer, "optimize", slow)
        await suppers(agent, 10)
        first = asyncio.create_task(agent.optimize("ana"))
        second = asyncio.create_task(agent.optimize("ana"))
        await asyncio.sleep(0.2)
        await suppers(agent, 1, first=10)
        may_go_on.set()
        assert [(await first).outcomes, (await second).outcomes] == [10, 11]


async def test_a_run_in_the_background_and_one_that_is_asked_for_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with PersonaAgent.open(tmp_path, embedder="hash", optimize_after=6) as agent:
        search, begun, may_go_on = agent._optimizer.optimize, asyncio.Event(), asyncio.Event()
        searches = 0

        async def slow(*args: Any, **kwargs: Any) -> Revision:
            nonlocal searches
            searches += 1
            begun.set()
            await may_go_on.wait()
            return await search(*args, **kwargs)

        monkeypatch.setattr(agent._optimizer, "optimize", slow)
        await suppers(agent, 6)
        await asyncio.wait_for(begun.wait(), timeout=10)
        asked = asyncio.create_task(agent.optimize("ana"))
        await asyncio.sleep(0.2)
        may_go_on.set()
        revision = await asked
        assert await agent.revisions("ana") == [revision]
        assert searches == 1


async def test_another_process_is_waited_for(tmp_path: Path) -> None:
    async with (
        PersonaAgent.open(tmp_path, embedder="hash") as here,
        PersonaAgent.open(tmp_path, embedder="hash") as there,  # with locks of its own
    ):
        await suppers(here, 10)
        first, second = await asyncio.gather(here.optimize("ana"), there.optimize("ana"))
        assert first == second and await here.revisions("ana") == [first]
        assert sorted([paid(here), paid(there)]) == [0, first.usage.calls]


async def test_a_killed_process_holds_up_nobody_and_forgetting_leaves_nothing_of_it(
    tmp_path: Path,
) -> None:
    async with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        await suppers(agent, 10)
        path = agent._run_file("ana")
        path.parent.mkdir(exist_ok=True)
        script = (
            "import os, pathlib, sys; from persona_agent.memory.file_lock import hold; "
            "held = hold(pathlib.Path(sys.argv[1])); os._exit(9)"
        )
        assert subprocess.run([sys.executable, "-c", script, str(path)]).returncode == 9
        assert path.exists()
        await asyncio.wait_for(agent.optimize("ana"), timeout=30)
        assert not path.exists()
        path.touch()
        await agent.forget("ana")
        assert not path.exists()


async def test_a_run_that_is_stopped_while_it_waits_lets_go(tmp_path: Path) -> None:
    async with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        await suppers(agent, 10)
        path = agent._run_file("ana")
        path.parent.mkdir(exist_ok=True)
        held = hold(path)
        assert held is not None
        with held:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(agent.optimize("ana"), timeout=0.3)
            assert paid(agent) == 0
        assert (await asyncio.wait_for(agent.optimize("ana"), timeout=30)).outcomes == 10


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    async with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        await suppers(agent, 10)
        (tmp_path / "journal").write_text("in the way")
        with pytest.raises(StoreUnavailableError, match="journal"):
            await agent.optimize("ana")


async def test_who_is_forgotten_while_somebody_optimizes_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        search, begun, may_go_on = agent._optimizer.optimize, asyncio.Event(), asyncio.Event()

        async def slow(*args: Any, **kwargs: Any) -> Revision:
            begun.set()
            await may_go_on.wait()
            return await search(*args, **kwargs)

        monkeypatch.setattr(agent._optimizer, "optimize", slow)
        await suppers(agent, 10)
        asked = asyncio.create_task(agent.optimize("ana"))
        await begun.wait()
        monkeypatch.setattr(learning_calls, "SECONDS_TO_END", 0.2)
        with pytest.raises(ConflictError, match="an optimization of user 'ana' is under way"):
            await agent.forget("ana")
        monkeypatch.setattr(learning_calls, "SECONDS_TO_END", 10)
        forgotten = asyncio.create_task(agent.forget("ana"))
        await asyncio.sleep(0.2)
        may_go_on.set()
        await asyncio.gather(asked, forgotten)
        assert await agent.history("ana") == [] == await agent.revisions("ana")


async def test_a_run_whose_episodes_are_deleted_under_way_says_that_it_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        search = agent._optimizer.optimize

        async def late(*args: Any, **kwargs: Any) -> Revision:
            latest = [episode.id for episode in await agent.episodes("ana")][-3:]
            await agent.delete_episodes("ana", latest)
            return await search(*args, **kwargs)

        await suppers(agent, 12)
        with monkeypatch.context() as patched:
            patched.setattr(agent._optimizer, "optimize", late)
            with pytest.raises(ConflictError, match="deleted meanwhile; run it again"):
                await agent.optimize("ana")
        assert (await agent.optimize("ana")).outcomes == 9
