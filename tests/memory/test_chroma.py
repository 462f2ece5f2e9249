"""What only Chroma promises: one process a folder, checked names, and the persona space."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from persona_agent.errors import (
    EmbedderMismatchError,
    InputError,
    SettingsError,
    StoreUnavailableError,
)
from persona_agent.memory.chroma import ChromaEpisodeStore
from persona_agent.memory.chroma_client import clear_unused
from persona_agent.memory.persona_space import PersonaSpace
from persona_agent.protocols import EpisodeStore
from persona_agent.testing.conformance import (
    POOL,
    EpisodeStoreConformance,
    episode_store_machine,
    ids,
    make_episode,
)

SECOND = """
import sys
from persona_agent.errors import StoreUnavailableError
from persona_agent.memory.chroma_client import ChromaClient
try:
    ChromaClient(path=sys.argv[1], url=None)
except StoreUnavailableError as error:
    print(error)
"""


def second_process(folder: Path) -> str:
    command = [sys.executable, "-c", SECOND, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.slow
def test_a_second_process_is_refused_at_once(tmp_path: Path) -> None:
    store = ChromaEpisodeStore(path=tmp_path, embedder="test")
    space = PersonaSpace(path=tmp_path / "." / "", embedder="test")
    store.close()
    assert "another process uses the Chroma data" in second_process(tmp_path)
    space.close()
    assert second_process(tmp_path) == ""


def test_a_failed_batch_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ChromaEpisodeStore(path=tmp_path, embedder="test")
    users = [f"user{i}" for i in range(8)]
    store.add([make_episode("old", user="user3")], POOL[:1])
    collection = type(store._shards()[0])
    add, calls = collection.add, []

    def failing(self: object, **rows: object) -> None:
        calls.append(rows)
        if len(calls) == 3:
            raise OSError("disk is full")
        add(self, **rows)

    monkeypatch.setattr(collection, "add", failing)
    with pytest.raises(StoreUnavailableError, match="disk is full"):
        store.add([make_episode(user=user) for user in users], POOL[:8])
    monkeypatch.undo()
    assert store.users() == ["user3"]
    assert ids(store.timeline("user3")) == ["old"]
    store.close()


def test_vectors_of_another_embedder_are_refused(tmp_path: Path) -> None:
    store = ChromaEpisodeStore(path=tmp_path, embedder="one")
    store.add([make_episode()], POOL[:1])
    with pytest.raises(EmbedderMismatchError, match=r"one \(dimension 4\), but two"):
        ChromaEpisodeStore(path=tmp_path, embedder="two")
    store.forget("ann")
    store.close()
    empty = ChromaEpisodeStore(path=tmp_path, embedder="two")
    assert empty.add([make_episode()], np.eye(5, dtype=np.float32)[:1]) == ["e1"]
    empty.close()


def test_places_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreUnavailableError, match="may be written"):
        ChromaEpisodeStore(path=tmp_path / "file" / "chroma", embedder="test")
    for url in ("localhost:8000", "http://", "http://host:port"):
        with pytest.raises(SettingsError, match="PERSONA_AGENT_CHROMA_URL"):
            ChromaEpisodeStore(url=url, embedder="test")
    with pytest.raises(SettingsError):
        PersonaSpace(embedder="test")
    with pytest.raises(StoreUnavailableError, match="server"):
        PersonaSpace(url=f"http://127.0.0.1:{free_port()}", embedder="test")


def test_the_persona_space(tmp_path: Path) -> None:
    space = PersonaSpace(path=tmp_path, embedder="test")
    assert space.vectors()[0] == [] and space.neighbours(POOL[0], 3) == []
    assert space.forget("ann") == 0
    space.put("cat", "v1", POOL[0])
    space.put("ann", "v1", POOL[1], {"claims": 1, "old": True})
    space.put("ann", "v2", POOL[4], {"claims": 2})
    space.put("bob@example.org", "v1", POOL[0], {"claims": 5})
    first, second = space.neighbours(POOL[4], 2)
    assert (first.user_id, first.version, first.metadata) == ("ann", "v2", {"claims": 2})
    np.testing.assert_allclose([first.similarity, second.similarity], [1, 0.5], atol=1e-6)
    assert "ann" not in {one.user_id for one in space.neighbours(POOL[4], 9, exclude="ann")}
    assert space.neighbours(POOL[4], 0) == []
    users, vectors = space.vectors()
    assert users == ["ann", "bob@example.org", "cat"]
    np.testing.assert_array_equal(vectors, POOL[[4, 0, 0]])
    with pytest.raises(InputError, match="'version'"):
        space.put("ann", "v3", POOL[0], {"version": "x"})
    for call in (space.put, lambda *args: space.neighbours(args[2], 1)):
        with pytest.raises(EmbedderMismatchError):
            call("ann", "v3", np.eye(5, dtype=np.float32)[0])
    assert space.forget("ann") == 1
    space.close()
    again = PersonaSpace(path=tmp_path, embedder="test")
    assert again.vectors()[0] == ["bob@example.org", "cat"]
    again.close()
    with pytest.raises(EmbedderMismatchError):
        PersonaSpace(path=tmp_path, embedder="other")


def test_what_chroma_cannot_hold_is_the_callers_mistake(tmp_path: Path) -> None:
    half = "\ud800"
    store = ChromaEpisodeStore(path=tmp_path, embedder="test")
    space = PersonaSpace(path=tmp_path, embedder="test")
    for stored in (False, True):
        if stored:
            store.add([make_episode("e0")], POOL[:1])
            space.put("ann", "v1", POOL[0])
        for call in (
            lambda: store.get("ann", [half]),
            lambda: store.delete("ann", [half]),
            lambda: store.set_outcome("ann", half, outcome="a"),
            lambda: store.vectors("ann", [half]),
            lambda: store.recall(half, POOL[0], limit=1),
            lambda: store.timeline(half),
            lambda: store.count(half),
            lambda: store.forget(half),
            lambda: space.put(half, "v1", POOL[0]),
        ):
            with pytest.raises(InputError, match="half a character"):
                call()
    with pytest.raises(InputError, match="half a character"):
        space.forget(half)
    assert ids(store.timeline("ann")) == ["e0"] and space.vectors()[0] == ["ann"]
    store.close()
    space.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


HALF_A_BATCH = """
import os, signal, sys
from persona_agent.memory.chroma import ChromaEpisodeStore
from persona_agent.testing.conformance import POOL, make_episode
store = ChromaEpisodeStore(path=sys.argv[1], embedder="test")
store.add([make_episode("old", user="user3")], POOL[:1])
collection = type(store._shards()[0])
add = collection.add
def once(self, **rows):
    add(self, **rows)
    os.kill(os.getpid(), signal.SIGKILL)
collection.add = once
store.add([make_episode(user=f"user{i}") for i in range(8)], POOL[:8])
"""


@pytest.mark.slow
def test_half_a_batch_is_taken_back_after_a_crash(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", HALF_A_BATCH, str(tmp_path)], check=False)
    assert done.returncode == -9
    store = ChromaEpisodeStore(path=tmp_path, embedder="test")
    assert store.users() == ["user3"]
    assert ids(store.timeline("user3")) == ["old"]
    assert len(store.add([make_episode(user=f"user{i}") for i in range(8)], POOL[:8])) == 8
    store.close()


def test_stores_of_a_folder_see_each_others_writes(tmp_path: Path) -> None:
    one, two = (ChromaEpisodeStore(path=tmp_path, embedder="test") for _ in range(2))
    one.add([make_episode("e0", n=1), make_episode("e1")], POOL[:2])
    for store in (one, two):
        assert ids(store.recall("ann", POOL[0], limit=9)) == ["e0", "e1"]
    two.add([make_episode("e2", n=1)], POOL[2:3])
    assert ids(one.recall("ann", POOL[0], limit=9, where={"n": 1})) == ["e0", "e2"]
    two.set_outcome("ann", "e1", outcome="a")
    assert ids(one.recall("ann", POOL[0], limit=9, with_outcome=True)) == ["e1"]
    two.delete("ann", ["e1"])
    assert ids(one.recall("ann", POOL[0], limit=9)) == ["e0", "e2"]
    two.forget("ann")
    assert one.recall("ann", POOL[0], limit=9) == []
    one.close()
    two.close()


@pytest.mark.slow
def test_clearing_index_files_disturbs_no_reader_and_no_writer(tmp_path: Path) -> None:
    store = ChromaEpisodeStore(path=tmp_path, embedder="test")
    made = np.random.default_rng(0).normal(size=(2_000, 32)).astype(np.float32)
    vectors = made / np.linalg.norm(made, axis=1, keepdims=True)
    users = [f"user{number}" for number in range(4)]
    ended = threading.Event()

    def write(user: str) -> None:
        for start in range(0, len(vectors), 50):
            episodes = [make_episode(f"e{start + i}", user=user) for i in range(50)]
            store.add(episodes, vectors[start : start + 50])
            assert store.count(user) == start + 50

    def read() -> None:
        while not ended.is_set():
            for user in users:
                store.recall(user, vectors[0], limit=5)

    with ThreadPoolExecutor() as threads:
        reader = threads.submit(read)
        writers = [threads.submit(write, user) for user in users]
        while not all(writer.done() for writer in writers):
            clear_unused(tmp_path)
            time.sleep(0.01)
        ended.set()
        for thread in (reader, *writers):
            thread.result()
    store.close()
    again = ChromaEpisodeStore(path=tmp_path, embedder="test")
    names = [f"e{i}" for i in range(len(vectors))]
    for user in users:
        np.testing.assert_allclose(again.vectors(user, names), vectors, atol=1e-6)
    again.close()


def test_rows_of_a_former_version_are_read(tmp_path: Path) -> None:
    store = ChromaEpisodeStore(path=tmp_path, embedder="test")
    store.add([make_episode("new"), make_episode("old", day=1)], POOL[:2])
    shard = store._shards()[0]
    bodies = [make_episode("old", day=1).model_dump_json()]
    key = shard.get(where={"user_id": "ann"}, include=["metadatas"])
    old = next(
        id_ for id_, row in zip(key["ids"], key["metadatas"], strict=True) if '"old"' in row["body"]
    )
    shard.delete(ids=[old])
    shard.add(ids=[old], embeddings=POOL[1:2], documents=bodies, metadatas=[{"user_id": "ann"}])
    assert ids(store.timeline("ann")) == ["new", "old"]
    assert store.set_outcome("ann", "old", outcome="a").outcome == "a"
    assert ids(store.recall("ann", POOL[1], limit=1, with_outcome=True)) == ["old"]
    store.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    folder = tmp_path_factory.mktemp("chroma")
    command = [str(Path(sys.executable).parent / "chroma"), "run", "--port", str(port)]
    with subprocess.Popen(
        [*command, "--path", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.mark.slow
class TestChromaServer(EpisodeStoreConformance):
    @pytest.fixture(autouse=True)
    def _server(self, server: str) -> None:
        self.url = server
        store = self.make_store(Path())
        for user in store.users():
            store.forget(user)
        store.close()

    def make_store(self, folder: Path) -> EpisodeStore:
        return ChromaEpisodeStore(url=self.url, embedder="test")

    def test_clients_see_each_others_writes(self) -> None:
        one, two = self.make_store(Path()), self.make_store(Path())
        one.add([make_episode("e0"), make_episode("e1")], POOL[:2])
        assert ids(two.recall("ann", POOL[0], limit=9)) == ["e0", "e1"]
        two.delete("ann", ["e0"])
        assert ids(one.recall("ann", POOL[0], limit=9)) == ["e1"]
        one.close()
        two.close()

    def test_any_sequence_of_calls(self) -> None:
        machine = episode_store_machine(self.make_store)
        run_state_machine_as_test(
            machine, settings=settings(max_examples=3, stateful_step_count=8, deadline=None)
        )
