"""Forgetting: whole after a crash at any step, and gone from every byte on the disk."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.errors import ConflictError, StoreUnavailableError
from persona_agent.memory import Memory, open_memory
from persona_agent.memory.file_lock import hold
from persona_agent.memory.forgetting import Forgetting, Steps
from persona_agent.optimizer.journal import journal_path
from persona_agent.schema import Claim, Fact, Persona, Section
from persona_agent.settings import Settings
from persona_agent.testing.conformance import make_episode

MARK = "xqzmarker"
USER = f"{MARK}-user"


class Places:
    """Places with users in them, each of which may fail."""

    def __init__(self, *names: str) -> None:
        self.users = {name: {"ann", "bob"} for name in names}
        self.failing: set[str] = set()

    def steps(self) -> Steps:
        return {name: self._step(name) for name in self.users}

    def _step(self, name: str) -> Callable[[str], int]:
        def step(user_id: str) -> int:
            if name in self.failing:
                raise StoreUnavailableError(f"{name} is away")
            there = user_id in self.users[name]
            self.users[name].discard(user_id)
            return int(there)

        return step

    def with_ann(self) -> list[str]:
        return [name for name, users in self.users.items() if "ann" in users]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "forgetting"


def test_all_steps_are_taken_and_no_note_stays(notes: Path) -> None:
    places = Places("a", "b")
    steps = {**places.steps(), "uncounted": lambda user_id: None}
    assert Forgetting(notes).run("ann", steps) == {"a": 1, "b": 1}
    assert places.users == {"a": {"bob"}, "b": {"bob"}}
    assert not notes.exists()
    assert Forgetting(notes).resume(steps) == []


def test_a_failure_of_the_first_step_leaves_everything(notes: Path) -> None:
    places = Places("a", "b")
    places.failing = {"a"}
    with pytest.raises(StoreUnavailableError):
        Forgetting(notes).run("ann", places.steps())
    places.failing = set()
    assert Forgetting(notes).resume(places.steps()) == []
    assert places.with_ann() == ["a", "b"]


def test_what_a_failure_left_is_gone_on_with(notes: Path) -> None:
    places = Places("a", "b", "c")
    places.failing = {"b"}
    with pytest.raises(StoreUnavailableError, match="b is away"):
        Forgetting(notes).run("ann", places.steps())
    assert places.with_ann() == ["b", "c"]
    places.users["a"].add("ann")  # recorded since: that step was taken and is not taken again
    with pytest.raises(StoreUnavailableError, match="b is away"):
        Forgetting(notes).resume(places.steps())
    places.failing = set()
    assert Forgetting(notes).resume(places.steps()) == ["ann"]
    assert places.with_ann() == ["a"]
    assert not notes.exists()


def test_a_new_call_takes_every_step_again(notes: Path) -> None:
    places = Places("a", "b")
    places.failing = {"b"}
    with pytest.raises(StoreUnavailableError):
        Forgetting(notes).run("ann", places.steps())
    places.users["a"].add("ann")
    with pytest.raises(StoreUnavailableError):  # it failed again, but after the first step
        Forgetting(notes).run("ann", places.steps())
    places.failing = set()
    assert Forgetting(notes).run("ann", places.steps()) == {"a": 0, "b": 1}


def test_steps_that_nobody_here_knows_are_left_to_others(notes: Path) -> None:
    places = Places("a", "b", "elsewhere")
    places.failing = {"b"}
    with pytest.raises(StoreUnavailableError):
        Forgetting(notes).run("ann", places.steps())
    places.failing = set()
    known = {name: step for name, step in places.steps().items() if name != "elsewhere"}
    assert Forgetting(notes).resume(known) == ["ann"]
    assert Forgetting(notes).resume(known) == []
    assert places.with_ann() == ["elsewhere"]
    assert Forgetting(notes).resume(places.steps()) == ["ann"]
    assert places.with_ann() == []


def test_a_note_that_is_held_is_left_to_its_holder(notes: Path) -> None:
    places = Places("a", "b")
    inner: list[object] = []

    def meanwhile(user_id: str) -> int:
        inner.append(Forgetting(notes).resume(places.steps()))
        with pytest.raises(ConflictError, match="try again"):
            Forgetting(notes).run("ann", places.steps())
        return 0

    Forgetting(notes).run("ann", {"first": meanwhile, **places.steps()})
    assert inner == [[]]
    assert places.with_ann() == []


@pytest.mark.parametrize("cut", [1, 20, 45])
def test_a_note_that_was_cut_off_promises_nothing(notes: Path, cut: int) -> None:
    places = Places("a", "b")
    notes.mkdir()
    whole = json.dumps({"user": "ann", "steps": ["a", "b"]})
    (notes / "n.jsonl").write_text("\n" + whole[:cut] if cut < len(whole) else whole)
    expected = [] if cut < len(whole) else ["ann"]
    assert Forgetting(notes).resume(places.steps()) == expected
    assert not notes.exists()


def test_a_step_whose_note_was_cut_off_is_taken_again(notes: Path) -> None:
    places = Places("a", "b")
    notes.mkdir()
    whole = json.dumps({"user": "ann", "steps": ["a", "b"]})
    (notes / "n.jsonl").write_text(f'\n{whole}\n{{"done": "a')
    assert Forgetting(notes).resume(places.steps()) == ["ann"]
    assert places.with_ann() == []


def test_a_note_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    places = Places("a")
    with pytest.raises(StoreUnavailableError, match="cannot be written"):
        Forgetting(tmp_path / "file" / "notes").run("ann", places.steps())
    assert places.with_ann() == ["a"]


def test_a_lock_is_one_holders(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert hold(path, create=False) is None
    first = hold(path)
    assert first is not None
    assert hold(path) is None
    first.close()
    second = hold(path, create=False)
    assert second is not None
    second.close()
    with pytest.raises(FileNotFoundError):
        hold(tmp_path / "missing" / "lock")


# --- the whole memory -----------------------------------------------------------------------------


def open_at(folder: Path, store: str) -> Memory:
    return open_memory(Settings(data_dir=folder, embedder="hash", store=store))


@pytest.fixture(params=["sqlite", "chroma"])
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def memory(store: str, tmp_path: Path) -> Iterator[Memory]:
    memory = open_at(tmp_path / "data", store)
    yield memory
    memory.close()


def fill(memory: Memory, user: str, word: str, count: int = 30) -> None:
    episodes = [
        make_episode(f"{word}-{i}", user=user, day=i, text=f"{word} {i}?", note=word)
        for i in range(count)
    ]
    vectors = np.random.default_rng(len(user)).normal(size=(count, 256)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    memory.episodes.add(episodes, vectors)
    memory.facts.add([Fact(user_id=user, text=f"likes {word}", sources=(f"{word}-1",))])
    claim = Claim(section=Section.STYLE, text=f"says {word}", evidence=(f"{word}-1",))
    memory.personas.put(Persona(user_id=user, claims=(claim,)), expected=None)
    memory.space().put(user, "v1", memory.embedder.embed([word])[0], {"note": word})


def holding(folder: Path, *marks: bytes) -> list[str]:
    """Return the files under a folder that hold one of the marks, in content or name."""
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if any(
            mark in str(path).encode() or (path.is_file() and mark in path.read_bytes())
            for mark in marks
        )
    ]


def test_no_byte_of_a_forgotten_user_stays(memory: Memory, store: str, tmp_path: Path) -> None:
    fill(memory, USER, MARK, count=1_500)  # enough for Chroma to write its index file
    for other in range(20):  # somebody shares the collection
        fill(memory, f"user-{other}", f"plain{other}", count=5)
    marks = (MARK.encode(), memory.episodes.vectors(USER, [f"{MARK}-7"])[0].tobytes()[:64])
    assert all(holding(tmp_path, mark) for mark in marks)
    left = {user: memory.episodes.timeline(user) for user in memory.episodes.users()}
    del left[USER]
    removed = memory.forget(USER)
    assert removed == {"episodes": 1_500, "facts": 1, "personas": 1, "persona space": 1}
    assert holding(tmp_path, *marks) == []
    assert {user: memory.episodes.timeline(user) for user in memory.episodes.users()} == left
    assert memory.space().vectors()[0] == sorted(left)
    question = memory.embedder.embed(["plain3 2?"])[0]
    assert len(memory.episodes.recall("user-3", question, limit=9)) == 5
    memory.close()
    assert holding(tmp_path, *marks) == []
    again = open_at(tmp_path / "data", store)
    assert {user: again.episodes.timeline(user) for user in again.episodes.users()} == left
    vectors = again.episodes.vectors("user-3", ["plain3-1", "plain3-2"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    again.close()


@pytest.mark.parametrize("killed_in", ["facts", "personas", "persona space", "disk"])
def test_forgetting_is_gone_on_with_on_the_next_open(
    tmp_path: Path, store: str, killed_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(user_id: str) -> int:
        raise Killed

    memory = open_at(tmp_path / "data", store)
    fill(memory, "ann", MARK)
    fill(memory, "bob", "plain")
    real = Memory._steps
    with monkeypatch.context() as patch:
        patch.setattr(Memory, "_steps", lambda self: real(self) | {killed_in: killed})
        with pytest.raises(Killed):
            memory.forget("ann", {"elsewhere": lambda user_id: 1})
    memory.close()
    for _ in range(2):
        again = open_at(tmp_path / "data", store)
        assert again.episodes.users() == again.personas.users() == ["bob"]
        assert again.facts.users() == again.space().vectors()[0] == ["bob"]
        again.close()
    again = open_at(tmp_path / "data", store)
    assert again.resume_forgetting({"elsewhere": lambda user_id: 1}) == ["ann"]
    again.close()
    assert holding(tmp_path / "data", MARK.encode(), b"ann") == []


def test_a_deleted_episode_takes_what_rests_on_it_alone(memory: Memory, tmp_path: Path) -> None:
    fill(memory, "bob", "plain")
    episode = make_episode("gone", user="bob", text=f"{MARK}?")
    memory.episodes.add([episode], memory.embedder.embed([MARK]))
    alone = Fact(user_id="bob", text=f"likes {MARK}", sources=("gone",))
    shared = Fact(user_id="bob", text="likes tea", sources=("gone", "plain-1"))
    memory.facts.add([alone, shared])
    memory.facts.mark_distilled("bob", [episode])
    assert memory.delete("bob", ["gone", "unknown"]) == 1
    assert memory.delete("bob", ["gone"]) == 0
    kept = shared.model_copy(update={"sources": ("plain-1",)})
    assert {one.text for one in memory.facts.history("bob")} == {"likes plain", "likes tea"}
    assert kept in memory.facts.for_episode("bob", "plain-1")
    assert memory.facts.for_episode("bob", "gone") == []
    assert memory.facts.pending("bob", [episode]) == [episode]
    memory.close()
    assert holding(tmp_path, MARK.encode()) == []


def test_an_agent_goes_on_with_its_own_places_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(user_id: str) -> int:
        raise Killed

    agent = PersonaAgent.open(tmp_path, embedder="hash")
    agent.record_sync("ann", f"{MARK}?", "yes")
    journal = journal_path(tmp_path / "journal", "ann")
    journal.parent.mkdir()
    journal.write_text(MARK)
    real = Memory._steps
    with monkeypatch.context() as patch:
        patch.setattr(Memory, "_steps", lambda self: real(self) | {"personas": killed})
        with pytest.raises(Killed):
            agent.memory.forget("ann", agent._other_places())
    agent.close()
    open_at(tmp_path, "sqlite").close()  # a memory alone leaves the agent's places
    assert journal.exists()
    with PersonaAgent.open(tmp_path, embedder="hash") as again:
        assert again.memory.episodes.users() == []
    assert not (tmp_path / "forgetting").exists()
    assert holding(tmp_path, MARK.encode()) == []


def test_a_file_system_without_locks_is_no_other_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(OSError, match="No locks"):
        hold(tmp_path / "note")
