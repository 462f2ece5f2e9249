"""An embedded Chroma that is damaged: what of it can be read, and a new one made from that.

Episodes and the users of the persona space are read from Chroma's SQLite file, whatever state its
indexes are in. Those hold vectors only, which are made anew.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from persona_agent.errors import StoreUnavailableError
from persona_agent.memory.chroma_client import lock_folder
from persona_agent.memory.chroma_layout import BODY, key_of
from persona_agent.memory.filling import add_episodes
from persona_agent.memory.pages import Row, Value
from persona_agent.memory.persona_space import PersonaSpace, Scalar
from persona_agent.memory.readable import take_rows
from persona_agent.persona.render import render
from persona_agent.protocols import Embedder
from persona_agent.schema import Episode, Persona

_FILE = "chroma.sqlite3"
_BODIES = (BODY, "chroma:document")  # rows of former versions have their JSON as document
_PAGE_BYTES = 4096
_TRUTH = 3  # the column of truth values
_DELETE = 3  # the code of a deletion in Chroma's log
_TRIAL_SECONDS = 3600

# In a process of its own, and on a copy: a damaged index can take the process with it, and opening
# Chroma writes to its folder.
_TRIAL = """
import sys
import chromadb
client = chromadb.PersistentClient(
    path=sys.argv[1], settings=chromadb.config.Settings(anonymized_telemetry=False)
)
for name in sorted(collection.name for collection in client.list_collections()):
    collection = client.get_collection(name, embedding_function=None)
    count = collection.count()
    found = 0
    for offset in range(0, count, 1000):
        page = collection.get(include=["embeddings", "metadatas"], limit=1000, offset=offset)
        found += len(page["embeddings"])
    if found != count:
        sys.exit(f"collection {name} has {count} rows and {found} vectors")
"""


@dataclass
class ChromaContent:
    """What can be read of a folder: episodes by user and id, and who is in the persona space."""

    episodes: dict[tuple[str, str], Episode] = field(default_factory=dict)
    space: dict[str, dict[str, Scalar]] = field(default_factory=dict)
    """The host's own metadata by user."""

    def counts(self) -> dict[str, int]:
        """Return how many there are of each kind that there is."""
        counts = {"episodes": len(self.episodes), "persona space": len(self.space)}
        return {kind: count for kind, count in counts.items() if count}


@dataclass(frozen=True)
class ChromaState:
    """The state of a folder; ``busy``: it is in use, so its indexes were not tried."""

    problem: str
    content: ChromaContent
    busy: bool


def holds_chroma(folder: Path) -> bool:
    """Tell whether anything was ever stored in a Chroma folder."""
    return any(folder.glob("*/header.bin")) or (folder / _FILE).exists()


def examine_chroma(folder: Path, *, locked: bool = False) -> ChromaState:
    """Return the state of a folder and what can be read of it; nothing in it is changed.

    Args:
        folder: Chroma's.
        locked: the caller holds its lock.

    Raises:
        StoreUnavailableError: it cannot be read for reasons outside of it.
    """
    lock = contextlib.nullcontext() if locked else _lock(folder)
    if lock is None:
        return _examined(folder, busy=True)
    with lock:
        return _examined(folder, busy=False)


def _lock(folder: Path) -> IO[bytes] | None:
    try:
        return lock_folder(folder)
    except StoreUnavailableError:
        return None


def _examined(folder: Path, *, busy: bool) -> ChromaState:
    if not (folder / _FILE).exists():
        return ChromaState(f"{_FILE} is missing", ChromaContent(), busy)
    problem, (content, unreadable) = take_rows(folder / _FILE, _taken, page_bytes=_PAGE_BYTES)
    if not problem and unreadable:
        problem = f"{unreadable} records cannot be read"
    if not problem and not busy:
        problem = _tried(folder)
    return ChromaState(problem, content, busy)


def _tried(folder: Path) -> str:
    """Have Chroma read all of a copy; return what went wrong."""
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".chroma-check-") as place:
            copy = Path(shutil.copytree(folder, Path(place) / "copy"))
            done = subprocess.run(
                [sys.executable, "-I", "-c", _TRIAL, str(copy)],
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=_TRIAL_SECONDS,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreUnavailableError(
            f"the Chroma data in {folder} cannot be checked ({error}): check that the disk has "
            "room for a copy of them"
        ) from error
    if done.returncode == 0:
        return ""
    if "No module named 'chromadb'" in done.stderr:
        return ""  # only what needs no Chroma can be checked
    said = done.stderr.strip().splitlines()
    return f"its index cannot be read: {said[-1] if said else f'code {done.returncode}'}"


def _taken(rows: Iterable[Row]) -> tuple[ChromaContent, int]:
    """Return what rows of Chroma's tables hold, and how many of them cannot be read.

    Chroma's log is only looked at for rows that its table of metadata has not: it keeps what was
    deleted until it is next purged.
    """
    content, unreadable = ChromaContent(), 0
    metadata: dict[int, dict[str, Scalar]] = {}
    logged: dict[str, str] = {}
    deleted: set[str] = set()
    for row in rows:
        match row:
            case (_, str(), int(operation), str(), str(key), _, _, text):
                if operation == _DELETE:
                    deleted.add(key)
                elif isinstance(text, str):
                    logged[key] = text
            case (int(number), str(key), *values) if len(values) in (3, 4):
                value = _scalar(values)
                if key in _BODIES:
                    unreadable += not _keep(content, value)
                elif value is not None:
                    metadata.setdefault(number, {})[key] = value
    for key, text in logged.items():
        with contextlib.suppress(ValueError, AttributeError):
            body = json.loads(text).get(BODY)
            if key not in deleted and body is not None:
                _keep(content, body, key)
    for one in metadata.values():
        if "version" in one and isinstance(user_id := one.pop("user_id", None), str):
            del one["version"]
            content.space[user_id] = one
    return content, unreadable


def _scalar(values: Sequence[Value]) -> Scalar | None:
    """Return the one value among the columns for texts, integers, floats and truth values."""
    given = [(place, one) for place, one in enumerate(values) if one is not None]
    if len(given) != 1:
        return None
    place, value = given[0]
    if isinstance(value, bytes):
        return None
    return bool(value) if place == _TRUTH else value


def _keep(content: ChromaContent, body: object, key: str | None = None) -> bool:
    """Add an episode; one of the log only where it is of that key and not there yet."""
    if not isinstance(body, str):
        return False
    try:
        episode = Episode.model_validate_json(body)
    except ValidationError:
        return False
    name = (episode.user_id, episode.id)
    if key is None:
        content.episodes[name] = episode
    elif key == key_of(*name):
        content.episodes.setdefault(name, episode)
    return True


def write_chroma(
    folder: Path,
    content: ChromaContent,
    personas: Mapping[str, Persona],
    embedder: Embedder,
    progress: Callable[[int, int], None],
) -> dict[str, int]:
    """Make a new folder of what could be read; return the counts by kind.

    A user's place in the persona space is that of the text of the persona in use; who has none,
    or an empty one, gets no place.

    Raises:
        MissingExtraError: chromadb is not installed.
        StoreUnavailableError: the folder cannot be written.
    """
    from persona_agent.memory.chroma import ChromaEpisodeStore

    store = ChromaEpisodeStore(path=folder, embedder=embedder.name)
    space = PersonaSpace(path=folder, embedder=embedder.name)
    placed = 0
    try:
        add_episodes(store, list(content.episodes.values()), embedder, progress)
        for user_id, metadata in content.space.items():
            persona = personas.get(user_id)
            text = "" if persona is None else render(persona)
            if persona is not None and text:
                space.put(user_id, persona.version, embedder.embed([text])[0], metadata)
                placed += 1
    finally:
        space.close()
        store.close()
    counts = {"episodes": len(content.episodes), "persona space": placed}
    return {kind: count for kind, count in counts.items() if count}
