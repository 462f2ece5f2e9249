"""A state machine that drives an episode store and a plain dict with the same calls."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from persona_agent.errors import InputError, NotFoundError
from persona_agent.memory import Memory
from persona_agent.memory.facts import FactStore
from persona_agent.memory.personas import SQLPersonaStore
from persona_agent.memory.transfer import export_user, import_lines
from persona_agent.protocols import EpisodeStore, Vectors
from persona_agent.schema import Episode, RecallBlend
from persona_agent.testing.conformance_oracle import Stored, oracle_recall
from persona_agent.testing.samples import POOL, START, ids, make_episode

MakeStore = Callable[[Path], EpisodeStore]

USERS = ("ann", "ANN", "bob")
_TASKS = ("", "rate")
_users = st.sampled_from(USERS)
_names = st.sampled_from([f"e{i}" for i in range(8)])
_outcomes = st.sampled_from([None, "a", "b"])
_picks = st.integers(0, len(POOL) - 1)
_tags: st.SearchStrategy[str | int] = st.sampled_from(["x", True, 1])
_blends = st.builds(
    RecallBlend,
    recency=st.sampled_from([0.0, 0.5]),
    value=st.sampled_from([0.0, 0.25]),
    half_life_days=st.just(1.0),
)


@st.composite
def _stored(draw: st.DrawFn) -> Stored:
    """One episode with its vector, which can be made again from its text."""
    pick = draw(_picks)
    episode = make_episode(
        draw(_names),
        user=draw(_users),
        day=draw(st.integers(0, 6)),
        outcome=draw(_outcomes),
        task=draw(st.sampled_from(_TASKS)),
        tag=draw(_tags),
    )
    query = episode.query.model_copy(update={"text": f"question {pick}"})
    return episode.model_copy(update={"query": query}), POOL[pick]


class _PoolEmbedder:
    """Embeds the texts of the machine's episodes, as an import does."""

    name = "test"
    dimension = POOL.shape[1]

    def embed(self, texts: Sequence[str]) -> Vectors:
        return POOL[[int(text.split()[1]) for text in texts]]


def episode_store_machine(
    make_store: MakeStore, *, persistent: bool = True
) -> type[RuleBasedStateMachine]:
    """Return a state machine that compares a store with a dict; its ``TestCase`` is the test."""

    class EpisodeStoreMachine(_EpisodeStoreMachine):
        def open(self) -> EpisodeStore:
            return make_store(self.folder)

        @precondition(lambda self: persistent)
        @rule()
        def reopen(self) -> None:
            self.store.close()
            self.store = self.open()

    return EpisodeStoreMachine


class _EpisodeStoreMachine(RuleBasedStateMachine):
    store: EpisodeStore

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = self.open()
        self.users: dict[str, dict[str, Stored]] = {}
        for user in self.store.users():  # a server has what the run before left
            self.store.forget(user)

    def open(self) -> EpisodeStore:
        raise NotImplementedError

    @rule(rows=st.lists(_stored(), min_size=1, max_size=6))
    def add(self, rows: list[Stored]) -> None:
        new = []
        for episode, vector in rows:
            mine = self.users.setdefault(episode.user_id, {})
            if episode.id not in mine:
                mine[episode.id] = (episode, vector)
                new.append(episode.id)
        episodes = [episode for episode, _ in rows]
        assert self.store.add(episodes, np.stack([vector for _, vector in rows])) == new

    @rule(row=_stored())
    def add_one(self, row: Stored) -> None:
        self.add([row])

    @rule(
        user=_users,
        pick=_picks,
        limit=st.integers(0, 9),
        blend=_blends,
        day=st.none() | st.integers(0, 7),
        first=st.none() | st.integers(0, 7),
        task=st.none() | st.sampled_from([*_TASKS, "choice"]),
        with_outcome=st.booleans(),
        where=st.just({}) | st.fixed_dictionaries({"tag": _tags}),
    )
    def recall(
        self,
        user: str,
        pick: int,
        limit: int,
        blend: RecallBlend,
        day: int | None,
        first: int | None,
        task: str | None,
        with_outcome: bool,
        where: dict[str, str | int],
    ) -> None:
        before, since = (
            None if one is None else START + timedelta(days=one) for one in (day, first)
        )

        def selected(episode: Episode) -> bool:
            return (
                (before is None or episode.at < before)
                and (since is None or episode.at >= since)
                and (task is None or episode.query.task_name == task)
                and (not with_outcome or episode.outcome is not None)
                and all(repr(episode.metadata[key]) == repr(value) for key, value in where.items())
            )

        mine = self.users.get(user, {})
        expected = oracle_recall(
            mine, selected, POOL[pick], limit=limit, blend=blend, before=before
        )
        found = self.store.recall(
            user,
            POOL[pick],
            limit=limit,
            blend=blend,
            before=before,
            since=since,
            task=task,
            with_outcome=with_outcome,
            where=where,
        )
        assert ids(found) == expected
        assert [one.episode for one in found] == [mine[id_][0] for id_ in expected]
        chosen = [episode for episode, _ in mine.values() if selected(episode)]
        if not where:
            latest = self.store.timeline(
                user,
                before=before,
                since=since,
                task=task,
                with_outcome=with_outcome,
                limit=limit,
            )
            assert latest == _in_time(chosen)[max(len(chosen) - limit, 0) :]

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

    @rule(
        rows=st.lists(
            _stored(), min_size=1, max_size=6, unique_by=lambda row: (row[0].user_id, row[0].id)
        )
    )
    def complete(self, rows: list[Stored]) -> None:
        fresh, late, told, other = [], [], [], []
        for episode, vector in rows:
            mine = self.users.setdefault(episode.user_id, {})
            if episode.id not in mine:
                mine[episode.id] = (episode, vector)
                fresh.append((episode, vector))
                continue
            late.append(episode)
            stored, its_vector = mine[episode.id]
            if episode.outcome is not None and stored.outcome is None:
                told.append(stored.model_copy(update={"outcome": episode.outcome}))
                mine[episode.id] = (told[-1], its_vector)
            elif episode.outcome not in (None, stored.outcome):
                other.append(episode.id)
        vectors = np.stack([POOL[0], *(vector for _, vector in fresh)])[1:]
        found = self.store.complete([episode for episode, _ in fresh], vectors, late)
        assert found == ([episode.id for episode, _ in fresh], told, other)

    @rule(user=_users, names=st.lists(_names, max_size=4))
    def delete(self, user: str, names: list[str]) -> None:
        mine = self.users.get(user, {})
        gone = [id_ for id_ in set(names) if mine.pop(id_, None)]
        assert self.store.delete(user, names) == len(gone)

    @rule(user=_users)
    def forget(self, user: str) -> None:
        assert self.store.forget(user) == len(self.users.pop(user, {}))

    @rule(user=_users, twice=st.booleans())
    def move_out_and_in(self, user: str, twice: bool) -> None:
        """Export a user, forget the user, and import what was exported; again: nothing is new."""
        facts = FactStore(self.folder / "facts.db")
        personas = SQLPersonaStore(self.folder / "personas.db")
        memory = Memory(self.store, facts, personas, _PoolEmbedder())
        try:
            lines = list(export_user(memory, user))
            self.store.forget(user)
            new = import_lines(memory, lines)["episode"]
            assert new == len(self.users.get(user, {}))
            assert not twice or import_lines(memory, lines)["episode"] == 0
        finally:
            facts.close()
            personas.close()

    @invariant()
    def agrees(self) -> None:
        assert self.store.users() == sorted(user for user, mine in self.users.items() if mine)
        for user in USERS:
            mine = self.users.get(user, {})
            timeline = _in_time([episode for episode, _ in mine.values()])
            assert self.store.timeline(user) == timeline
            assert self.store.count(user) == len(mine)
            if mine:
                wanted = np.stack([mine[id_][1] for id_ in ids(timeline)])
                np.testing.assert_array_equal(self.store.vectors(user, ids(timeline)), wanted)

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _in_time(episodes: list[Episode]) -> list[Episode]:
    return sorted(episodes, key=lambda one: (one.at, one.id))
