"""A damaged Chroma folder: what is told of it, and the new one made from what is readable."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from persona_agent.errors import StoreUnavailableError
from persona_agent.memory import Memory, open_memory
from persona_agent.memory.hash_embedder import HashEmbedder
from persona_agent.memory.rebuild import FileCheck, check, rebuild
from persona_agent.persona import render
from persona_agent.schema import Claim, Episode, Persona, Query, Section
from persona_agent.settings import Settings
from persona_agent.testing.conformance import START

USERS = ("ann", "bob", "cat")
EACH = 120  # more than Chroma keeps out of its index files

pytestmark = pytest.mark.slow


def open_at(folder: Path) -> Memory:
    return open_memory(Settings(data_dir=folder, embedder="hash", store="chroma"))


def fill(memory: Memory) -> None:
    for user in USERS:
        texts = [f"question {number} of {user}" for number in range(EACH)]
        episodes = [
            Episode(
                id=f"e{number}", user_id=user, query=Query(text=text), at=START + timedelta(number)
            )
            for number, text in enumerate(texts)
        ]
        memory.episodes.add(episodes, memory.embedder.embed(texts))
        claim = Claim(section=Section.STYLE, text=f"is {user}", evidence=("e1",))
        memory.personas.put(Persona(user_id=user, version="v1", claims=(claim,)), expected=None)
        memory.space().put(user, "v1", memory.embedder.embed([user])[0], {"kind": "x", "old": True})
    memory.episodes.set_outcome("ann", "e3", outcome="a late one")
    memory.episodes.delete("bob", ["e4"])  # not erased: the log still names it


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    memory = open_at(folder)
    fill(memory)
    memory.close()
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return shutil.copytree(template, tmp_path / "data")


def stored(folder: Path) -> dict[str, list[Episode]]:
    with closing(open_at(folder)) as memory:
        return {user: memory.episodes.timeline(user) for user in memory.episodes.users()}


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def of_chroma(folder: Path) -> FileCheck:
    return next(one for one in check(folder) if one.file == "chroma")


ALL = {"episodes": len(USERS) * EACH - 1, "persona space": len(USERS)}


def test_a_sound_folder_is_told_so(folder: Path) -> None:
    before = content(folder / "chroma")
    assert of_chroma(folder) == FileCheck(file="chroma", readable=ALL)
    assert rebuild(folder, HashEmbedder()) == {}
    assert content(folder / "chroma") == before
    assert list(folder.glob(".chroma-check-*")) == []


def wrong_index(chroma: Path) -> None:
    for part in ("data_level0.bin", "header.bin", "link_lists.bin", "length.bin"):
        for path in chroma.glob(f"*/{part}"):
            path.write_bytes(b"\xff" * path.stat().st_size)


def no_index(chroma: Path) -> None:
    for path in chroma.glob("*/data_level0.bin"):
        path.unlink()


def wrong_header(chroma: Path) -> None:
    with (chroma / "chroma.sqlite3").open("r+b") as file:
        file.write(bytes(100))


@pytest.mark.parametrize("damage", [wrong_index, no_index, wrong_header])
def test_what_can_be_read_is_kept(folder: Path, damage: Callable[[Path], None]) -> None:
    whole = stored(folder)
    damage(folder / "chroma")
    found = of_chroma(folder)
    assert found.problem
    assert found.readable == ALL
    assert rebuild(folder, HashEmbedder()) == {"chroma": ALL}
    assert of_chroma(folder) == FileCheck(file="chroma", readable=ALL)
    assert stored(folder) == whole
    with closing(open_at(folder)) as memory:
        question = memory.embedder.embed(["question 7 of cat"])[0]
        best = memory.episodes.recall("cat", question, limit=1)[0]
        assert best.episode.id == "e7" and best.similarity == pytest.approx(1, abs=1e-5)
        users, vectors = memory.space().vectors()
        personas = [memory.personas.latest(user) for user in users]
        texts = [render(persona) for persona in personas if persona is not None]
        np.testing.assert_allclose(vectors, memory.embedder.embed(texts), atol=1e-6)
        (near,) = memory.space().neighbours(vectors[0], 1)
        assert (near.user_id, near.version, near.metadata) == (
            users[0],
            "v1",
            {"kind": "x", "old": True},
        )


def test_pages_of_garbage_cost_what_stood_on_them(folder: Path) -> None:
    known = {one.model_dump_json() for found in stored(folder).values() for one in found}
    path = folder / "chroma" / "chroma.sqlite3"
    damaged = bytearray(path.read_bytes())
    for start in range(40 * 4096, len(damaged), 16 * 4096):
        damaged[start : start + 4096] = b"\xa5" * 4096
    path.write_bytes(damaged)
    found = of_chroma(folder)
    assert found.problem
    made = rebuild(folder, HashEmbedder())["chroma"]
    assert made == found.readable
    assert 0.5 * len(known) < made["episodes"] <= len(known)
    kept = {one.model_dump_json() for found in stored(folder).values() for one in found}
    assert len(kept) == made["episodes"]
    assert kept <= known


def test_a_record_that_cannot_be_read_is_left_behind(folder: Path) -> None:
    path = folder / "chroma" / "chroma.sqlite3"
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(
            "UPDATE embedding_metadata SET string_value = '{' WHERE key = 'body' "
            "AND string_value LIKE '%question 9 of ann%'"
        )
        file.execute("DELETE FROM embeddings_queue")
    assert of_chroma(folder).problem == "1 records cannot be read"
    assert rebuild(folder, HashEmbedder())["chroma"]["episodes"] == ALL["episodes"] - 1


def test_a_missing_file_is_told_and_the_folder_set_aside(folder: Path) -> None:
    (folder / "chroma" / "chroma.sqlite3").unlink()
    assert of_chroma(folder).problem == "chroma.sqlite3 is missing"
    assert rebuild(folder, HashEmbedder()) == {"chroma": {}}
    assert (folder / "chroma.damaged1").is_dir()
    assert stored(folder) == {}


def test_a_folder_in_use_is_read_but_not_rebuilt(folder: Path) -> None:
    with closing(open_at(folder)):
        found = of_chroma(folder)
        assert (found.problem, found.readable) == ("", ALL)
        assert "in use" in found.note
        with pytest.raises(StoreUnavailableError, match="another process"):
            rebuild(folder, HashEmbedder())


def test_forgetting_removes_the_folder_that_was_kept(folder: Path) -> None:
    no_index(folder / "chroma")
    rebuild(folder, HashEmbedder())
    assert (folder / "chroma.damaged1").is_dir()
    with closing(open_at(folder)) as memory:
        memory.forget("ann")
    assert not (folder / "chroma.damaged1").exists()
    assert set(stored(folder)) == {"bob", "cat"}
