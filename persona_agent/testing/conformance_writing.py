"""Conformance of episode stores, the writing half: whole batches, retries, outcomes, deletion."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from persona_agent.errors import EmbedderMismatchError, InputError, NotFoundError
from persona_agent.protocols import EpisodeStore
from persona_agent.schema import Episode, Feedback, Query
from persona_agent.testing.samples import POOL, ids, make_episode


class WritingConformance:
    """What every store must keep."""

    persistent: ClassVar[bool] = True
    """Whether a store that is made again for the same folder has the same content."""

    def make_store(self, folder: Path) -> EpisodeStore:
        """Return the store in this folder."""
        raise NotImplementedError

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

    def test_late_outcomes_and_new_episodes_come_together(self, store: EpisodeStore) -> None:
        """An outcome completes what is stored without one; one that is wrong keeps all out."""
        early, known = make_episode("e1"), make_episode("e2", outcome="a")
        store.add([early, known], POOL[:2])
        store.recall("ann", POOL[0], limit=2)
        new, bad = make_episode("e3", user="bob"), make_episode("e4", x=float("inf"))
        late = [make_episode("e1", task="t", outcome="b"), make_episode("e2", outcome="b")]
        wrong = early.model_copy(update={"outcome": "z"})
        for batch, vectors, outcomes in (
            ([new], POOL[:1], [wrong]),
            ([new], POOL[:1], [late[0], late[0]]),
            ([new], POOL[:1] * 2, late),
            ([new, bad], POOL[:2], late),
        ):
            with pytest.raises(InputError):
                store.complete(batch, vectors, outcomes)
            assert store.users() == ["ann"] and store.timeline("ann") == [early, known]
        told, gone = early.model_copy(update={"outcome": "b"}), make_episode("e9", outcome="a")
        assert store.complete([new], POOL[:1], [*late, gone]) == (["e3"], [told], ["e2"])
        assert store.timeline("ann") == [told, known] and store.timeline("bob") == [new]
        assert ids(store.recall("ann", POOL[0], limit=9, with_outcome=True)) == ["e1", "e2"]
        np.testing.assert_array_equal(store.vectors("ann", ["e1"]), POOL[:1])
        none = np.zeros((0, 4), np.float32)
        assert store.complete([new], POOL[:1], late) == ([], [], ["e2"])
        assert store.complete([], none, late) == ([], [], ["e2"])
        assert store.complete([new], POOL[:1], []) == store.complete([], none, []) == ([], [], [])

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
