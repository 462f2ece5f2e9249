"""The conformance suite of episode stores: what the protocol promises, as tests.

Inherit :class:`EpisodeStoreConformance` in a test module and say how a store is made; add the state
machine of :func:`episode_store_machine`, which compares any sequence of calls with a plain dict.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from persona_agent.errors import EmbedderMismatchError, InputError, NotFoundError
from persona_agent.protocols import EpisodeStore, Vectors
from persona_agent.schema import Episode, Feedback, Query, RecallBlend, Recalled

MakeStore = Callable[[Path], EpisodeStore]
Stored = tuple[Episode, npt.NDArray[np.float32]]

START = datetime(2024, 1, 1, tzinfo=UTC)
# Unit vectors whose cosines are exact in float32, so that the oracle needs no tolerance.
_HALVES = np.array(np.meshgrid(*[[0.5, -0.5]] * 4)).T.reshape(-1, 4)
POOL: Vectors = np.concatenate([np.eye(4), _HALVES]).astype(np.float32)


def make_episode(
    id_: str = "e1",
    *,
    user: str = "ann",
    day: float = 0,
    outcome: str | None = None,
    task: str = "",
    **metadata: str | int | float | bool,
) -> Episode:
    """Return an episode of a choice among a, b and c, ``day`` days after the start."""
    return Episode(
        id=id_,
        user_id=user,
        query=Query(text=f"question {id_}", options=("a", "b", "c"), task=task),
        outcome=outcome,
        at=START + timedelta(days=day),
        metadata=metadata,
    )


def ids(found: list[Episode] | list[Recalled]) -> list[str]:
    """Return the ids of episodes, in order."""
    return [one.episode.id if isinstance(one, Recalled) else one.id for one in found]


class EpisodeStoreConformance:
    """What every store must do. Set ``make_store`` (and ``persistent``) in a subclass."""

    persistent: ClassVar[bool] = True
    """Whether a store that is made again for the same folder has the same content."""

    def make_store(self, folder: Path) -> EpisodeStore:
        """Return the store in this folder."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[EpisodeStore]:
        """An empty store."""
        store = self.make_store(tmp_path)
        yield store
        store.close()

    def test_what_is_added_is_there_at_once_and_equal(self, store: EpisodeStore) -> None:
        """An episode comes back as it went in, with everything it has."""
        full = Episode(
            id="e 1'\"%_é",
            user_id="ann@example.org:1",
            query=Query(text="what?\n{x} $y <z>", options=("yes", "no"), task="t"),
            response="no",
            outcome="yes",
            feedback=Feedback(thumb=-1, comment="wrong"),
            metadata={"s": "x", "i": 2**60, "f": 0.1, "b": True},
        )
        assert store.add([full], POOL[:1]) == [full.id]
        assert store.get(full.user_id, [full.id]) == [full]
        assert store.get(full.user_id, [full.id])[0].metadata == full.metadata
        assert store.timeline(full.user_id) == [full]
        assert store.recall(full.user_id, POOL[0], limit=1)[0].episode == full
        np.testing.assert_array_equal(store.vectors(full.user_id, [full.id]), POOL[:1])

    def test_an_id_again_is_a_retry(self, store: EpisodeStore) -> None:
        """The stored row stays, in another call as within one batch."""
        first, second = make_episode(task="first"), make_episode(task="second")
        assert store.add([first, second], POOL[:2]) == ["e1"]
        assert store.add([second, make_episode("e2")], POOL[1:3]) == ["e2"]
        assert store.get("ann", ["e1"]) == [first]
        np.testing.assert_array_equal(store.vectors("ann", ["e1"]), POOL[:1])
        assert store.add([], np.zeros((0, 4), np.float32)) == []

    def test_a_batch_is_stored_whole_or_not_at_all(self, store: EpisodeStore) -> None:
        """A bad row anywhere keeps all others out."""
        good = [make_episode("e1"), make_episode("e2", user="bob")]
        for bad in (POOL[:1], POOL[0], POOL[:2] * 2, np.full((2, 4), np.nan, np.float32)):
            with pytest.raises(InputError):
                store.add(good, bad)
        with pytest.raises(InputError, match="finite"):
            store.add([good[0], make_episode("e3", x=float("inf"))], POOL[:2])
        assert store.users() == []

    def test_users_never_see_each_other(self, store: EpisodeStore) -> None:
        """Ids are unique within a user; users are compared exactly."""
        users = ["ann", "Ann", "ann ", "an", "ann%", "a_n", "*"]
        store.add([make_episode(user=user, day=i) for i, user in enumerate(users)], POOL[:7])
        assert store.users() == sorted(users)
        for index, user in enumerate(users):
            found = store.recall(user, POOL[0], limit=9)
            assert [one.episode.user_id for one in found] == [user]
            assert store.timeline(user)[0].at == START + timedelta(days=index)
        assert store.delete("ann", ["e1", "e2"]) == 1
        assert store.forget("nobody") == 0
        assert store.users() == sorted(set(users) - {"ann"})
        assert store.timeline("") == []

    def test_timeline_is_in_time_order_and_filtered(self, store: EpisodeStore) -> None:
        """Ties by id; ``before`` is strict; ``limit`` keeps the latest."""
        episodes = [
            make_episode("b", day=1, outcome="a"),
            make_episode("c", day=0, task="t"),
            make_episode("a", day=1),
            make_episode("d", day=2, outcome="b", task="t"),
        ]
        store.add(episodes, POOL[:4])
        assert ids(store.timeline("ann")) == ["c", "a", "b", "d"]
        assert ids(store.timeline("ann", limit=2)) == ["b", "d"]
        assert store.timeline("ann", limit=0) == []
        assert ids(store.timeline("ann", before=START + timedelta(days=2))) == ["c", "a", "b"]
        assert ids(store.timeline("ann", task="t")) == ["c", "d"]
        assert ids(store.timeline("ann", task="choice", with_outcome=True)) == ["b"]
        east = datetime(2024, 1, 2, 5, tzinfo=UTC).astimezone()
        assert ids(store.timeline("ann", before=east, limit=1)) == ["b"]
        with pytest.raises(InputError):
            store.timeline("ann", limit=-1)
        with pytest.raises(InputError):
            store.timeline("ann", before=datetime(2024, 1, 1))

    def test_recall_orders_ties_by_newest_then_id(self, store: EpisodeStore) -> None:
        """Equal scores come newest first, however many there are beyond the limit."""
        space = np.eye(64, dtype=np.float32)
        days = [(i * 7) % 20 for i in range(60)]
        episodes = [make_episode(f"{i:02d}", day=day) for i, day in enumerate(days)]
        store.add(episodes, space[:60])
        newest = sorted(range(60), key=lambda i: (-days[i], i))
        for limit in (1, 5, 60):
            found = store.recall("ann", space[63], limit=limit)
            assert ids(found) == [f"{i:02d}" for i in newest[:limit]]

    def test_near_duplicates_fold_into_the_best(self, store: EpisodeStore) -> None:
        """Same question and same outcome count once; another outcome is another case."""
        near = np.array([0.999, (1 - 0.999**2) ** 0.5, 0, 0], np.float32)
        vectors = np.stack([POOL[0], near, POOL[0], POOL[1]])
        outcomes = ["a", "a", "b", "a"]
        store.add([make_episode(f"e{i}", outcome=o) for i, o in enumerate(outcomes)], vectors)
        assert ids(store.recall("ann", POOL[0], limit=4)) == ["e0", "e2", "e3"]
        assert ids(store.recall("ann", near, limit=4))[0] == "e1"

    def test_recall_blends_similarity_recency_and_outcome(self, store: EpisodeStore) -> None:
        """score = similarity * cosine + recency * 0.5 ** (age / half-life) + value * known."""
        store.add([make_episode("old", outcome="a"), make_episode("new", day=10)], POOL[:2])
        blend = RecallBlend(similarity=0.5, recency=1, value=0.25, half_life_days=5)
        new, old = store.recall("ann", POOL[0], limit=2, blend=blend)
        assert ids([new, old]) == ["new", "old"]
        assert (new.similarity, old.similarity) == (0, 1)
        np.testing.assert_allclose([new.score, old.score], [1, 1])
        later = START + timedelta(days=15)
        found = store.recall("ann", POOL[0], limit=2, blend=blend, now=later)
        np.testing.assert_allclose([one.score for one in found], [0.875, 0.5])
        past = store.recall("ann", POOL[0], limit=2, blend=blend, before=START + timedelta(days=5))
        assert ids(past) == ["old"]
        np.testing.assert_allclose(past[0].score, 1.25)

    def test_recall_filters(self, store: EpisodeStore) -> None:
        """``before``, ``task``, ``with_outcome`` and ``where`` all hold at once, exactly."""
        episodes = [
            make_episode("e0", outcome="a", task="t", n=1, s="x"),
            make_episode("e1", day=1, task="t", n=True, s="x"),
            make_episode("e2", day=2, outcome="b", n=1.0),
            make_episode("e3", day=3, outcome="c", task="t", n="1", s="x"),
        ]
        store.add(episodes, POOL[:4])

        def found(**filters: object) -> list[str]:
            return sorted(ids(store.recall("ann", POOL[4], limit=9, **filters)))  # type: ignore[arg-type]

        assert found(where={"n": 1}) == ["e0", "e2"]
        assert found(where={"n": True}) == ["e1"]
        assert found(where={"n": "1", "s": "x"}) == ["e3"]
        assert found(where={"missing": ""}) == []
        assert found(where={}) == ["e0", "e1", "e2", "e3"]
        assert found(task="t", with_outcome=True) == ["e0", "e3"]
        assert found(task="t", with_outcome=True, before=START + timedelta(days=3)) == ["e0"]
        assert found(before=START) == []
        assert store.recall("ann", POOL[4], limit=0) == []
        assert store.recall("nobody", POOL[4], limit=9) == []

    def test_vectors_of_another_dimension_are_refused(self, store: EpisodeStore) -> None:
        """On the way in and in the question."""
        store.add([make_episode()], POOL[:1])
        other = np.eye(5, dtype=np.float32)
        with pytest.raises(EmbedderMismatchError):
            store.add([make_episode("e2", user="bob")], other[:1])
        with pytest.raises(EmbedderMismatchError):
            store.recall("ann", other[0], limit=1)
        with pytest.raises(InputError):
            store.recall("ann", POOL[0] * 2, limit=1)
        assert store.users() == ["ann"]

    def test_outcomes_are_attached_and_validated(self, store: EpisodeStore) -> None:
        """An outcome outside the options is refused with a message; feedback is kept beside it."""
        store.add([make_episode("e1"), make_episode("e2")], POOL[:2])
        store.recall("ann", POOL[0], limit=1)
        with pytest.raises(InputError, match="not one of the options"):
            store.set_outcome("ann", "e1", outcome="z")
        with pytest.raises(InputError):
            store.set_outcome("ann", "e1")
        with pytest.raises(NotFoundError):
            store.set_outcome("bob", "e1", outcome="a")
        assert store.set_outcome("ann", "e1", outcome="b").outcome == "b"
        feedback = Feedback(thumb=1)
        assert store.set_outcome("ann", "e1", feedback=feedback).outcome == "b"
        assert store.get("ann", ["e1"])[0].feedback == feedback
        assert ids(store.recall("ann", POOL[1], limit=9, with_outcome=True)) == ["e1"]
        np.testing.assert_array_equal(store.vectors("ann", ["e1"]), POOL[:1])

    def test_deleted_episodes_are_gone(self, store: EpisodeStore) -> None:
        """From every way of asking."""
        store.add([make_episode("e1"), make_episode("e2", day=1)], POOL[:2])
        store.recall("ann", POOL[0], limit=2)
        assert store.delete("ann", ["e1", "e1", "e9"]) == 1
        assert store.delete("ann", []) == 0
        assert ids(store.recall("ann", POOL[0], limit=2)) == ["e2"]
        assert store.get("ann", ["e1", "e2", "e2"]) == [make_episode("e2", day=1)] * 2
        assert store.count("ann") == 1
        with pytest.raises(NotFoundError):
            store.vectors("ann", ["e2", "e1"])
        assert store.forget("ann") == 1
        assert (store.count("ann"), store.users(), store.timeline("ann")) == (0, [], [])

    def test_results_are_copies(self, store: EpisodeStore) -> None:
        """What a caller does to them, or to what it passed in, changes nothing stored."""
        vectors, episode = POOL[:1].copy(), make_episode(n=1)
        store.add([episode], vectors)
        episode.metadata["n"] = 2
        vectors[:] = 0
        store.get("ann", ["e1"])[0].metadata["n"] = 3
        store.timeline("ann")[0].metadata["n"] = 4
        store.recall("ann", POOL[0], limit=1)[0].episode.metadata["n"] = 5
        store.vectors("ann", ["e1"])[:] = 0
        assert store.get("ann", ["e1"])[0].metadata == {"n": 1}
        assert store.recall("ann", POOL[0], limit=1)[0].similarity == 1

    def test_threads_share_a_store(self, store: EpisodeStore) -> None:
        """Concurrent writers and readers lose nothing and see only whole episodes."""
        errors: list[BaseException] = []

        def work(user: str) -> None:
            try:
                for i in range(5):
                    store.add([make_episode(f"e{i}", user=user, day=i)], POOL[i : i + 1])
                    assert store.recall(user, POOL[i], limit=1)[0].episode.id == f"e{i}"
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(f"u{i % 3}",)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert [store.count(user) for user in store.users()] == [5, 5, 5]

    def test_a_store_that_is_opened_again_has_everything(self, tmp_path: Path) -> None:
        """Closing is idempotent."""
        if not self.persistent:
            pytest.skip("this store keeps nothing")
        store = self.make_store(tmp_path)
        store.add([make_episode("e1"), make_episode("e2")], POOL[:2])
        store.set_outcome("ann", "e2", outcome="c")
        store.close()
        store.close()
        again = self.make_store(tmp_path)
        assert [one.outcome for one in again.timeline("ann")] == [None, "c"]
        assert ids(again.recall("ann", POOL[1], limit=1)) == ["e2"]
        again.close()


def oracle_recall(
    mine: dict[str, Stored],
    vector: npt.NDArray[np.float32],
    *,
    limit: int,
    blend: RecallBlend,
    before: datetime | None,
    with_outcome: bool,
) -> list[str]:
    """Return the ids that recall has to find, by the protocol's words and nothing else."""
    now = before or max((episode.at for episode, _ in mine.values()), default=START)

    def score(one: Stored) -> float:
        age = max((now - one[0].at) / timedelta(days=1), 0)
        known = one[0].outcome is not None
        fresh = 0.5 ** (age / blend.half_life_days)
        cosine = float(one[1] @ vector)
        return blend.similarity * cosine + blend.recency * float(fresh) + blend.value * known

    left = [
        one
        for one in mine.values()
        if (before is None or one[0].at < before) and (one[0].outcome or not with_outcome)
    ]
    left.sort(key=lambda one: (-score(one), START - one[0].at, one[0].id))
    kept: list[Stored] = []
    for one in left:
        if not any(one[0].outcome == k[0].outcome and one[1] @ k[1] >= 0.98 for k in kept):
            kept.append(one)
    return [episode.id for episode, _ in kept[:limit]]


_users = st.sampled_from(["ann", "ANN", "bob"])
_names = st.sampled_from([f"e{i}" for i in range(8)])
_outcomes = st.sampled_from([None, "a", "b"])
_rows = st.tuples(_users, _names, st.integers(0, 6), _outcomes, st.integers(0, len(POOL) - 1))
_blends = st.builds(
    RecallBlend,
    recency=st.sampled_from([0.0, 0.5]),
    value=st.sampled_from([0.0, 0.25]),
    half_life_days=st.just(1.0),
)


def episode_store_machine(
    make_store: MakeStore, *, persistent: bool = True
) -> type[RuleBasedStateMachine]:
    """Return a state machine that compares a store with a dict; its ``TestCase`` is the test."""

    class EpisodeStoreMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.folder = Path(tempfile.mkdtemp())
            self.store = make_store(self.folder)
            self.users: dict[str, dict[str, Stored]] = {}

        @rule(rows=st.lists(_rows, min_size=1, max_size=6))
        def add(self, rows: list[tuple[str, str, int, str | None, int]]) -> None:
            episodes = [
                make_episode(id_, user=user, day=day, outcome=outcome)
                for user, id_, day, outcome, _ in rows
            ]
            vectors = POOL[[row[-1] for row in rows]]
            new = []
            for episode, vector in zip(episodes, vectors, strict=True):
                mine = self.users.setdefault(episode.user_id, {})
                if episode.id not in mine:
                    mine[episode.id] = (episode, vector)
                    new.append(episode.id)
            assert self.store.add(episodes, vectors) == new

        @rule(
            user=_users,
            pick=st.integers(0, len(POOL) - 1),
            limit=st.integers(0, 9),
            blend=_blends,
            day=st.none() | st.integers(0, 7),
            with_outcome=st.booleans(),
        )
        def recall(
            self,
            user: str,
            pick: int,
            limit: int,
            blend: RecallBlend,
            day: int | None,
            with_outcome: bool,
        ) -> None:
            before = None if day is None else START + timedelta(days=day)
            mine = self.users.get(user, {})
            expected = oracle_recall(
                mine, POOL[pick], limit=limit, blend=blend, before=before, with_outcome=with_outcome
            )
            found = self.store.recall(
                user, POOL[pick], limit=limit, blend=blend, before=before, with_outcome=with_outcome
            )
            assert ids(found) == expected
            assert [one.episode for one in found] == [mine[id_][0] for id_ in expected]

        @rule(user=_users, id_=_names, outcome=st.sampled_from(["a", "b", "z"]))
        def set_outcome(self, user: str, id_: str, outcome: str) -> None:
            mine = self.users.get(user, {})
            if id_ not in mine or outcome == "z":
                error = InputError if id_ in mine else NotFoundError
                with pytest.raises(error):
                    self.store.set_outcome(user, id_, outcome=outcome)
                return
            changed = mine[id_][0].model_copy(update={"outcome": outcome})
            mine[id_] = (changed, mine[id_][1])
            assert self.store.set_outcome(user, id_, outcome=outcome) == changed

        @rule(user=_users, names=st.lists(_names, max_size=4))
        def delete(self, user: str, names: list[str]) -> None:
            mine = self.users.get(user, {})
            gone = [id_ for id_ in set(names) if mine.pop(id_, None)]
            assert self.store.delete(user, names) == len(gone)

        @rule(user=_users)
        def forget(self, user: str) -> None:
            assert self.store.forget(user) == len(self.users.pop(user, {}))

        @precondition(lambda self: persistent)
        @rule()
        def reopen(self) -> None:
            self.store.close()
            self.store = make_store(self.folder)

        @invariant()
        def agrees(self) -> None:
            assert self.store.users() == sorted(user for user, mine in self.users.items() if mine)
            for user in ("ann", "ANN", "bob"):
                mine = [episode for episode, _ in self.users.get(user, {}).values()]
                assert self.store.timeline(user) == sorted(mine, key=lambda one: (one.at, one.id))
                assert self.store.count(user) == len(mine)

        def teardown(self) -> None:
            self.store.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    return EpisodeStoreMachine
