"""Facts: sources, succession, duplicates, and what still has to be distilled."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from persona_agent.errors import (
    InputError,
    ModelCallError,
    StoreDamagedError,
    StoreUnavailableError,
)
from persona_agent.memory.distil import BATCH, distil
from persona_agent.memory.episodes import InMemoryEpisodeStore
from persona_agent.memory.facts import FactStore, Learned, wording
from persona_agent.memory.profile import MOST
from persona_agent.prompts import DISTIL_FACTS, DistilInputs
from persona_agent.schema import Fact, Feedback
from persona_agent.testing.conformance import POOL, START, make_episode
from persona_agent.testing.models import ScriptedModel


@pytest.fixture
def facts(tmp_path: Path) -> Iterator[FactStore]:
    store = FactStore(tmp_path / "memory.db")
    yield store
    store.close()


def fact(text: str, *sources: str, user: str = "ann", day: int = 0) -> Fact:
    at = START + timedelta(days=day)
    return Fact(user_id=user, text=text, sources=sources or ("e1",), valid_from=at)


def test_a_stamp_tells_whether_facts_changed(facts: FactStore, tmp_path: Path) -> None:
    seen: list[int | None] = [facts.stamp("ann")]
    first, second = fact("likes tea"), fact("likes milk", "e2")

    def note() -> None:
        seen.append(facts.stamp("ann"))

    facts.add([first, fact("has a dog", user="bob")])
    note()
    facts.learn("ann", [Learned(second, (first.id,))], [])
    note()
    facts.drop_sources("ann", ["e1"])
    note()
    facts.forget("ann")
    assert seen[0] is facts.stamp("ann") is None
    assert None not in seen[1:] and len(set(seen)) == len(seen)
    facts.mark_distilled("ann", [make_episode()])
    facts.add([first])
    kept = facts.stamp("ann")
    assert kept not in seen
    facts.add([first])  # known already
    facts.add([fact("has a cat", user="bob")])
    facts.drop_sources("ann", ["e7"])
    assert facts.stamp("ann") == kept


def test_facts_of_an_older_file_have_a_stamp(facts: FactStore, tmp_path: Path) -> None:
    facts.add([fact("likes tea")])
    facts.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "memory.db")) as old:
        old.execute("DROP TABLE fact_stamps")
        old.execute("PRAGMA user_version=1")
        old.commit()
    with contextlib.closing(FactStore(tmp_path / "memory.db")) as again:
        assert again.stamp("ann") is not None and again.stamp("bob") is None
        assert [one.text for one in again.current("ann")] == ["likes tea"]


def test_facts_are_listed_by_time_and_source(facts: FactStore) -> None:
    later, earlier = fact("likes tea", "e1", "e2", day=2), fact("has a dog", "e2", day=1)
    foreign = fact("likes tea", user="bob")
    assert facts.add([later, earlier, foreign]) == [later.id, earlier.id, foreign.id]
    assert facts.add([later]) == []
    assert facts.current("ann") == facts.history("ann") == [earlier, later]
    assert facts.for_episode("ann", "e2") == [earlier, later]
    assert facts.for_episode("ann", "e1") == [later]
    assert facts.for_episode("bob", "e2") == []
    assert facts.users() == ["ann", "bob"]


def test_a_superseded_fact_is_kept_in_history(facts: FactStore) -> None:
    old, new = fact("lives in Rome"), fact("lives in Oslo", day=3)
    facts.add([old])
    facts.learn("bob", [Learned(fact("lives in Bonn", user="bob"), supersedes=(old.id,))], [])
    assert facts.current("ann") == [old]  # what is not one's own is passed over
    assert facts.learn("ann", [Learned(new, supersedes=(old.id, new.id, "x"))], []) == [new]
    replaced, kept = facts.history("ann")
    assert (replaced.superseded_by, replaced.superseded_at) == (new.id, new.valid_from)
    assert facts.current("ann") == [kept] == [new]


def test_the_same_statement_gathers_sources(facts: FactStore) -> None:
    known = fact("Likes tea.", "e1")
    facts.add([known])
    again = Learned(fact("likes  TEA", "e2", "e1", day=4), supersedes=(known.id, "unknown"))
    (stored,) = facts.learn("ann", [again], [make_episode("e2")])
    assert (stored.id, stored.sources, stored.current) == (known.id, ("e1", "e2"), True)
    assert facts.current("ann") == [stored]
    assert facts.for_episode("ann", "e2") == [stored]
    assert wording(" Likes tea. ") == "likes tea"


def test_pending_are_new_late_and_changed_episodes(facts: FactStore) -> None:
    first, second = make_episode("e1", day=1), make_episode("e2", day=2)
    assert facts.pending("ann", [first, second]) == [first, second]
    facts.learn("ann", [], [first, second])
    assert facts.pending("ann", [first, second]) == []
    late = make_episode("e0", day=0)
    chosen = first.model_copy(update={"outcome": "a"})
    commented = second.model_copy(update={"feedback": Feedback(comment="too long")})
    assert facts.pending("ann", [late, chosen, commented]) == [late, chosen, commented]
    facts.mark_distilled("ann", [chosen])
    assert facts.pending("ann", [chosen]) == []
    assert facts.pending("bob", [first]) == [first]


def test_forgetting_leaves_nothing_on_the_disk(facts: FactStore, tmp_path: Path) -> None:
    mine = fact("a secret statement", "a-secret-episode", user="secret-user")
    episode = make_episode("e1", user="secret-user")
    facts.learn("secret-user", [Learned(mine)], [episode])
    facts.add([fact("likes tea")])
    assert facts.forget("secret-user") == 1
    assert facts.forget("secret-user") == 0
    assert facts.pending("secret-user", [episode]) == [episode]
    assert b"secret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert len(facts.current("ann")) == 1


def test_errors_of_the_file(tmp_path: Path) -> None:
    store = FactStore(tmp_path / "memory.db")
    store.add([fact("likes tea")])
    with store._db.writing() as connection:
        connection.execute("UPDATE facts SET body = '{}'")
    with pytest.raises(StoreDamagedError, match="intact"):
        store.current("ann")
    store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        store.current("ann")


# --- profile and traces --------------------------------------------------------------------------


def test_a_profile_keeps_what_is_supported_lately(facts: FactStore) -> None:
    years = [make_episode(f"e{year}", day=365 * year) for year in range(10)]
    often = [make_episode(f"o{number}", day=365 * 9 + number) for number in range(3)]
    old = Learned(fact("old and often", *(one.id for one in years[:3]), day=730))
    new = Learned(fact("new", years[9].id, day=365 * 9))
    lately = Learned(fact("lately and often", *(one.id for one in often), day=365 * 9 + 2))
    facts.learn("ann", [old, new, lately], [*years, *often])
    assert [one.text for one in facts.profile("ann", limit=2)] == ["new", "lately and often"]
    assert [one.text for one in facts.profile("ann", limit=1)] == ["lately and often"]
    assert len(facts.profile("ann")) == 3
    assert facts.profile("ann", limit=0) == facts.profile("bob") == []
    again = [make_episode(f"a{number}", day=365 * 9 + 5) for number in range(4)]
    facts.learn("ann", [Learned(fact("Old and often.", *(one.id for one in again)))], again)
    assert "old and often" in [one.text for one in facts.profile("ann", limit=1)]


def test_a_profile_without_support_goes_by_the_facts_themselves(facts: FactStore) -> None:
    facts.add([fact("older", day=1), fact("newer", day=900)])
    assert [one.text for one in facts.profile("ann", limit=1)] == ["newer"]
    with pytest.raises(InputError):
        facts.profile("ann", limit=-1)


async def test_a_profile_of_ten_years_is_small(facts: FactStore) -> None:
    made = [make_episode(f"e{number:05d}", day=number / 1.1) for number in range(4_000)]
    for start in range(0, 4_000, 20):
        batch = made[start : start + 20]
        said = [f"statement {start}", f"another {start % 400}"]
        facts.learn("ann", [Learned(fact(one, batch[0].id)) for one in said], batch)
    assert len(facts.current("ann")) == 200 + 20
    profile = facts.profile("ann")
    assert len(profile) == MOST
    assert sum(one.text.startswith("another") for one in profile) == 20  # said ten times each
    assert facts.pending("ann", made) == []


def test_sources_that_are_deleted_take_what_rests_on_them_alone(facts: FactStore) -> None:
    alone, shared = fact("alone", "e1"), fact("shared", "e1", "e2")
    older = fact("older", "e3")
    facts.add([shared, older, fact("foreign", "e1", user="bob")])
    facts.learn("ann", [Learned(alone, supersedes=(older.id,))], [make_episode("e1")])
    assert facts.drop_sources("ann", ["e1", "e9"]) == 1
    assert {one.text: one.sources for one in facts.history("ann")} == {
        "shared": ("e2",),
        "older": ("e3",),
    }
    assert facts.current("ann") == [shared.model_copy(update={"sources": ("e2",)})]
    assert facts.pending("ann", [make_episode("e1")]) == [make_episode("e1")]
    assert facts.drop_sources("ann", []) == 0
    assert len(facts.current("bob")) == 1


# --- distillation ---------------------------------------------------------------------------------


def stored(count: int) -> InMemoryEpisodeStore:
    episodes = InMemoryEpisodeStore()
    made = [make_episode(f"e{i:02d}", day=i, outcome="abc"[i % 3]) for i in range(count)]
    episodes.add(made, POOL[[0] * count])
    return episodes


async def test_facts_rest_on_real_episodes_or_are_refused(facts: FactStore) -> None:
    answer = {
        "facts": [
            {"text": "likes tea", "sources": ["E2", "E99", "[e1]", "E2"]},
            {"text": "made up", "sources": ["E99", "nobody"]},
            {"text": "sourceless", "sources": []},
        ]
    }
    model = ScriptedModel({"distil_facts": answer})
    (learned,) = await distil("ann", stored(3), facts, model, DISTIL_FACTS)
    assert (learned.text, learned.sources) == ("likes tea", ("e01", "e00"))
    assert learned.valid_from == START + timedelta(days=1)
    assert facts.current("ann") == [learned]
    assert facts.pending("ann", stored(3).timeline("ann")) == []


async def test_only_what_is_new_is_asked_in_batches(facts: FactStore) -> None:
    episodes = stored(2 * BATCH + 1)
    model = ScriptedModel({"distil_facts": lambda inputs: {"facts": []}})
    assert await distil("ann", episodes, facts, model, DISTIL_FACTS) == []
    assert await distil("ann", episodes, facts, model, DISTIL_FACTS) == []
    sizes = [len(asked.episodes) for _, asked in model.requests if isinstance(asked, DistilInputs)]
    assert sizes == [BATCH, BATCH, 1]
    episodes.set_outcome("ann", "e03", outcome="b")
    await distil("ann", episodes, facts, model, DISTIL_FACTS)
    (_, last) = model.requests[-1]
    assert isinstance(last, DistilInputs)
    assert [episode.id for episode in last.episodes] == ["e03"]


async def test_a_decision_waits_until_it_is_settled(facts: FactStore) -> None:
    episodes = InMemoryEpisodeStore()
    episodes.add([make_episode("e1")], POOL[:1])
    model = ScriptedModel({"distil_facts": {"facts": [{"text": "takes a", "sources": ["E1"]}]}})
    assert await distil("ann", episodes, facts, model, DISTIL_FACTS) == []
    assert model.requests == []
    episodes.set_outcome("ann", "e1", outcome="a")
    assert [one.text for one in await distil("ann", episodes, facts, model, DISTIL_FACTS)] == [
        "takes a"
    ]


async def test_a_contradicted_fact_is_superseded(facts: FactStore) -> None:
    episodes = stored(1)
    script = [
        {"facts": [{"text": "lives in Rome", "sources": ["E1"]}]},
        {"facts": [{"text": "lives in Oslo", "sources": ["E1"], "supersedes": ["F1", "F7"]}]},
    ]
    model = ScriptedModel({"distil_facts": script})
    (old,) = await distil("ann", episodes, facts, model, DISTIL_FACTS)
    episodes.add([make_episode("moved", day=9, outcome="a")], POOL[:1])
    (new,) = await distil("ann", episodes, facts, model, DISTIL_FACTS)
    assert facts.current("ann") == [new]
    assert [one.superseded_by for one in facts.history("ann")] == [new.id, None]
    assert facts.replaced("ann") == facts.history("ann")[:1]
    assert facts.history("ann")[0].superseded_at == START + timedelta(days=9)
    assert old.current


async def test_a_known_fact_is_confirmed_by_later_episodes(facts: FactStore) -> None:
    episodes = stored(1)
    script: list[dict[str, Any]] = [
        {"facts": [{"text": "likes tea", "sources": ["E1"]}]},
        {"confirmed": [{"fact": "F1", "sources": ["E1", "E9"]}, {"fact": "F9", "sources": ["E1"]}]},
    ]
    model = ScriptedModel({"distil_facts": script})
    (old,) = await distil("ann", episodes, facts, model, DISTIL_FACTS)
    episodes.add([make_episode("again", day=9, outcome="b")], POOL[:1])
    (again,) = await distil("ann", episodes, facts, model, DISTIL_FACTS)
    assert (again.id, again.text, again.valid_from) == (old.id, "likes tea", old.valid_from)
    assert again.sources == ("e00", "again")


async def test_what_is_rare_is_shown_beside_its_like_from_earlier(facts: FactStore) -> None:
    episodes = InMemoryEpisodeStore()
    ends = ["b", *["a"] * (BATCH - 1), "b", *["a"] * (BATCH - 1)]
    made = [make_episode(f"e{n:02d}", day=n, outcome=end) for n, end in enumerate(ends)]
    episodes.add(made, POOL[[0] * len(made)])
    script: list[dict[str, Any]] = [
        {"facts": []},
        {
            "facts": [
                {"text": "goes to the opera", "sources": ["E1", "P1"]},
                {"text": "went once, long ago", "sources": ["P1"]},
            ]
        },
    ]
    model = ScriptedModel({"distil_facts": script})
    (learned,) = await distil("ann", episodes, facts, model, DISTIL_FACTS)
    assert learned.sources == (f"e{BATCH:02d}", "e00")  # and none without a new episode
    shown = [asked.earlier for _, asked in model.requests if isinstance(asked, DistilInputs)]
    assert [[one.id for one in earlier] for earlier in shown] == [[], ["e00"]]


async def test_a_failed_call_changes_nothing(facts: FactStore) -> None:
    episodes = stored(BATCH + 1)
    script: list[dict[str, Any] | Exception] = [
        {"facts": [{"text": "likes tea", "sources": ["E1"]}]},
        ModelCallError("time-out", transient=True),
        {"facts": [{"text": "has a dog", "sources": ["E1"]}]},
    ]
    model = ScriptedModel({"distil_facts": script})
    with pytest.raises(ModelCallError):
        await distil("ann", episodes, facts, model, DISTIL_FACTS)
    assert [one.text for one in facts.current("ann")] == ["likes tea"]
    assert [one.id for one in facts.pending("ann", episodes.timeline("ann"))] == [f"e{BATCH:02d}"]
    (learned,) = await distil("ann", episodes, facts, model, DISTIL_FACTS)
    assert learned.sources == (f"e{BATCH:02d}",)


async def test_a_crash_between_answer_and_store_distils_again_once(
    facts: FactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    episodes = stored(3)
    model = ScriptedModel({"distil_facts": {"facts": [{"text": "likes tea", "sources": ["E1"]}]}})
    with monkeypatch.context() as patch:
        patch.setattr("persona_agent.memory.facts._mark", killed)  # the last write of its batch
        with pytest.raises(Killed):
            await distil("ann", episodes, facts, model, DISTIL_FACTS)
    assert facts.history("ann") == []
    assert len(facts.pending("ann", episodes.timeline("ann"))) == 3
    for _ in range(2):
        await distil("ann", episodes, facts, model, DISTIL_FACTS)
    assert len(model.requests) == 2
    assert [one.text for one in facts.history("ann")] == ["likes tea"]
