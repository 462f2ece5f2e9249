"""What only the SQLite store promises: durability, erasure, other processes, clear errors."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from persona_agent.errors import (
    EmbedderMismatchError,
    StoreDamagedError,
    StoreUnavailableError,
)
from persona_agent.memory.database import Database
from persona_agent.memory.recall import Hit
from persona_agent.memory.sqlite import SQLiteEpisodeStore
from persona_agent.memory.store import Question
from persona_agent.testing.conformance import POOL, ids, make_episode

KILLED = """
import os, signal, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from persona_agent.memory.sqlite import SQLiteEpisodeStore
from persona_agent.testing.conformance import POOL, make_episode
store = SQLiteEpisodeStore(sys.argv[1], embedder="test")
store.add([make_episode("kept")], POOL[:1])
os.kill(os.getpid(), signal.SIGKILL)
"""


def open_store(folder: Path, embedder: str = "test") -> SQLiteEpisodeStore:
    return SQLiteEpisodeStore(folder / "memory.db", embedder=embedder)


@pytest.mark.slow
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "memory.db")], check=False)
    assert done.returncode == -9
    store = open_store(tmp_path)
    assert ids(store.timeline("ann")) == ["kept"]
    store.close()


def test_a_store_notices_what_others_write(tmp_path: Path) -> None:
    one, two = open_store(tmp_path), open_store(tmp_path)
    one.add([make_episode("e0"), make_episode("e1")], POOL[:2])
    for store in (one, two):
        assert ids(store.recall("ann", POOL[0], limit=9, where={})) == ["e0", "e1"]
    two.add([make_episode("e2", n=1)], POOL[2:3])
    assert len(one.recall("ann", POOL[0], limit=9)) == 3
    assert ids(one.recall("ann", POOL[0], limit=9, where={"n": 1})) == ["e2"]
    two.set_outcome("ann", "e1", outcome="a")
    assert ids(one.recall("ann", POOL[0], limit=9, with_outcome=True)) == ["e1"]
    two.delete("ann", ["e1"])
    assert ids(one.recall("ann", POOL[0], limit=9)) == ["e0", "e2"]
    two.forget("ann")
    two.add([make_episode("e9")], POOL[3:4])
    assert ids(one.recall("ann", POOL[0], limit=9)) == ["e9"]
    one.close()
    two.close()


def test_a_cached_user_follows_its_own_writes(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.add([make_episode("e0", n=1)], POOL[:1])
    for number in range(1, 5):
        assert len(store.recall("ann", POOL[0], limit=9, where={"n": 1})) == number
        store.add([make_episode(f"e{number}", n=1)], POOL[number : number + 1])
    store.close()


def test_what_was_just_added_is_found_as_the_file_gives_it(tmp_path: Path) -> None:
    one, two = open_store(tmp_path), open_store(tmp_path)
    one.add([make_episode("e0", n=1)], POOL[:1])
    assert ids(one.recall("ann", POOL[0], limit=9)) == ["e0"]
    added = make_episode("e1", n=2).model_copy(update={"response": "as said"})
    one.add([added], POOL[1:2])
    added.metadata["n"] = 3  # the caller's own
    for _ in range(2):
        hit = next(h for h in one.recall("ann", POOL[1], limit=9) if h.episode.id == "e1")
        assert [hit.episode] == two.get("ann", ["e1"]) and hit.episode.metadata == {"n": 2}
        hit.episode.metadata["n"] = 4
    one.close()
    two.close()


def test_a_timeline_without_an_episode_is_never_stale(tmp_path: Path) -> None:
    one, two = open_store(tmp_path), open_store(tmp_path)
    one.add([make_episode("e0")], POOL[:1])
    one.recall("ann", POOL[0], limit=9)  # in memory from here on
    for with_outcome, task in ((True, None), (False, "another"), (True, "another")):
        assert one.timeline("ann", with_outcome=with_outcome, task=task) == []
    assert ids(one.timeline("ann")) == ["e0"]
    two.set_outcome("ann", "e0", outcome="a")
    assert ids(one.timeline("ann", with_outcome=True)) == ["e0"]
    one.recall("ann", POOL[0], limit=9)
    assert ids(one.timeline("ann", with_outcome=True)) == ["e0"]
    one.delete("ann", ["e0"])
    assert one.timeline("ann") == one.timeline("nobody", with_outcome=True) == []
    one.close()
    two.close()


def test_a_write_during_a_recall_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path)
    store.add([make_episode("e0"), make_episode("e1")], POOL[:2])
    hits = Question.hits

    def meanwhile(question: Question, *rest: Any) -> list[Hit]:
        found = hits(question, *rest)
        store.delete("ann", ["e0"])
        return found

    monkeypatch.setattr(Question, "hits", meanwhile)
    assert ids(store.recall("ann", POOL[0], limit=9)) == ["e1"]
    store.close()


def test_nothing_of_a_forgotten_user_is_left_on_the_disk(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    secret = "a very particular sentence "
    mine = [make_episode(f"{secret}{i}", user="ann-the-secret") for i in range(50)]
    others = [make_episode(f"o{i}", user=f"other{i}") for i in range(50)]
    store.add(mine + others, POOL[[0] * 100])
    store.set_outcome("ann-the-secret", f"{secret}7", outcome="a")
    assert store.forget("ann-the-secret") == 50
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secret.encode() not in content
    assert b"ann-the-secret" not in content
    assert len(store.users()) == 50
    store.close()


def test_vectors_of_another_embedder_are_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path, "one")
    store.add([make_episode()], POOL[:1])
    store.close()
    with pytest.raises(EmbedderMismatchError, match=r"one \(dimension 4\), but two.*export"):
        open_store(tmp_path, "two")
    again = open_store(tmp_path, "one")
    again.forget("ann")
    again.close()
    empty = open_store(tmp_path, "two")
    assert empty.add([make_episode()], POOL[:1]) == ["e1"]
    empty.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "memory.db").write_text("not a database, " * 1_000, encoding="utf-8")
    with pytest.raises(StoreDamagedError, match=r"memory\.db .*backup"):
        open_store(tmp_path)
    assert (tmp_path / "memory.db").read_text(encoding="utf-8").startswith("not a database")


def test_a_damaged_file(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.add([make_episode(f"e{i}", text="x" * 900) for i in range(100)], POOL[[0] * 100])
    store.close()
    path = tmp_path / "memory.db"
    content = bytearray(path.read_bytes())
    content[16_384 * 4 :] = b"\xff" * (len(content) - 16_384 * 4)
    path.write_bytes(content)
    with pytest.raises(StoreDamagedError, match=r"memory\.db"):
        store = open_store(tmp_path)
        try:
            store.timeline("ann")
        finally:
            store.close()


def test_rows_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.add([make_episode("e1"), make_episode("e2")], POOL[:2])
    raw = sqlite3.connect(tmp_path / "memory.db")
    raw.execute("UPDATE episodes SET body = '{}' WHERE id = 'e1'")
    raw.execute("UPDATE episodes SET vector = x'00' WHERE id = 'e2'")
    raw.commit()
    raw.close()
    with pytest.raises(StoreDamagedError, match="intact"):
        store.get("ann", ["e1"])
    assert ids(store.get("ann", ["e2"])) == ["e2"]
    with pytest.raises(StoreDamagedError, match="intact"):
        store.recall("ann", POOL[0], limit=1)
    store.close()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreUnavailableError, match="check that its folder"):
        open_store(tmp_path / "file" / "data")
    (tmp_path / "memory.db").mkdir()
    with pytest.raises(StoreUnavailableError, match=r"memory\.db"):
        open_store(tmp_path)


def test_a_file_of_a_newer_version(tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "memory.db")
    raw.execute("PRAGMA user_version=99")
    raw.close()
    with pytest.raises(StoreUnavailableError, match=r"version 99.*upgrade"):
        open_store(tmp_path)


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        store.users()


def test_a_failed_batch_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from persona_agent.memory import episode_sql

    store = open_store(tmp_path)
    insert = episode_sql.insert

    def full_disk(connection: sqlite3.Connection, columns: episode_sql.Row) -> bool:
        if columns[1] == "e2":
            raise sqlite3.OperationalError("database or disk is full")
        return insert(connection, columns)

    monkeypatch.setattr(episode_sql, "insert", full_disk)
    with pytest.raises(StoreUnavailableError, match="disk is full"):
        store.add([make_episode("e1"), make_episode("e2")], POOL[:2])
    monkeypatch.undo()
    assert store.users() == []
    assert store.add([make_episode("e1")], POOL[:1]) == ["e1"]
    store.close()


def test_many_ids_at_once(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    names = [f"e{i:04d}" for i in range(1_200)]
    store.add([make_episode(name) for name in names], POOL[[0] * len(names)])
    assert ids(store.get("ann", names)) == names
    assert len(store.vectors("ann", names)) == 1_200
    assert store.delete("ann", names) == 1_200
    store.close()


def test_a_number_is_read_as_of_the_last_commit_while_another_thread_writes(tmp_path: Path) -> None:
    database = Database(tmp_path / "numbers.db", [["CREATE TABLE numbers (n INTEGER)"]])
    with ThreadPoolExecutor(1) as other:
        with database.writing() as connection:
            connection.execute("INSERT INTO numbers VALUES (7)")
            meanwhile = other.submit(database.number, "SELECT n FROM numbers", ())
            assert meanwhile.result(timeout=10) is None
        assert other.submit(database.number, "SELECT n FROM numbers", ()).result(timeout=10) == 7
    database.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        database.number("SELECT n FROM numbers", ())
