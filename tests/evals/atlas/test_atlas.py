"""Building an atlas."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from persona_agent.errors import InputError
from persona_agent.evals.atlas import Atlas, Entry, build_atlas
from persona_agent.testing import HashEmbedder
from tests.evals.atlas.conftest import MakeEntry

DRINKS = ("green tea", "black tea", "mint tea")
ENGINES = ("diesel engines", "steam engines", "jet engines")


@pytest.fixture
def entries(entry: MakeEntry) -> list[Entry]:
    """Eight who talk of tea and eight of engines, one of whom changed, and one who is silent."""
    found = []
    for n in range(8):
        found.append(entry(f"tea {n}", f"likes {DRINKS[n % 3]}", (f"drinks tea at {n}", 3)))
        if n == 0:
            found.append(entry("engine 0", "likes green tea", "drinks tea", version="old"))
        found.append(entry(f"engine {n}", f"likes {ENGINES[n % 3]}", f"repairs engines on day {n}"))
    return [*found, entry("silent")]


def test_groups_are_found_named_and_illustrated(
    entries: list[Entry], embedder: HashEmbedder
) -> None:
    atlas = build_atlas(entries, embedder)
    of = {p.user_id: p.cluster for p in atlas.points if p.latest}
    assert len({of[f"tea {n}"] for n in range(8)}) == 1
    assert len({of[f"engine {n}"] for n in range(8)}) == 1
    assert of["tea 0"] != of["engine 0"]
    tea, engine = atlas.clusters[of["tea 0"]], atlas.clusters[of["engine 0"]]
    assert "tea" in tea.terms and "engines" in engine.terms
    assert "tea" in tea.typical and "engines" in engine.typical
    assert (tea.size, engine.size) == (8, 8)
    assert atlas.stable and atlas.stability[0].agreement == 1.0


def test_versions_move_and_only_latest_ones_have_neighbours(
    entries: list[Entry], embedder: HashEmbedder
) -> None:
    atlas = build_atlas(entries, embedder)
    old, new = (p for p in atlas.points if p.user_id == "engine 0")
    assert (old.step, old.latest, new.step, new.latest) == (0, False, 1, True)
    assert atlas.points[[p.user_id for p in atlas.points].index("tea 0")].cluster == old.cluster
    assert old.neighbours == () and len(new.neighbours) == 5
    for point in atlas.points:
        others = [atlas.points[one] for one in point.neighbours]
        assert all(one.latest and one.user_id != point.user_id for one in others)
    assert all(atlas.points[one].user_id.startswith("engine") for one in new.neighbours)
    assert (atlas.steps, atlas.users) == (2, 17)


def test_who_is_silent_is_listed_without_a_place(
    entries: list[Entry], embedder: HashEmbedder
) -> None:
    point = build_atlas(entries, embedder).points[-1]
    assert (point.x, point.y, point.cluster, point.dense) == (None, None, -1, -1)
    assert (point.claims, point.evidence, point.neighbours) == ((), 0, ())


def test_the_atlas_is_deterministic_and_survives_json(
    entries: list[Entry], embedder: HashEmbedder
) -> None:
    atlas = build_atlas(entries, embedder)
    assert Atlas.model_validate_json(atlas.model_dump_json()) == atlas
    assert build_atlas(entries, embedder) == atlas


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_personas_have_an_atlas(count: int, entry: MakeEntry, embedder: HashEmbedder) -> None:
    atlas = build_atlas([entry(f"u{n}", f"likes {n} teas") for n in range(count)], embedder)
    assert len(atlas.points) == count
    assert atlas.silhouette is None and not atlas.stable


def test_personas_that_are_all_silent_have_an_atlas(
    entry: MakeEntry, embedder: HashEmbedder
) -> None:
    atlas = build_atlas([entry(f"u{n}") for n in range(6)], embedder)
    assert all(point.x is None for point in atlas.points)
    assert sum(cluster.size for cluster in atlas.clusters) == 0


def test_given_vectors_decide(entries: list[Entry], embedder: HashEmbedder) -> None:
    rows = np.zeros((len(entries), 4), np.float32)
    rows[np.arange(len(entries)), np.arange(len(entries)) % 3] = 1
    atlas = build_atlas(entries, embedder, vectors=rows, space="behaviour")
    assert atlas.space == "behaviour"
    assert len(atlas.clusters) == 3
    with pytest.raises(InputError, match="vectors do not fit"):
        build_atlas(entries, embedder, vectors=rows[:3])
    with pytest.raises(InputError, match="at least one persona"):
        build_atlas([], embedder)


@pytest.mark.slow
def test_importing_the_atlas_loads_no_heavy_library() -> None:
    heavy = "torch sklearn plotly matplotlib umap sentence_transformers litellm"
    code = (
        "import sys, persona_agent.evals.atlas.page, persona_agent.evals.atlas.picture, "
        "persona_agent.evals.atlas.sources, persona_agent.cli.clusters\n"
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_ten_thousand_personas(entry: MakeEntry, embedder: HashEmbedder) -> None:
    random = np.random.default_rng(0)
    centres = random.normal(size=(5, 64))
    of = random.integers(0, 5, 10_000)
    rows = (centres[of] + 0.3 * random.normal(size=(10_000, 64))).astype("f4")
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    entries = [entry(f"u{n}", f"likes thing{of[n]} a lot") for n in range(10_000)]
    atlas = build_atlas(entries, embedder, vectors=rows, map="pca")
    assert len(atlas.clusters) == 5 and atlas.stable
    for number, cluster in enumerate(atlas.clusters):
        mine = {int(of[row]) for row, p in enumerate(atlas.points) if p.cluster == number}
        assert len(mine) == 1
        assert cluster.typical == f"likes thing{mine.pop()} a lot"
