"""Chroma: one client for each folder or server, its lock, its collections, its errors."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from persona_agent.errors import MissingExtraError, SettingsError, StoreUnavailableError
from persona_agent.memory import index_files
from persona_agent.memory.codec import mismatch
from persona_agent.memory.database import UNFIT, unfit
from persona_agent.memory.file_lock import hold
from persona_agent.memory.gate import Gate
from persona_agent.memory.row_cache import RowCache

_SERVER_SECONDS = 60.0
_LOCK_NAME = "persona-agent.lock"
_CACHE_BYTES = 64 * 1024 * 1024

# Rows are only ever read by id or user. What is not in the index yet is read from Chroma's log
# with every call, hence the low threshold.
_UNSEARCHED = {"ef_construction": 10, "max_neighbors": 4, "batch_size": 100, "sync_threshold": 100}

_registry: dict[Path, _Folder] = {}
_registry_lock = threading.Lock()


class ChromaClient:
    """A connection to a Chroma server, or to the one embedded client of a folder.

    Embedded Chroma is not safe for two processes: a second one would read stale results without
    an error. So the folder is locked, and a second process is refused at once.

    Attributes:
        folder: the folder, None for a server.
        lock: held while writing, shared by all clients of a folder in this process.
        cache: of users' rows, shared likewise; None for a server, where others write too.
    """

    def __init__(self, *, path: Path | str | None, url: str | None) -> None:
        """Connect to ``url``, or open the folder ``path`` where there is no URL.

        Raises:
            MissingExtraError: chromadb is not installed.
            SettingsError: neither is given, or the URL is not valid.
            StoreUnavailableError: the server is away, or another process has the folder.
        """
        chromadb = _chromadb()
        self.folder: Path | None = None
        self.lock = threading.RLock()
        self.cache: RowCache | None = None
        self._gate = Gate()
        if url is not None:
            self.place = url
            host, port, ssl = _address(url)
            with self.explained():
                self.raw = chromadb.HttpClient(host=host, port=port, ssl=ssl, settings=_settings())
                for session in _sessions(self.raw):
                    session.timeout = _SERVER_SECONDS  # Chroma's own is: wait for ever
        elif path is not None:
            self.folder = Path(path).resolve()
            self.place = str(self.folder)
            with self.explained():
                shared = _acquire(self.folder)
            self.raw, self.lock, self.cache = shared.client, shared.writing, shared.cache
            self._gate = shared.gate
        else:
            raise SettingsError("Chroma needs a folder or a URL: set PERSONA_AGENT_CHROMA_URL")
        self._closed = False

    def collection(
        self, name: str, embedder: str, dimension: int | None = None, *, searched: bool = True
    ) -> Any:
        """Return a collection by cosine, None if it is missing; ``dimension`` creates it.

        The index of one that is not ``searched`` is made with the least effort.

        Raises:
            EmbedderMismatchError: it holds vectors of another embedder or dimension.
        """
        from chromadb.errors import NotFoundError

        with self.explained():
            try:
                # Without None, Chroma would quietly embed with a model of its own.
                found = self.raw.get_collection(name, embedding_function=None)
            except NotFoundError:
                if dimension is None:
                    return None
                return self._create(name, embedder, dimension, searched)
            known = found.metadata or {}
            same = known.get("embedder") == embedder
            if same and dimension in (None, known.get("dimension")):
                return found
            if found.count():
                stored = f"{known.get('embedder')} (dimension {known.get('dimension')})"
                used = embedder if dimension is None else f"{embedder} (dimension {dimension})"
                raise mismatch(f"collection {name} in {self.place}", stored, used)
            self.raw.delete_collection(name)  # empty, but bound to the dimension it once had
            if dimension is None:
                return None
            return self._create(name, embedder, dimension, searched)

    def _create(self, name: str, embedder: str, dimension: int, searched: bool) -> Any:
        return self.raw.get_or_create_collection(
            name,
            embedding_function=None,
            configuration={"hnsw": {"space": "cosine"} | ({} if searched else _UNSEARCHED)},
            metadata={"embedder": embedder, "dimension": dimension},
        )

    def names(self) -> list[str]:
        """Return the names of all collections."""
        with self.explained():
            return [collection.name for collection in self.raw.list_collections()]

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turn Chroma's errors about the folder or the server into ours. For every call of it.

        While the files of the folder are being cleared, this waits.
        """
        import httpx
        from chromadb.errors import ChromaError

        try:
            with self._gate.shared():
                yield
        except (ChromaError, httpx.HTTPError, OSError) as error:
            raise self._unavailable(error) from error
        except UNFIT as error:
            raise unfit(self.place, error) from None
        except ValueError as error:
            if "connect" not in str(error).lower():
                raise
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"Chroma at {self.place} cannot be used ({error}): check that the server runs, or "
            "that the folder may be written"
        )

    def close(self) -> None:
        """Release the folder or the connection. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self.folder is None:
            self.raw.close()
            for session in _sessions(self.raw):  # Chroma 1.5.9 leaves them to the garbage collector
                session.close()
        else:
            _release(self.folder)


class _Folder:
    """The one client of a folder in this process, how many share it, and the file it locks.

    They share a lock for writing, a gate for calls, and a cache of users too.
    """

    def __init__(self, client: Any, lock: IO[bytes]) -> None:
        self.client = client
        self.lock = lock
        self.sharers = 1
        self.writing = threading.RLock()
        self.gate = Gate()
        self.cache = RowCache(_CACHE_BYTES)


def _sessions(client: Any) -> list[Any]:
    """Return the HTTP sessions of a server's client; its admin part has one of its own."""
    servers = [
        getattr(part, "_server", None) for part in (client, getattr(client, "_admin_client", None))
    ]
    sessions = [getattr(server, "_session", None) for server in servers]
    return [session for session in sessions if session is not None]


def _acquire(folder: Path) -> _Folder:
    with _registry_lock:
        known = _registry.get(folder)
        if known is not None:
            known.sharers += 1
            return known
        folder.mkdir(parents=True, exist_ok=True)
        lock = lock_folder(folder)
        try:
            index_files.clear(folder)  # after a crash
            client = _chromadb().PersistentClient(path=str(folder), settings=_settings())
        except BaseException:
            lock.close()
            raise
        _registry[folder] = _Folder(client, lock)
        return _registry[folder]


def _release(folder: Path) -> None:
    with _registry_lock:
        known = _registry[folder]
        known.sharers -= 1
        if known.sharers == 0:
            del _registry[folder]
            known.client.close()
            try:
                index_files.clear(folder)
            finally:
                known.lock.close()


def clear_unused(folder: Path) -> None:
    """Clear the unused part of the index files of a folder that this process may have open.

    No call of Chroma is under way meanwhile: it writes these files in the calls that add rows, and
    in those that read what has been added.

    Raises:
        OSError: a file cannot be written.
    """
    with _registry_lock:
        known = _registry.get(folder.resolve())
    if known is not None:
        with known.gate.alone():
            index_files.clear(folder)


def lock_folder(folder: Path) -> IO[bytes]:
    """Lock the folder for this process; the operating system unlocks it when the process ends.

    Raises:
        StoreUnavailableError: another client has it, or it cannot be written.
    """
    try:
        file = hold(folder / _LOCK_NAME)
    except OSError as error:
        raise StoreUnavailableError(
            f"{folder} cannot be locked ({error}): check that it may be written and that its file "
            "system knows locks"
        ) from error
    if file is None:
        raise StoreUnavailableError(
            f"another process uses the Chroma data in {folder}: close it, or run a Chroma server "
            "(chroma run) and set PERSONA_AGENT_CHROMA_URL for both"
        )
    return file


def _address(url: str) -> tuple[str, int, bool]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
        raise SettingsError(
            f"{url!r} is no URL of a Chroma server: set PERSONA_AGENT_CHROMA_URL to "
            "http://host:port"
        )
    secure = parts.scheme == "https"
    return parts.hostname, port or (443 if secure else 8000), secure


def _chromadb() -> Any:
    try:
        import chromadb
    except ImportError as error:
        raise MissingExtraError("chromadb", "chroma") from error
    return chromadb


def _settings() -> Any:
    from chromadb.config import Settings

    return Settings(anonymized_telemetry=False)
