"""Clusters, neighbours and maps on constructed data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.evals.atlas.claim_space import unit
from persona_agent.evals.atlas.grouping import (
    STABLE,
    adjusted_rand,
    dense_groups,
    group,
    silhouette,
)
from persona_agent.evals.atlas.mapping import draw_map
from persona_agent.evals.atlas.neighbours import nearest
from persona_agent.evals.atlas.records import Vectors
from persona_agent.evals.atlas.replication import replication


def true_rand(first: object, second: object) -> float:
    """Return what scikit-learn says, which loads for a second: not before it is needed."""
    metrics = pytest.importorskip("sklearn.metrics")
    return float(metrics.adjusted_rand_score(first, second))


def blobs(groups: int, each: int, noise: float, seed: int = 0) -> tuple[Vectors, list[int]]:
    random = np.random.default_rng(seed)
    centres = np.eye(groups, 12)
    labels = [number for number in range(groups) for _ in range(each)]
    return (centres[labels] + noise * random.normal(size=(len(labels), 12))).astype("f4"), labels


@pytest.mark.parametrize("groups", [2, 3, 5])
def test_the_number_of_clear_groups_is_found(groups: int) -> None:
    rows, labels = blobs(groups, 15, 0.05)
    found = group(rows)
    assert len(found.centres) == groups
    assert true_rand(labels, found.labels) == 1.0
    assert found.agreement > 0.95
    assert (silhouette(rows, found.labels) or 0) > 0.7


def test_a_cloud_has_no_stable_number_of_clusters() -> None:
    rows = np.random.default_rng(0).normal(size=(80, 12)).astype("f4")
    assert group(rows).agreement < STABLE


def test_clusters_are_numbered_by_size() -> None:
    rows = np.concatenate([blobs(2, 5, 0.02)[0][:5], blobs(2, 20, 0.02)[0][20:]])
    assert np.bincount(group(rows).labels).tolist() == [20, 5]


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((0, 3), "f4"),
        np.ones((1, 3), "f4"),
        np.ones((5, 3), "f4"),
        np.ones((40, 3), "f4"),
    ],
)
def test_too_little_to_cluster_is_one_cluster(rows: Vectors) -> None:
    found = group(rows)
    assert set(found.labels.tolist()) <= {0}
    assert found.stability == ()
    assert silhouette(rows, found.labels) is None


def test_dense_groups_leave_stragglers_out() -> None:
    rows, _ = blobs(2, 20, 0.02)
    lonely = np.full((1, 12), 3.0, "f4")
    found = dense_groups(np.concatenate([rows, lonely]))
    assert found[-1] == -1
    assert len(set(found[:20].tolist())) == len(set(found[20:40].tolist())) == 1
    assert found[0] != found[20]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=30))
def test_the_quick_rand_index_is_the_usual_one(pairs: list[tuple[int, int]]) -> None:
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    assert adjusted_rand(first, second) == pytest.approx(true_rand(first, second))


def test_groups_of_users_come_back_on_the_other_half() -> None:
    first = np.stack([blobs(3, 8, 0.1, seed)[0] for seed in range(3)])
    second = np.stack([blobs(3, 8, 0.1, seed)[0] for seed in range(3, 6)])
    found = replication(first, second, permutations=99)
    assert found.across_halves == pytest.approx(1.0)
    assert found.p == pytest.approx(0.01)
    assert found.clusters == 3


def test_groups_that_users_do_not_stay_in_do_not_come_back() -> None:
    # Both halves fall apart into the same three groups, but who is where changes.
    random = np.random.default_rng(0)
    first = np.stack([blobs(3, 8, 0.1, seed)[0] for seed in range(3)])
    second = np.stack([blobs(3, 8, 0.1, seed)[0][random.permutation(24)] for seed in range(3, 6)])
    found = replication(first, second, permutations=99)
    assert found.bootstrap is not None and found.bootstrap > 0.9
    assert found.across_halves is not None and abs(found.across_halves) < 0.15
    assert found.p > 0.05


def test_silent_users_are_no_group() -> None:
    rows = np.random.default_rng(0).normal(size=(2, 3, 20, 8)).astype("f4")
    rows[:, :, :10] = 0
    found = replication(unit(rows[0]), unit(rows[1]), permutations=99)
    assert found.p > 0.05
    nothing = replication(rows[0] * 0, rows[1] * 0)
    assert (nothing.across_halves, nothing.p) == (None, 1.0)


def test_neighbours_are_exact_over_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persona_agent.evals.atlas.neighbours.BLOCK", 7)
    rows = unit(np.random.default_rng(0).normal(size=(30, 8)).astype("f4"))
    indices, cosines = nearest(rows, rows, 4, forbidden=np.arange(30))
    near = rows @ rows.T
    np.fill_diagonal(near, -2)
    assert indices.tolist() == np.argsort(-near, axis=1)[:, :4].tolist()
    assert np.allclose(cosines, -np.sort(-near, axis=1)[:, :4], atol=1e-6)
    assert nearest(rows, rows[:0], 4)[0].shape == (30, 0)


@pytest.mark.parametrize("name", ["pca", "tsne"])
@pytest.mark.slow
def test_a_map_keeps_clear_groups_apart_and_places_earlier_versions(name: str) -> None:
    rows, labels = blobs(3, 15, 0.05)
    latest = np.ones(len(rows), dtype=bool)
    latest[::15] = False  # one of each group is an earlier version
    chosen, places, fitted = draw_map(rows, latest, name="pca" if name == "pca" else "tsne")
    assert (chosen, fitted) == (name, 42)
    assert float(np.abs(places).max()) <= 1.5
    for number in range(0, len(rows), 15):
        away = np.linalg.norm(places - places[number], axis=1)
        away[number] = np.inf
        assert labels[int(away.argmin())] == labels[number]
    again = draw_map(rows, latest, name="pca" if name == "pca" else "tsne")[1]
    assert np.array_equal(places, again)


def test_few_points_are_drawn_by_pca_and_fewer_than_three_have_no_map() -> None:
    rows = blobs(2, 5, 0.1)[0]
    assert draw_map(rows, np.ones(10, dtype=bool))[0] == "pca"
    assert draw_map(rows[:2], np.ones(2, dtype=bool))[1].tolist() == [[0, 0], [0, 0]]
