"""The whole memory: opening, forgetting, export and import, and what importing it loads."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from persona_agent.errors import (
    ConflictError,
    EmbedderMismatchError,
    InputError,
    MissingExtraError,
    StoreDamagedError,
)
from persona_agent.memory import Memory, open_memory
from persona_agent.memory.chroma import ChromaEpisodeStore
from persona_agent.memory.distil import distil
from persona_agent.memory.facts import Learned
from persona_agent.memory.transfer import export_user, import_lines
from persona_agent.prompts import DISTIL_FACTS
from persona_agent.schema import Fact, Feedback, Persona, Revision
from persona_agent.settings import Settings
from persona_agent.testing.conformance import make_episode
from persona_agent.testing.models import ScriptedModel


def open_at(folder: Path, store: str = "sqlite") -> Memory:
    return open_memory(Settings(data_dir=folder, embedder="hash", store=store))


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    memory = open_at(tmp_path / "data")
    yield memory
    memory.close()


def fill(memory: Memory, user: str) -> None:
    episodes = [make_episode(f"e{i}", user=user, day=i, n=i, b=True) for i in range(4)]
    memory.episodes.add(episodes, memory.embedder.embed([one.query.text for one in episodes]))
    memory.episodes.set_outcome(user, "e1", outcome="b", feedback=Feedback(comment="fine"))
    facts = [Fact(user_id=user, text=text, sources=("e1",)) for text in ("in Rome", "in Oslo")]
    memory.facts.add(facts[:1])
    memory.facts.learn(user, [Learned(facts[1], supersedes=(facts[0].id,))], [])
    memory.facts.mark_distilled(user, memory.episodes.timeline(user, limit=2))
    first, second = Persona(user_id=user), Persona(user_id=user, cause="optimized")
    memory.personas.put(first, expected=None)
    revision = Revision(
        user_id=user, from_version=first.version, to_version=second.version, accepted=True
    )
    memory.personas.put(second, expected=first.version, revision=revision)


def test_an_export_makes_an_equal_memory(memory: Memory, tmp_path: Path) -> None:
    for user in ("ann", "bob"):
        fill(memory, user)
    lines = [*export_user(memory, "ann"), "", *export_user(memory, "bob")]
    assert all("\n" not in line for line in lines)
    assert json.loads(lines[0]) == {"kind": "user", "user_id": "ann", "format": 1}
    copy = open_at(tmp_path / "copy")
    counts = {"episode": 8, "fact": 4, "persona": 4, "revision": 2}
    assert import_lines(copy, lines) == counts
    assert [*export_user(copy, "ann"), "", *export_user(copy, "bob")] == lines
    assert copy.personas.latest("ann") == memory.personas.latest("ann")
    assert import_lines(copy, lines) == dict.fromkeys(counts, 0)
    question = memory.embedder.embed(["question e2"])[0]
    found = [one.episodes.recall("ann", question, limit=3) for one in (memory, copy)]
    assert found[0] == found[1]
    copy.close()


def test_an_interrupted_import_is_run_again(memory: Memory, tmp_path: Path) -> None:
    fill(memory, "ann")
    lines = list(export_user(memory, "ann"))
    copy = open_at(tmp_path / "copy")
    copy.personas.put(memory.personas.history("ann")[0], expected=None)
    assert import_lines(copy, lines)["persona"] == 1
    assert list(export_user(copy, "ann")) == lines
    copy.close()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("not json", "line 2 is not"),
        ("[1]", "line 2 is not"),
        ('{"kind": "secret"}', "line 2 is not.*episode"),
        ('{"user_id": "x"}', "line 2 is not"),
        ('{"kind": "episode", "user_id": "x"}', "line 2: query: Field required"),
        (
            '{"kind": "episode", "user_id": "x", "query": {"text": "q"}, '
            '"metadata": {"persona_agent:simulated": true}}',
            "line 2: .*use another key",
        ),
        ('{"kind": "user", "user_id": "x", "format": 9}', "line 2: format 9.*upgrade"),
    ],
)
def test_a_bad_line_is_named_and_nothing_written(
    memory: Memory, tmp_path: Path, line: str, message: str
) -> None:
    good = json.dumps({"kind": "episode", **make_episode().model_dump(mode="json")})
    with pytest.raises(InputError, match=message):
        import_lines(memory, [good, line])
    assert memory.episodes.users() == []


def test_an_import_never_overwrites_another_persona(memory: Memory, tmp_path: Path) -> None:
    fill(memory, "ann")
    copy = open_at(tmp_path / "copy")
    copy.personas.put(Persona(user_id="ann"), expected=None)
    with pytest.raises(ConflictError):
        import_lines(copy, export_user(memory, "ann"))
    copy.close()


def test_forgetting_takes_everything_of_one_user(memory: Memory) -> None:
    fill(memory, "ann")
    fill(memory, "bob")
    left = list(export_user(memory, "bob"))
    assert memory.forget("ann") == {"episodes": 4, "facts": 2, "personas": 2}
    assert len(list(export_user(memory, "ann"))) == 2  # the header and an empty mark
    assert memory.forget("ann") == {"episodes": 0, "facts": 0, "personas": 0}
    assert list(export_user(memory, "bob")) == left


@pytest.mark.parametrize("late", [False, True])
def test_no_fact_names_an_episode_that_was_deleted_while_it_was_distilled(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    episodes = [make_episode(f"e{day}", user="ann", day=day, outcome="a") for day in range(3)]
    memory.episodes.add(episodes, memory.embedder.embed([one.query.text for one in episodes]))
    delete = memory.episodes.delete

    def delete_meanwhile(inputs: object) -> dict[str, object]:
        if not late:
            memory.delete("ann", ["e0"])
        texts = {"likes tea": ["E1"], "likes jazz": ["E1", "E2"], "likes rum": ["E3"]}
        return {"facts": [{"text": text, "sources": named} for text, named in texts.items()]}

    model = ScriptedModel({"distil_facts": delete_meanwhile})

    def learn() -> None:
        asyncio.run(distil("ann", memory.episodes, memory.facts, model, DISTIL_FACTS))

    def delete_after(user_id: str, ids: Sequence[str]) -> int:
        learn()  # after the facts were looked at
        return delete(user_id, ids)

    if late:
        monkeypatch.setattr(memory.episodes, "delete", delete_after)
        memory.delete("ann", ["e0"])
    else:
        learn()
    left = {fact.text: fact.sources for fact in memory.facts.current("ann")}
    assert left == {"likes jazz": ("e1",), "likes rum": ("e2",)}
    assert memory.facts.for_episode("ann", "e0") == []


def test_the_persona_space_is_forgotten_too(memory: Memory) -> None:
    vectors = memory.embedder.embed(["tea", "coffee", "teapot"])
    space = memory.space()
    for user, vector in zip(("ann", "bob", "cat"), vectors, strict=True):
        space.put(user, "v1", vector, {"claims": 3})
    assert memory.space() is space
    assert memory.forget("ann")["persona space"] == 1
    assert space.vectors()[0] == ["bob", "cat"]


def test_chroma_holds_episodes_and_space_in_one_folder(tmp_path: Path) -> None:
    memory = open_at(tmp_path, store="chroma")
    assert isinstance(memory.episodes, ChromaEpisodeStore)
    fill(memory, "ann")
    memory.space().put("ann", "v1", memory.embedder.embed(["tea"])[0])
    removed = {"episodes": 4, "facts": 2, "personas": 2, "persona space": 1}
    assert memory.forget("ann") == removed
    memory.close()
    memory.close()


def test_what_no_column_holds_is_the_callers_mistake(memory: Memory) -> None:
    half = "\ud800"
    for call in (
        lambda: memory.episodes.get("ann", [half]),
        lambda: memory.episodes.delete("ann", [half]),
        lambda: memory.episodes.set_outcome("ann", half, outcome="a"),
        lambda: memory.episodes.timeline("ann", limit=2**70),
        lambda: memory.episodes.recall(half, memory.embedder.embed(["x"])[0], limit=1),
        lambda: memory.personas.get("ann", half),
    ):
        with pytest.raises(InputError, match=r"half a character|64 bits"):
            call()


def test_what_fails_to_open_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "personas.db").write_text("not a database " * 500, encoding="utf-8")
    with pytest.raises(StoreDamagedError, match=r"personas\.db"):
        open_at(tmp_path, store="chroma")
    (tmp_path / "personas.db").unlink()
    open_at(tmp_path, store="chroma").close()


def test_another_embedder_is_refused(memory: Memory, tmp_path: Path) -> None:
    fill(memory, "ann")
    with pytest.raises(EmbedderMismatchError, match="hash-256"):
        open_memory(Settings(data_dir=tmp_path / "data"))


def test_a_missing_chroma_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "chromadb", None)
    with pytest.raises(MissingExtraError, match=r"\[chroma\]"):
        open_at(tmp_path, store="chroma")
    memory = open_at(tmp_path)
    assert memory.forget("ann") == {"episodes": 0, "facts": 0, "personas": 0}
    memory.close()


@pytest.mark.slow
def test_opening_the_default_memory_loads_nothing_heavy(tmp_path: Path) -> None:
    code = f"""
import sys
import persona_agent.memory, persona_agent.testing
light = sorted({{"sqlalchemy", "pytest"}} & set(sys.modules))
from persona_agent.settings import Settings
persona_agent.memory.open_memory(Settings(data_dir={str(tmp_path)!r})).close()
heavy = {{"chromadb", "torch", "sentence_transformers", "litellm", "langgraph", "transformers"}}
print(light, sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"
