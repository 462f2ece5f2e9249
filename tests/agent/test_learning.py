"""Optimizing many users, within budgets, by itself when due, and again after a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.errors import BudgetExceededError, NotFoundError
from persona_agent.memory import open_memory
from persona_agent.optimizer.watch import Event, watched
from persona_agent.schema import Revision, Usage
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel

START = datetime(2026, 1, 1, 9, tzinfo=UTC)
STEPS: dict[str, Any] = {
    "distil_facts": {"facts": []},
    "draft_persona": {"claims": []},
    "decide": {"choice": 2},
    "verify_claims": {"verdicts": []},
    "critique": {"critique": "missed", "preference": ""},
    "propose_edits": {"edits": []},
}


class PaidModel(ScriptedModel):
    """A model whose answers cost something, so that they are journaled."""

    deterministic = False


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[PersonaAgent]:
    with PersonaAgent.open(tmp_path / "data", embedder="hash") as opened:
        yield opened


def opened(folder: Path, **settings: Any) -> PersonaAgent:
    chosen = Settings(data_dir=folder, embedder="hash", **settings)
    return PersonaAgent(open_memory(chosen), PaidModel(STEPS), chosen)


def suppers(agent: PersonaAgent, user: str, count: int = 10, first: int = 0) -> None:
    for number in range(first, first + count):
        agent.record_sync(
            user,
            f"supper {number}",
            ["salad", "roast"][number % 2],
            options=["salad", "roast"],
            at=START + timedelta(days=number),
        )


def test_everybody_is_optimized_once(agent: PersonaAgent) -> None:
    suppers(agent, "ana")
    suppers(agent, "ben", 4)
    agent.record_sync("cleo", "nothing known")
    assert agent.unlearned_sync() == ["ana", "ben", "cleo"]
    ended = {one.user_id: one for one in agent.optimize_all_sync()}
    assert set(ended) == {"ana", "ben", "cleo"} and not any(e.error for e in ended.values())
    assert ended["cleo"].revision is None  # nothing known, and what was written states nothing
    assert agent.unlearned_sync() == [] and list(agent.optimize_all_sync()) == []
    suppers(agent, "ana", 1, first=10)
    assert agent.unlearned_sync() == ["ana"]


def test_the_budget_is_shared_fairly(tmp_path: Path) -> None:
    with opened(tmp_path, max_calls=60) as agent:
        for user in ("ana", "ben", "cleo"):
            suppers(agent, user, 20)
        ended = list(agent.optimize_all_sync(at_once=1))
        assert all("budget" in one.error for one in ended) and len(ended) == 3
        used = [agent.model.usage(user_id=user).calls for user in ("ana", "ben", "cleo")]
        assert max(used) - min(used) <= 2 and sum(used) <= 60


def test_a_user_may_use_only_so_much_in_a_day(tmp_path: Path) -> None:
    with opened(tmp_path, user_daily_calls=500) as agent:
        suppers(agent, "ana")
        first = agent.optimize_sync("ana")
        assert 0 < first.usage.calls < 500
        for age, calls in ((25, 480), (1, 500)):
            agent.memory.personas.add_revision(
                Revision(
                    user_id="ana",
                    from_version=None,
                    to_version="",
                    accepted=False,
                    outcomes=10,
                    usage=Usage(calls=calls),
                    at=datetime.now(UTC) - timedelta(hours=age),
                )
            )
            if age == 25:  # yesterday's calls do not count
                agent.optimize_sync("ana")
        with pytest.raises(BudgetExceededError, match="24 hours"):
            agent.optimize_sync("ana")


def test_runs_that_end_early_are_of_the_same_day(tmp_path: Path) -> None:
    with opened(tmp_path, user_daily_calls=5) as agent:
        suppers(agent, "ana", 20)
        for message in ("this run", "24 hours"):
            with pytest.raises(BudgetExceededError, match=message):
                agent.optimize_sync("ana")
        assert agent.model.usage(user_id="ana").calls == 5
    with opened(tmp_path, user_daily_calls=5) as agent:  # also after a restart
        with pytest.raises(BudgetExceededError, match="24 hours"):
            agent.optimize_sync("ana")
        assert agent.model.usage(user_id="ana").calls == 0
        agent.forget_sync("ana")
        day = datetime.now(UTC) - timedelta(days=1)
        assert agent.memory.personas.expenses("ana", day) == []


def test_what_a_killed_run_paid_is_of_the_same_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = datetime.now(UTC) - timedelta(days=1)
    with opened(tmp_path, user_daily_calls=5) as agent:
        suppers(agent, "ana", 20)
        with monkeypatch.context() as killed, pytest.raises(BudgetExceededError, match="this run"):
            killed.setattr(PersonaAgent, "_count_today", lambda *_: None)
            agent.optimize_sync("ana")
        assert agent.memory.personas.expenses("ana", day) == []
    with opened(tmp_path, user_daily_calls=8) as agent:
        for message in ("this run", "24 hours"):
            with pytest.raises(BudgetExceededError, match=message):
                agent.optimize_sync("ana")
        assert [one.calls for one in agent.memory.personas.expenses("ana", day)] == [5, 3]


def test_what_the_user_asks_meanwhile_is_no_part_of_an_optimization(agent: PersonaAgent) -> None:
    suppers(agent, "ana")
    asked: list[Thread] = []

    def see(event: Event) -> None:
        if not asked:
            asked.append(Thread(target=agent.chat_sync, args=("ana", "What do I eat?")))
            asked[0].start()
            asked[0].join()

    with watched(see):
        revision = asyncio.run(agent.optimize("ana"))
    assert asked and agent.model.usage(user_id="ana", purpose="chat").calls
    assert revision.usage.calls == agent.model.usage(user_id="ana", purpose="optimize").calls


def test_an_optimization_is_due_after_enough_outcomes_or_regret(agent: PersonaAgent) -> None:
    suppers(agent, "ana", 9)
    assert agent.due_sync("ana") == ""
    suppers(agent, "ana", 1, first=9)
    assert "10 new outcomes" in agent.due_sync("ana")
    agent.optimize_sync("ana")
    assert agent.due_sync("ana") == ""
    for number in range(4):
        agent.record_sync(
            "ana",
            f"lunch {number}",
            "salad",
            options=["salad", "roast"],
            response="roast",
            at=START + timedelta(days=20 + number),
        )
    assert "4 of the last 4 decisions were wrong" in agent.due_sync("ana")


def test_after_a_run_that_changed_nothing_it_waits_longer(tmp_path: Path) -> None:
    with opened(tmp_path) as agent:
        suppers(agent, "ana", 4)
        agent.optimize_sync("ana")
        again = agent.optimize_sync("ana")
        assert not again.accepted
        suppers(agent, "ana", 10, first=4)
        assert agent.due_sync("ana") == ""
        suppers(agent, "ana", 10, first=14)
        assert agent.due_sync("ana")


async def test_it_learns_by_itself_beside_the_answers(tmp_path: Path) -> None:
    settings = {"embedder": "hash", "optimize_after": 6}
    async with PersonaAgent.open(tmp_path / "data", **settings) as agent:
        for number in range(6):
            await agent.record("ana", f"supper {number}", "salad", options=["salad", "roast"])
        for _ in range(200):
            if await agent.history("ana"):
                break
            await asyncio.sleep(0.02)
        assert [one.outcomes for one in await agent.revisions("ana")] == [6]


KILLED = """
import sys, time
from pathlib import Path
from tests.agent.test_learning import STEPS, PaidModel
from persona_agent.agent import PersonaAgent
from persona_agent.memory import open_memory
from persona_agent.settings import Settings

class Slow(PaidModel):
    async def ask(self, prompt, inputs):
        with open(sys.argv[2], "a") as log:
            text = "|".join(message.content for message in prompt.render(inputs))
            log.write(f"{prompt.name} {hash(text)}\\n")
        time.sleep(0.002)
        return await super().ask(prompt, inputs)

settings = Settings(data_dir=Path(sys.argv[1]), embedder="hash")
with PersonaAgent(open_memory(settings), Slow(STEPS), settings) as agent:
    for ended in agent.optimize_all_sync():
        assert ended.revision, ended.error
print("whole")
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_and_repeats_no_call(tmp_path: Path) -> None:
    def run(data: Path, log: Path, *, kill_after: int | None = None) -> str:
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(data), str(log)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": "0"},
        )
        while kill_after is not None and process.poll() is None:
            if log.exists() and log.read_text().count("\n") >= kill_after:
                process.send_signal(signal.SIGKILL)
            time.sleep(0.002)
        return process.communicate(timeout=60)[0]

    def personas(data: Path) -> list[Any]:
        with PersonaAgent.open(data, embedder="hash") as agent:
            return [
                (
                    agent.persona_text_sync(user),
                    agent.persona_sync(user).policy,
                    [gate.model_dump_json() for gate in agent.revisions_sync(user)[-1].gates],
                )
                for user in ("ana", "ben")
            ]

    for name in ("whole", "killed"):
        with PersonaAgent.open(tmp_path / name, embedder="hash") as agent:
            suppers(agent, "ana", 20)
            suppers(agent, "ben", 20)

    def counted(data: Path) -> int:
        day = datetime.now(UTC) - timedelta(days=1)
        with PersonaAgent.open(data, embedder="hash") as agent:
            return sum(
                used.calls
                for user in ("ana", "ben")
                for used in (
                    *(one.usage for one in agent.revisions_sync(user)),
                    *agent.memory.personas.expenses(user, day),
                )
            )

    assert "whole" in run(tmp_path / "whole", tmp_path / "whole.log")
    kills = 0
    while "whole" not in run(tmp_path / "killed", tmp_path / "log", kill_after=40 * (kills + 1)):
        kills += 1
    assert kills >= 2
    assert personas(tmp_path / "killed") == personas(tmp_path / "whole")
    asked = (tmp_path / "log").read_text().splitlines()
    whole = (tmp_path / "whole.log").read_text().splitlines()
    assert set(asked) == set(whole)
    # calls that were under way when it was killed were not answered yet, and are asked again
    assert len(asked) - len(set(asked)) <= len(whole) - len(set(whole)) + kills * 8
    assert len(asked) - kills * 8 <= counted(tmp_path / "killed") <= len(asked)
    assert counted(tmp_path / "whole") == len(whole)


# --- users who only said something --------------------------------------------------------------


def test_users_with_statements_alone_are_served_and_told_that_nothing_was_judged(
    agent: PersonaAgent,
) -> None:
    agent.record_sync("dora", "I never eat pork.")
    assert agent.unlearned_sync() == ["dora"]
    (ended,) = agent.optimize_all_sync()
    assert ended.revision is not None and ended.revision.accepted
    assert ended.revision.gates == () and "0 known outcomes" in ended.revision.reason
    (claim,) = agent.persona_sync("dora").claims
    assert (claim.text, claim.origin) == ("I never eat pork.", "user")
    assert agent.unlearned_sync() == []


def test_statements_make_an_optimization_due(agent: PersonaAgent) -> None:
    for number in range(9):
        agent.record_sync("dora", f"I never eat dish number {number}.")
    agent.record_sync("dora", "Where can I eat?")
    assert agent.due_sync("dora") == ""
    agent.record_sync("dora", "I love spicy soup.")
    assert agent.due_sync("dora") == "10 new statements"
    agent.optimize_sync("dora")
    assert agent.due_sync("dora") == ""
    for claim in agent.persona_sync("dora").claims:
        agent.delete_claim_sync("dora", claim.id)
    assert agent.due_sync("dora") == ""  # what was deleted does not come back


def test_a_thumb_and_a_comment_that_states_nothing_are_no_outcome(agent: PersonaAgent) -> None:
    made = agent.decide_sync("dora", "Lunch?", ["trout", "salad"])
    agent.feedback_sync(made.episode_id, user="dora", thumb=1, comment="well done")
    assert agent.unlearned_sync() == ["dora"], "only distilling tells what a comment says"
    with pytest.raises(NotFoundError, match=r"or a comment: record .*a thumb does not tell"):
        agent.optimize_sync("dora")
    assert agent.unlearned_sync() == []
