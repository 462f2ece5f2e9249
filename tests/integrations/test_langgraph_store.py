"""The store of LangGraph over an agent's data: what its own suites ask for, users, forgetting.

The cases follow what LangGraph's stores promise; its own two suites were run against this one too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore

from persona_agent import PersonaAgent
from persona_agent.errors import EmbedderMismatchError, InputError
from persona_agent.integrations.langgraph_store import PersonaBaseStore, user_label
from persona_agent.memory.items import ITEMS_FILE, ItemStore


@pytest.fixture
def store(agent: PersonaAgent) -> Iterator[PersonaBaseStore]:
    """One store for all users."""
    made = PersonaBaseStore(agent)
    yield made
    made.close()


@pytest.fixture
def own(agent: PersonaAgent) -> Iterator[PersonaBaseStore]:
    """A store that is ana's alone."""
    made = PersonaBaseStore(agent, user="ana")
    yield made
    made.close()


def test_put_get_update_delete(store: PersonaBaseStore) -> None:
    store.put(("ana", "notes"), "a", {"text": "one", "deep": {"x": [1, None, True]}})
    first = store.get(("ana", "notes"), "a")
    assert first is not None and first.value == {"text": "one", "deep": {"x": [1, None, True]}}
    assert (first.namespace, first.key) == (("ana", "notes"), "a")
    store.put(("ana", "notes"), "a", {"text": "two"})
    second = store.get(("ana", "notes"), "a")
    assert second is not None and second.value == {"text": "two"}
    assert second.created_at == first.created_at and second.updated_at > first.updated_at
    assert store.get(("ana", "other"), "a") is None
    store.delete(("ana", "notes"), "a")
    assert store.get(("ana", "notes"), "a") is None and store.search(("ana",)) == []


async def test_the_async_twins_do_the_same(store: PersonaBaseStore) -> None:
    await asyncio.gather(*(store.aput(("ana", "n"), f"k{i}", {"i": i}) for i in range(20)))
    assert len(await store.asearch(("ana",), limit=50)) == 20
    found = await store.aget(("ana", "n"), "k7")
    assert found is not None and found.value == {"i": 7}
    await store.adelete(("ana", "n"), "k7")
    assert await store.aget(("ana", "n"), "k7") is None
    assert await store.alist_namespaces(prefix=("ana",)) == [("ana", "n")]


def test_a_search_with_a_query_ranks_by_meaning_and_shows_scores(store: PersonaBaseStore) -> None:
    store.put(("ana", "n"), "soup", {"text": "tomato soup for dinner"})
    store.put(("ana", "n"), "car", {"text": "the car needs new tyres"})
    store.put(("ana", "n"), "dark", {"text": "tomato soup"}, index=False)
    found = store.search(("ana",), query="tomato soup")
    assert [one.key for one in found] == ["soup", "car", "dark"]
    assert found[0].score is not None and found[1].score is not None
    assert 1 >= found[0].score > found[1].score and found[2].score is None
    store.put(("ana", "n"), "soup", {"text": "a bicycle"})
    assert store.search(("ana",), query="tomato soup", limit=1)[0].score != found[0].score


def test_only_the_named_paths_are_found(agent: PersonaAgent) -> None:
    store = PersonaBaseStore(agent, user="ana", fields=["title"])
    store.put(("n",), "a", {"title": "gardening", "body": "volcano"})
    store.put(("n",), "b", {"title": "cooking", "notes": [{"t": "volcano"}]}, index=["notes[*].t"])
    store.put(("n",), "c", {"body": "nothing searchable"})
    assert store.search((), query="volcano")[0].key == "b"
    assert store.search((), query="gardening")[0].key == "a"
    assert store.search((), query="gardening")[2].score is None
    store.close()


FILTERS: list[tuple[dict[str, Any], set[str]]] = [
    ({"color": "red"}, {"a", "b"}),
    ({"size": 2}, {"b"}),
    ({"size": {"$gt": 1}}, {"b", "c"}),
    ({"size": {"$gte": 1, "$lt": 3}}, {"a", "b"}),
    ({"color": {"$ne": "red"}}, {"c"}),
    ({"deep": {"x": 1}}, {"a"}),
    ({"deep.x": 1}, {"a"}),
    ({"tags": ["p", "q"]}, {"c"}),
    ({"size": {"$lte": "2"}}, set()),
    ({"missing": {"$gt": 0}}, set()),
    ({"x') OR 1=1 --": "y"}, set()),
    ({"color": "red' OR '1'='1"}, set()),
]


@pytest.mark.parametrize(("wanted", "keys"), FILTERS, ids=[str(f) for f, _ in FILTERS])
def test_filters(store: PersonaBaseStore, wanted: dict[str, Any], keys: set[str]) -> None:
    store.put(("ana", "n"), "a", {"color": "red", "size": 1, "deep": {"x": 1, "y": 2}})
    store.put(("ana", "n"), "b", {"color": "red", "size": 2})
    store.put(("ana", "n"), "c", {"color": "blue", "size": 3, "tags": ["p", "q"]})
    store.put(("ben", "n"), "d", {"color": "red", "size": 2})
    assert {one.key for one in store.search(("ana",), filter=wanted)} == keys
    assert {one.key for one in store.search(("ana",), filter=wanted, query="red")} == keys


def test_pages_join_into_the_whole(own: PersonaBaseStore) -> None:
    for number in range(7):
        own.put(("n", f"s{number % 3}"), f"k{number}", {"number": number})
    for query in (None, "number 3"):
        whole = [one.key for one in own.search((), query=query, limit=50)]
        pages = [own.search((), query=query, limit=3, offset=start) for start in (0, 3, 6)]
        assert [one.key for page in pages for one in page] == whole and len(set(whole)) == 7
    with pytest.raises(InputError, match="0 or more"):
        own.search((), limit=-1)


def test_namespaces_are_matched_by_whole_labels(own: PersonaBaseStore) -> None:
    spaces = [("u", "1"), ("u", "10"), ("u", "1", "a"), ("v", "1", "a"), ("U", "1"), ("u", "%_*")]
    for space in spaces:
        own.put(space, "k", {"v": 1})
    assert {one.namespace for one in own.search(("u", "1"))} == {("u", "1"), ("u", "1", "a")}
    assert {one.namespace for one in own.search(("u", "%_*"))} == {("u", "%_*")}
    assert own.list_namespaces() == sorted(spaces)
    assert own.list_namespaces(suffix=("a",)) == [("u", "1", "a"), ("v", "1", "a")]
    assert own.list_namespaces(prefix=("*", "1"), max_depth=2) == [
        ("U", "1"), ("u", "1"), ("v", "1"),
    ]  # fmt: skip
    assert own.list_namespaces(limit=2, offset=1) == sorted(spaces)[1:3]
    own.delete(("v", "1", "a"), "k")
    assert ("v", "1", "a") not in own.list_namespaces()


def test_a_batch_reads_what_was_before_it_and_writes_all_or_nothing(own: PersonaBaseStore) -> None:
    own.put(("n",), "a", {"v": 1})
    results = own.batch(
        [
            GetOp(("n",), "a"),
            PutOp(("n",), "a", {"v": 2}),
            PutOp(("n",), "a", {"v": 3}),
            GetOp(("n",), "a"),
            SearchOp(("n",)),
            ListNamespacesOp(),
            GetOp(("n",), "none"),
        ]
    )
    assert [getattr(one, "value", one) for one in results[:4]] == [{"v": 1}, None, None, {"v": 1}]
    assert results[5:] == [[("n",)], None]
    now = own.get(("n",), "a")
    assert now is not None and now.value == {"v": 3}
    with pytest.raises(InputError, match="not JSON"):
        own.batch([PutOp(("n",), "b", {"v": 1}), PutOp(("n",), "c", {"v": object()})])
    assert own.get(("n",), "b") is None


BAD = [("a.b",), ("a", ""), (1,), ("nul\x00",)]


@pytest.mark.parametrize("space", BAD, ids=repr)
def test_labels_that_are_none_are_refused_even_in_batches(
    own: PersonaBaseStore, space: tuple[Any, ...]
) -> None:
    for op in (
        GetOp(space, "k"),
        PutOp(space, "k", {"v": 1}),
        SearchOp(space),
        ListNamespacesOp((MatchCondition("prefix", space),)),
    ):
        with pytest.raises(InvalidNamespaceError):
            own.batch([op])
    with pytest.raises(InvalidNamespaceError):
        own.put((), "k", {"v": 1})
    with pytest.raises(InputError):
        own.batch([PutOp((), "k", {"v": 1})])
    with pytest.raises(InputError, match="half a character"):
        own.put(("\ud800",), "k", {"v": 1})
    with pytest.raises(NotImplementedError):
        own.put(("n",), "k", {"v": 1}, ttl=5)


# --- users --------------------------------------------------------------------------------------


def test_nobody_reads_everybody(store: PersonaBaseStore) -> None:
    store.put(("ana", "n"), "k", {"v": "ana's"})
    store.put(("ben", "n"), "k", {"v": "ben's"})
    assert [one.value for one in store.search(("ana",))] == [{"v": "ana's"}]
    assert store.list_namespaces(prefix=("ben",), suffix=("n",)) == [("ben", "n")]
    for everybody in (
        lambda: store.search(()),
        lambda: store.search(("*",)),
        lambda: store.list_namespaces(),
        lambda: store.list_namespaces(suffix=("n",)),
        lambda: store.list_namespaces(prefix=("*", "n")),
    ):
        with pytest.raises(InputError, match="name the user"):
            everybody()


def test_a_store_of_one_user_is_apart_from_the_shared_one(
    store: PersonaBaseStore, own: PersonaBaseStore
) -> None:
    own.put(("ben", "n"), "k", {"v": "ana's note on ben"})
    assert store.search(("ben",)) == []
    assert [one.namespace for one in own.search(())] == [("ben", "n")]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_user_id_has_a_label_of_its_own(store: PersonaBaseStore, user: str) -> None:
    store.put((user_label(user), "n"), "k", {"v": user})
    found = store.get((user_label(user), "n"), "k")
    assert found is not None and found.value == {"v": user}
    assert store._items.spaces(user) == [(user_label(user), "n")]


def test_forgetting_a_user_removes_the_items_from_the_disk(
    agent: PersonaAgent, store: PersonaBaseStore
) -> None:
    store.put((user_label("a.na"), "n"), "k", {"v": "xyzzy-canary"})
    store.put(("ben", "n"), "k", {"v": "stays"})
    assert agent.forget_sync("a.na")["store items"] == 1
    assert store.search((user_label("a.na"),), query="canary") == []
    assert store.search(("ben",))[0].value == {"v": "stays"}
    store.close()
    for path in Path(agent.settings.data_dir).glob(f"{ITEMS_FILE}*"):
        assert b"xyzzy-canary" not in path.read_bytes()


def test_items_survive_and_another_embedder_is_refused(agent: PersonaAgent) -> None:
    store = PersonaBaseStore(agent)
    store.put(("ana", "n"), "k", {"text": "soup"})
    store.close()
    again = PersonaBaseStore(agent)
    assert again.search(("ana",), query="soup")[0].key == "k"
    again.close()
    with pytest.raises(EmbedderMismatchError, match="hash-256"):
        ItemStore(agent.settings.data_dir / ITEMS_FILE, embedder="another")


# --- the same as LangGraph's own -----------------------------------------------------------------

LABELS = st.sampled_from(["a", "b", "ab", "ä", "%"])
SPACES = st.lists(LABELS, min_size=1, max_size=3).map(tuple)
KEYS = st.sampled_from(["k", "l", "'; DROP TABLE items; --"])
VALUES = st.none() | st.fixed_dictionaries({"v": st.integers(0, 3), "w": st.sampled_from("xy")})
OPS = st.lists(st.tuples(SPACES, KEYS, VALUES), max_size=12)


@given(OPS, SPACES, st.integers(0, 3))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_it_holds_what_langgraphs_own_store_holds(
    agent: PersonaAgent, ops: list[Any], prefix: tuple[str, ...], bound: int
) -> None:
    agent.forget_sync("oracle")
    ours, theirs = PersonaBaseStore(agent, user="oracle"), InMemoryStore()
    for store in (ours, theirs):
        for space, key, value in ops:
            store.batch([PutOp(space, key, value)])
    for wanted in (None, {"v": {"$gte": bound}}, {"w": "x", "v": bound}):
        held = [
            sorted((i.namespace, i.key, i.value["v"], i.value["w"]) for i in found)
            for found in (s.search(prefix, filter=wanted, limit=99) for s in (ours, theirs))
        ]
        assert held[0] == held[1]
    filled = {item.namespace for item in theirs.search((), limit=99)}
    assert ours.list_namespaces(limit=99) == sorted(filled)
    ours.close()
