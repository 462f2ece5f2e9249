"""Scoring, ordering and folding, against a plain loop."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from persona_agent.errors import InputError, StoreDamagedError
from persona_agent.memory.codec import (
    check_vector,
    decode,
    encode,
    micros,
    outcome_code,
)
from persona_agent.memory.coded import Coded
from persona_agent.memory.recall import Hit, cosines, rank
from persona_agent.memory.row_cache import CachedUser, RowCache
from persona_agent.memory.rows import Rows
from persona_agent.memory.store import recalled
from persona_agent.protocols import Vectors
from persona_agent.schema import Episode, Query, RecallBlend, Recalled
from persona_agent.testing.conformance import make_episode

DAY = 86_400_000_000


def unit(count: int, dimension: int, seed: int = 0) -> Vectors:
    made = np.random.default_rng(seed).standard_normal((count, dimension))
    rows: Vectors = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return rows


def rows_of(vectors: Vectors, outcomes: list[str | None] | None = None) -> Rows:
    n = len(vectors)
    codes = [outcome_code(one) for one in outcomes or [None] * n]
    return Rows.of(
        [f"{i:05d}" for i in range(n)], [i * DAY for i in range(n)], codes, [""] * n, vectors
    )


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 700),
    limit=st.integers(1, 40),
    copies=st.integers(1, 30),
    recency=st.sampled_from([0.0, 0.3]),
    share=st.sampled_from([None, 0.0, 0.1, 0.6, 1.0]),
    seed=st.integers(0, 99),
)
def test_rank_equals_a_plain_loop(
    n: int, limit: int, copies: int, recency: float, share: float | None, seed: int
) -> None:
    originals = unit(-(-n // copies), 16, seed)
    rows = rows_of(np.repeat(originals, copies, axis=0)[:n], (["a", "b", None] * n)[:n])
    query = unit(1, 16, seed + 100)[0]
    blend = RecallBlend(recency=recency, half_life_days=20)
    similarity = cosines(rows.vectors, query)
    score = similarity + recency * 0.5 ** ((rows.at[0] - rows.at) / (20 * DAY))
    mask = None if share is None else np.random.default_rng(seed).random(n) < share
    kept: list[int] = []
    for i in sorted(range(n), key=lambda i: (-score[i], i)):
        if (mask is None or mask[i]) and not any(
            rows.vectors[i] @ rows.vectors[k] >= 0.98 and rows.outcomes[i] == rows.outcomes[k]
            for k in kept
        ):
            kept.append(i)
        if len(kept) == limit:
            break
    hits = rank(rows, query, limit=limit, blend=blend, mask=mask)
    assert [hit.row for hit in hits] == kept
    np.testing.assert_allclose([hit.score for hit in hits], score[kept])


def test_equal_rows_get_equal_cosines_wherever_they_stand() -> None:
    vector, query = unit(2, 384)
    for n in range(1, 70):
        assert len(set(cosines(np.repeat(vector[None], n, axis=0), query).tolist())) == 1


def test_a_crowd_of_duplicates_does_not_hide_the_rest() -> None:
    vectors = np.concatenate([np.repeat(unit(1, 8), 3_000, axis=0), unit(5, 8, seed=1)])
    hits = rank(rows_of(vectors), vectors[0], limit=3)
    assert len(hits) == 3
    assert hits[0].similarity == pytest.approx(1)


def test_what_is_after_now_has_age_zero() -> None:
    rows = rows_of(unit(2, 8))
    blend = RecallBlend(similarity=0, recency=1, half_life_days=1)
    hits = rank(rows, unit(1, 8, 3)[0], limit=2, blend=blend, now=0)
    assert [hit.score for hit in hits] == [1, 1]


def test_a_column_of_repeating_values() -> None:
    column = Coded.of([1, True, None, "1", 1.0])
    assert column.equals(1).tolist() == [True, False, False, False, True]
    assert column.equals(True).tolist() == [False, True, False, False, False]
    assert not column.equals("absent").any()
    both = column.followed_by(Coded.of(["x", None, True])).take(np.array([7, 5, 6, 3]))
    assert both.equals(True).tolist() == [True, False, False, False]
    assert both.equals("x").tolist() == [False, True, False, False]
    assert both.equals("1").tolist() == [False, False, False, True]


def test_rows_follow_changes() -> None:
    episodes = [make_episode(f"e{i}", day=day, outcome="a") for i, day in enumerate([3, 1, 2])]
    vectors = unit(3, 8)
    rows = Rows.of_episodes(episodes[:2], vectors[:2]).merged(
        Rows.of_episodes(episodes[2:], vectors[2:])
    )
    assert rows.ids == ["e0", "e2", "e1"]
    np.testing.assert_array_equal(rows.vectors, vectors[[0, 2, 1]])
    changed = rows.with_outcome("e2", outcome_code("b")).without(["e0"])
    assert changed.ids == ["e2", "e1"]
    assert changed.outcomes.tolist() == [outcome_code("b"), outcome_code("a")]
    assert rows.outcomes.tolist() == [outcome_code("a")] * 3


def test_rows_that_grow_never_change_what_was_handed_out() -> None:
    episodes = [make_episode(f"e{i:03}", day=i, outcome="a") for i in range(60)]
    vectors = unit(60, 8)

    def one(i: int) -> Rows:
        return Rows.of_episodes(episodes[i : i + 1], vectors[i : i + 1])

    other = Rows.of_episodes([make_episode("other", day=99)], unit(1, 8))
    rows, handed = one(0), list[tuple[Rows, int]]()
    for i in range(1, 60):
        before = rows
        rows = before.merged(one(i))
        handed.append((rows, i))
        branch = before.merged(other)  # the place before ``before`` is taken
        assert branch.ids[0] == "other" and branch.ids[1:] == before.ids
        np.testing.assert_array_equal(branch.vectors[0], other.vectors[0])
        np.testing.assert_array_equal(branch.vectors[1:], before.vectors)
    for old, i in handed:
        assert old.ids == [f"e{k:03}" for k in range(i, -1, -1)]
        np.testing.assert_array_equal(old.vectors, vectors[: i + 1][::-1])
    wholes = {id(old.room) for old, _ in handed}
    assert len(wholes) < 20  # not a copy with every row
    assert rows.nbytes >= rows.vectors.nbytes + 96 * len(rows)
    earlier = rows.merged(Rows.of_episodes([make_episode("past", day=-1)], vectors[:1]))
    assert earlier.ids[-1] == "past"
    np.testing.assert_array_equal(earlier.vectors[:-1], rows.vectors)


def test_decoded_episodes_get_a_part_of_the_cache() -> None:
    rows = rows_of(unit(10, 8))
    cache = RowCache(200_000)
    for turn in range(200):
        user = f"u{turn % 4}"
        entry = cache.get(user, 0) or CachedUser(stamp=0, rows=rows)
        cache.put(user, entry.with_episodes({f"e{turn}": make_episode(f"e{turn}")}, 300))
    kept = [found for number in range(4) if (found := cache.get(f"u{number}", 0)) is not None]
    assert len(kept) == 4
    assert 25_000 < sum(user.nbytes_of_episodes for user in kept) <= 50_000
    for number, user_kept in enumerate(kept):
        assert f"e{196 + number}" in user_kept.episodes  # the one read last
    assert cache.nbytes == sum(user.nbytes for user in kept)
    alone = RowCache(200_000)
    many = {f"e{number}": make_episode(f"e{number}") for number in range(30)}
    alone.put("ann", CachedUser(stamp=0, rows=rows).with_episodes(many, 30 * 300))
    found = alone.get("ann", 0)
    assert found is not None and len(found.episodes) == 30
    changed = found.after_outcome(rows.ids[0], 1).after_outcome(rows.ids[1], 1)
    assert changed.nbytes_of_episodes == found.nbytes_of_episodes


def test_the_cache_is_bounded_in_bytes_and_knows_what_is_stale() -> None:
    rows = rows_of(unit(10, 8))
    cache = RowCache(3 * rows.nbytes)
    for number in range(5):
        cache.put(f"u{number}", CachedUser(stamp=number, rows=rows))
    assert cache.nbytes <= 3 * rows.nbytes
    assert cache.get("u1", 1) is None
    assert cache.get("u4", 4) is not None
    assert cache.get("u4", 5) is None
    assert cache.get("u4", 4) is not None  # a write that is not followed yet does not cost it
    cache.change("u3", 3, 7, lambda user: user.after_delete(["00000"]))
    changed = cache.get("u3", 7)
    assert changed is not None and len(changed.rows) == 9
    cache.put("big", CachedUser(stamp=1, rows=rows_of(unit(100, 8))))
    assert cache.get("big", 1) is not None
    assert cache.get("u3", 7) is None
    cache.put("u5", CachedUser(stamp=5, rows=rows))
    assert cache.get("big", 1) is None
    cache.put("huge", CachedUser(stamp=1, rows=rows_of(unit(200, 8))))
    assert cache.get("huge", 1) is None
    cache.clear()
    assert cache.nbytes == 0


def test_of_users_who_come_in_turns_most_are_found_though_not_all_fit() -> None:
    rows = rows_of(unit(10, 8))
    cache, found = RowCache(8 * rows.nbytes), 0
    for turn in range(1_000):
        user = f"u{turn % 10}"
        found += cache.get(user, 0) is not None
        cache.put(user, CachedUser(stamp=0, rows=rows))
        assert cache.get(user, 0) is not None and cache.nbytes <= 8 * rows.nbytes
    assert found > 500


def test_one_large_user_may_have_a_bound_of_its_own() -> None:
    rows = rows_of(unit(100, 8))
    cache = RowCache(rows.nbytes // 10, largest_bytes=2 * rows.nbytes)
    cache.put("big", CachedUser(stamp=0, rows=rows))
    assert cache.get("big", 0) is not None
    cache.put("ann", CachedUser(stamp=0, rows=rows_of(unit(1, 8))))
    assert cache.get("big", 0) is None and cache.get("ann", 0) is not None


def test_a_found_episode_is_a_copy_that_equals_a_validated_one() -> None:
    episode = make_episode("e0", outcome="a", n=1)
    found = recalled(episode, Hit(row=0, score=0.5, similarity=0.25))
    validated = Recalled(episode=episode, score=0.5, similarity=0.25)
    assert found == validated
    assert found.model_dump_json(exclude_unset=True) == validated.model_dump_json(
        exclude_unset=True
    )
    assert pickle.loads(pickle.dumps(found)) == validated
    found.episode.metadata["n"] = 2
    assert episode.metadata["n"] == 1
    with pytest.raises(ValidationError, match="frozen"):
        found.__setattr__("score", 1.0)


def test_moments_are_exact() -> None:
    odd = datetime(1900, 1, 1, tzinfo=timezone(timedelta(seconds=561)))
    episode = Episode(user_id="u", query=Query(text="x"), at=odd)
    assert decode(encode(episode), "here").at == odd
    assert micros(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC)) == 1_000_005
    with pytest.raises(InputError, match="time zone"):
        micros(datetime(2024, 1, 1))


def test_what_cannot_be_kept_is_refused_with_its_name() -> None:
    with pytest.raises(InputError, match="'e1': metadata 'x'"):
        encode(make_episode(x=float("nan")))
    with pytest.raises(InputError, match="'e1' cannot be stored"):
        encode(make_episode(x="\ud800"))
    with pytest.raises(StoreDamagedError, match="the-file"):
        decode("{}", "the-file")
    with pytest.raises(InputError):
        check_vector(np.zeros(4, np.float32))
