"""Damaged files: what is read from their pages, and the memory made anew from it."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_agent.errors import StoreDamagedError, StoreUnavailableError
from persona_agent.memory import Memory, open_memory
from persona_agent.memory.facts import Learned
from persona_agent.memory.hash_embedder import HashEmbedder
from persona_agent.memory.pages import rows
from persona_agent.memory.rebuild import FileCheck, check, rebuild
from persona_agent.memory.transfer import export_user
from persona_agent.schema import Episode, Fact, Persona, Query, Revision
from persona_agent.settings import Settings
from persona_agent.testing.conformance import START

USERS = tuple(f"user{number}" for number in range(5))
EACH = 60


def open_at(folder: Path) -> Memory:
    return open_memory(Settings(data_dir=folder, embedder="hash"))


def fill(memory: Memory) -> None:
    for user in USERS:
        texts = [f"question {number} of {user} " + "long " * (number % 7) for number in range(EACH)]
        episodes = [
            Episode(
                id=f"e{number:03d}",
                user_id=user,
                query=Query(text=text),
                outcome=f"answer {number}",
                at=START + timedelta(hours=number),
                response="x" * (30_000 if number == 5 else 0),  # spills over to other pages
            )
            for number, text in enumerate(texts)
        ]
        memory.episodes.add(episodes, memory.embedder.embed(texts))
        facts = [
            Learned(Fact(user_id=user, text=f"fact {one.id} of {user}", sources=(one.id,)))
            for one in episodes[:20]
        ]
        memory.facts.learn(user, facts, episodes[:40])
        first = Persona(user_id=user, cause="draft", created_at=START)
        second = Persona(user_id=user, parent=first.version, created_at=START + timedelta(days=1))
        memory.personas.put(first, expected=None)
        change = Revision(
            user_id=user, from_version=first.version, to_version=second.version, accepted=True
        )
        memory.personas.put(second, expected=first.version, revision=change)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    memory = open_at(folder)
    fill(memory)
    memory.close()
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    """A closed data directory with a few users."""
    return shutil.copytree(template, tmp_path / "data")


def exported(folder: Path) -> dict[str, list[str]]:
    memory = open_at(folder)
    lines = {user: list(export_user(memory, user)) for user in USERS}
    memory.close()
    return lines


def overwrite(path: Path, start: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(content)


def test_sound_files_are_told_so(folder: Path) -> None:
    memory = {"episodes": len(USERS) * EACH, "facts": len(USERS) * 20}
    personas = {"personas": len(USERS) * 2, "revisions": len(USERS)}
    assert check(folder) == [
        FileCheck(file="memory.db", readable=memory),
        FileCheck(file="personas.db", readable=personas),
    ]
    before = (folder / "memory.db").read_bytes()
    with closing_memory(folder) as memory_:
        assert rebuild(folder, memory_.embedder) == {}
    assert (folder / "memory.db").read_bytes() == before
    assert check(folder / "nowhere") == []


def closing_memory(folder: Path) -> closing[Memory]:
    return closing(open_at(folder))


@pytest.mark.parametrize("name", ["memory.db", "personas.db"])
@pytest.mark.parametrize("length", [16, 100])
def test_a_wrong_header_costs_nothing(folder: Path, name: str, length: int) -> None:
    lines = exported(folder)
    overwrite(folder / name, 0, bytes(length))
    with pytest.raises(StoreDamagedError, match="memory rebuild"):
        open_at(folder)
    found = {one.file: one for one in check(folder)}
    assert found.pop(name).problem
    assert [one.problem for one in found.values()] == [""]
    assert list(rebuild(folder, embedder())) == [name]
    assert exported(folder) == lines
    assert (folder / f"{name}.damaged1").exists()
    assert all(not one.problem for one in check(folder))


def embedder() -> HashEmbedder:
    return HashEmbedder()


def garbage(path: Path) -> None:
    content = random.Random(1).randbytes(16_384)
    overwrite(path, 16_384 * 20, content)
    overwrite(path, 16_384 * 33, content)


def truncated(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size * 2 // 3 + 777)


def zeroed(path: Path) -> None:
    overwrite(path, 0, bytes(16_384))
    overwrite(path, 16_384 * 10, bytes(16_384 * 3))


@pytest.mark.parametrize("damage", [garbage, truncated, zeroed])
def test_what_is_intact_is_kept(folder: Path, damage: Callable[[Path], None]) -> None:
    lines = exported(folder)
    damage(folder / "memory.db")
    report = check(folder)[0]
    assert report.problem
    # The facts stand behind the episodes, so they are what a missing end takes.
    kept = report.readable["episodes"] / (len(USERS) * EACH)
    assert 0.5 < kept < 1.0
    made = rebuild(folder, embedder())
    assert made["memory.db"] == report.readable
    with closing_memory(folder) as memory:
        assert sum(memory.episodes.count(user) for user in USERS) == made["memory.db"]["episodes"]
        for user in USERS:
            stored = set(export_user(memory, user))
            assert {one for one in stored if '"kind": "episode"' in one} <= set(lines[user])
            recalled = memory.episodes.recall(
                user, memory.embedder.embed([f"question 3 of {user}"])[0], limit=3
            )
            assert all(one.episode.user_id == user for one in recalled)
            pending = memory.facts.pending(user, memory.episodes.timeline(user))
            assert all(one.id >= "e040" for one in pending) or damage is truncated
        episodes = [memory.episodes.get(user, ["e005"]) for user in USERS]
        assert all(len(one[0].response or "") == 30_000 for one in episodes if one)


def test_the_log_counts(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    with closing_memory(folder) as memory:
        episode = Episode(id="late", user_id="user0", query=Query(text="in the log only"))
        memory.episodes.add([episode], memory.embedder.embed([episode.query.text]))
        for path in folder.iterdir():
            (copy / path.name).write_bytes(path.read_bytes())
    assert (copy / "memory.db-wal").stat().st_size > 0
    overwrite(copy / "memory.db", 0, bytes(100))
    (copy / "memory.db-shm").unlink()
    rebuild(copy, embedder())
    with closing_memory(copy) as memory:
        assert memory.episodes.get("user0", ["late"]) == [episode]
        assert memory.episodes.count("user0") == EACH + 1


def test_a_file_of_something_else_holds_nothing(folder: Path) -> None:
    (folder / "memory.db").write_bytes(b"\x89PNG and so on " * 9_000)
    report = check(folder)[0]
    assert (report.problem, report.readable) == ("file is not a database", {})
    assert rebuild(folder, embedder()) == {"memory.db": {}}
    with closing_memory(folder) as memory:
        assert memory.episodes.users() == []
        assert len(memory.personas.users()) == len(USERS)


def test_records_that_cannot_be_read_are_left_behind(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "memory.db")) as file, file:
        file.execute("UPDATE episodes SET body = replace(body, 'question', '\"') WHERE id = 'e007'")
    report = check(folder)[0]
    assert report.problem == f"{len(USERS)} records cannot be read"
    rebuild(folder, embedder())
    with closing_memory(folder) as memory:
        assert memory.episodes.count("user0") == EACH - 1


def test_a_vector_of_another_length_is_found(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "memory.db")) as file, file:
        file.execute("UPDATE episodes SET vector = x'00' WHERE id = 'e007' AND user_id = 'user0'")
    assert check(folder)[0].problem == "1 records cannot be read"
    rebuild(folder, embedder())
    with closing_memory(folder) as memory:
        assert memory.episodes.vectors("user0", ["e007"]).shape == (1, 256)


def test_a_rebuild_that_was_killed_is_finished(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = exported(folder)
    overwrite(folder / "memory.db", 0, bytes(100))
    replace = os.replace

    def killed(old: Path, new: Path) -> None:
        if old.name == "memory.db.rebuilt":
            raise KeyboardInterrupt
        replace(old, new)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        rebuild(folder, embedder())
    monkeypatch.undo()
    assert not (folder / "memory.db").exists()
    assert rebuild(folder, embedder()) == {}
    assert exported(folder) == lines


def test_forgetting_removes_what_a_rebuild_kept(folder: Path) -> None:
    overwrite(folder / "memory.db", 0, bytes(100))
    rebuild(folder, embedder())
    overwrite(folder / "memory.db", 0, bytes(100))
    rebuild(folder, embedder())
    assert (folder / "memory.db.damaged2").exists()
    with closing_memory(folder) as memory:
        memory.forget("user0")
    assert [path for path in folder.iterdir() if b"user0" in path.read_bytes()] == []


@pytest.mark.slow
def test_a_file_that_is_in_use_is_not_rebuilt(folder: Path) -> None:
    code = f"""
import sys
from persona_agent.memory.facts import FactStore
store = FactStore({str(folder / "memory.db")!r})
print(len(store.users()), flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"5\n"
        with pytest.raises(StoreUnavailableError, match="another process"):
            rebuild(folder, embedder())
        other.communicate(b"")


def test_random_damage_never_makes_anything_up(folder: Path) -> None:
    whole = (folder / "memory.db").read_bytes()
    known = {line for lines in exported(folder).values() for line in lines}
    chance = random.Random(5)
    damaged = 0
    for _ in range(5):
        content = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            start = chance.randrange(len(content))
            end = min(len(content), start + chance.randrange(1, 40_000))
            content[start:end] = chance.randbytes(end - start)
        (folder / "memory.db").write_bytes(content)
        (folder / "memory.db-wal").unlink(missing_ok=True)
        report = check(folder)[0]
        rebuild(folder, embedder())
        with closing_memory(folder) as memory:
            stored = [
                line for user in memory.episodes.users() for line in export_user(memory, user)
            ]
        episodes = [line for line in stored if '"kind": "episode"' in line]
        assert set(episodes) <= known
        assert len(episodes) == report.readable["episodes"]
        damaged += bool(report.problem)
    assert damaged >= 3


# --- pages ----------------------------------------------------------------------------------------

VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
    st.binary(max_size=40),
    st.integers(1, 40_000).map(lambda length: "long " * (length // 5)),
    st.integers(1, 40_000).map(bytes),
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("pages")


@settings(max_examples=25, deadline=None)
@given(
    records=st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=30),
    page=st.sampled_from([512, 4096, 16_384, 65_536]),
    ordered=st.booleans(),
)
def test_pages_hold_the_rows_that_sqlite_wrote(
    scratch: Path, records: list[tuple[object, ...]], page: int, ordered: bool
) -> None:
    path = scratch / "t.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute(f"PRAGMA page_size={page}")
        key = "n PRIMARY KEY NOT NULL" if ordered else "n"
        file.execute(f"CREATE TABLE t ({key}, a, b, c)" + (" WITHOUT ROWID" if ordered else ""))
        numbered = [(number, *record) for number, record in enumerate(records)]
        file.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", numbered)
        stored = file.execute("SELECT * FROM t").fetchall()
    found = [row for row in rows(path, page_bytes=page) if len(row) == 4 and row[:1] != ("table",)]
    assert sorted(found, key=lambda row: row[0]) == stored  # type: ignore[arg-type, return-value]


def test_a_file_that_is_locked_is_not_called_damaged(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(folder / "personas.db", isolation_level=None)) as file:
        file.execute("PRAGMA locking_mode=EXCLUSIVE")
        file.execute("BEGIN EXCLUSIVE")
        real = sqlite3.connect
        monkeypatch.setattr(
            "persona_agent.memory.readable.sqlite3.connect",
            lambda address, uri, timeout: real(address, uri=uri, timeout=0.01),
        )
        with pytest.raises(StoreUnavailableError, match="cannot be read"):
            check(folder)
