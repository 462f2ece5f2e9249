"""kill -9 at random moments: nothing acknowledged is lost, doubled or seen by another user."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from persona_agent.bench.kill import run_kills
from persona_agent.bench.kill_ledger import (
    Actual,
    Found,
    Ledger,
    Life,
    Operation,
    compare,
    episode_of,
    read,
)
from persona_agent.memory import open_memory
from persona_agent.schema import Episode, Fact, Persona, Query
from persona_agent.settings import Settings

BATCH = Operation("add", "ann", (("ann", 1), ("bob", 0)))


def ledger() -> Ledger:
    return Ledger({"ann": Life(episodes={0: "yes"}, personas=["ann-v0"])})


def found(actual: Ledger, under_way: Operation | None = BATCH) -> Found:
    return compare(ledger(), under_way, Actual(actual, Found()))


def test_an_operation_under_way_is_done_whole_or_not_at_all() -> None:
    assert found(ledger()) == found(ledger().after(BATCH)) == Found()
    half = Ledger({"ann": Life(episodes={0: "yes", 1: None}, personas=["ann-v0"])})
    assert found(half) == Found(half_done=1)
    assert found(ledger().after(BATCH), under_way=None) == Found(half_done=1)


def test_what_is_lost_is_counted() -> None:
    gone = Ledger({"ann": Life(personas=["ann-v0"]), "bob": Life(episodes={0: None})})
    assert found(gone) == Found(lost=1, half_done=1)
    assert found(Ledger()) == Found(lost=1, half_done=1)
    forget = Operation("forget", "ann")
    assert found(Ledger(), forget) == found(ledger(), forget) == Found()
    half_forgotten = Ledger({"ann": Life(personas=["ann-v0"])})
    assert found(half_forgotten, forget) == Found(half_done=1)


def test_a_ledger_does_what_a_memory_does(tmp_path: Path) -> None:
    memory = open_memory(Settings(data_dir=tmp_path, embedder="hash"))
    episodes = [episode_of("ann", 0), episode_of("bob", 3)]
    vectors = memory.embedder.embed(["one", "two"])
    memory.episodes.add(episodes, vectors)
    memory.facts.add([Fact(user_id="ann", text="ann knows 7", sources=(episodes[0].id,))])
    memory.facts.mark_distilled("ann", episodes[:1])
    memory.personas.put(Persona(user_id="ann", version="ann-v0"), expected=None)
    expected = Ledger()
    for operation in (
        Operation("add", "ann", (("ann", 0), ("bob", 3))),
        Operation("learn", "ann", (("ann", 0),), "ann knows 7"),
        Operation("persona", "ann", text="ann-v0"),
        Operation("add", "ann", (("ann", 0),)),
        Operation("recall", "ann"),
    ):
        expected.apply(operation)
    assert read(memory) == Actual(expected, Found())
    memory.episodes.set_outcome("ann", episodes[0].id, outcome="yes")
    expected.apply(Operation("outcome", "ann", (("ann", 0),), "yes"))
    assert expected.lives["ann"].distilled == set()
    memory.forget("bob")
    expected.apply(Operation("forget", "bob"))
    assert read(memory) == Actual(expected, Found())
    foreign = Episode(id="e000009", user_id="ann", query=Query(text="bob asks 9"))
    memory.episodes.add([foreign], vectors[:1])
    assert read(memory).wrong == Found(foreign=1)
    memory.close()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_kills_lose_nothing(tmp_path: Path) -> None:
    report = run_kills(tmp_path / "data", kills=25, seed=1)
    assert report.clean, report
    assert report.acknowledged > 25
    assert report.under_way > 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_kills_with_chroma_lose_nothing(tmp_path: Path) -> None:
    report = run_kills(tmp_path / "data", kills=6, seed=1, store="chroma")
    assert report.clean, report
    assert report.acknowledged > 0
