"""Watching a search: everything is told, to the one who watches, and nothing changes by it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.evals.demo import split_demo_users
from persona_agent.optimizer.watch import Critiqued, Drafted, Event, Proposed, Simulated, watched
from persona_agent.schema import GateResult, Revision

PEOPLE = ("maya-okafor", "henrik-aaltonen")


def opened(path: Path, most: int | None = None) -> PersonaAgent:
    agent = PersonaAgent.open(path, embedder="hash")
    for split in split_demo_users():
        if split.person.user_id in PEOPLE:
            agent.record_episodes_sync(split.history[:most])
    return agent


def compared(revision: Revision) -> list[tuple[object, ...]]:
    return [(gate.gate, gate.passed, gate.candidate_loss) for gate in revision.gates]


@pytest.mark.slow
def test_a_watched_search_is_the_same_and_tells_everything(tmp_path: Path) -> None:
    seen: list[Event] = []
    with opened(tmp_path / "one") as agent, watched(seen.append):
        watched_one = agent.optimize_sync(PEOPLE[0])
    with opened(tmp_path / "other") as agent:
        plain = agent.optimize_sync(PEOPLE[0])
    assert compared(watched_one) == compared(plain)
    kinds = [type(event) for event in seen]
    assert kinds[0] is Drafted
    assert {Drafted, Simulated, Critiqued, Proposed, GateResult} == set(kinds)
    gates = [event for event in seen if isinstance(event, GateResult)]
    assert tuple(gates) == watched_one.gates
    for event in seen:
        if isinstance(event, Simulated):
            ids = [episode.id for episode in event.episodes]
            assert ids == [trial.episode_id for trial in event.trials]


async def test_searches_side_by_side_are_told_apart(tmp_path: Path) -> None:
    with opened(tmp_path, most=16) as agent:
        seen: dict[str, list[Event]] = {user: [] for user in PEOPLE}

        async def one(user: str) -> None:
            with watched(seen[user].append):
                await agent.optimize(user)

        await asyncio.gather(*(one(user) for user in PEOPLE))
    for user, events in seen.items():
        episodes = [e for event in events if isinstance(event, Simulated) for e in event.episodes]
        assert len(episodes) >= 10 and {episode.user_id for episode in episodes} == {user}
