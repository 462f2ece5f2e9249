"""Conformance of episode stores, the reading half: isolation, order, filters, scores, copies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from persona_agent.errors import InputError
from persona_agent.protocols import EpisodeStore
from persona_agent.schema import RecallBlend
from persona_agent.testing.samples import POOL, START, ids, make_episode


class ReadingConformance:
    """What every store must answer."""

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
        """Ties by id; ``before`` is strict, ``since`` is not; ``limit`` keeps the latest."""
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
        second, third = START + timedelta(days=1), START + timedelta(days=2)
        assert ids(store.timeline("ann", since=second)) == ["a", "b", "d"]
        assert ids(store.timeline("ann", since=second, before=third, limit=1)) == ["b"]
        assert store.timeline("ann", since=third, before=second) == []
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
        """``before``, ``since``, ``task``, ``with_outcome``, ``where`` hold at once, exactly."""
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
        second = START + timedelta(days=1)
        assert found(since=second) == ["e1", "e2", "e3"]
        assert found(since=second, before=START + timedelta(days=3), task="t") == ["e1"]
        assert store.recall("ann", POOL[4], limit=0) == []
        assert store.recall("nobody", POOL[4], limit=9) == []

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
