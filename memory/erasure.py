"""Taking deleted rows off Chroma's disk, which Chroma itself does not do.

Chroma marks a deleted vector and keeps it in its index file, and keeps deleted texts in free pages
of its SQLite file. A collection is therefore rebuilt from its living rows, and the file vacuumed.
The first costs what one collection holds, the second what the folder holds. The unused part of
index files is cleared at once, and again when the folder is closed or opened next; see
``index_files`` for why.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from persona_agent.errors import StoreUnavailableError
from persona_agent.memory.chroma_client import ChromaClient, clear_unused

_REBUILT = "rebuilt-"
_PAGE = 2_000

# In a process of its own: SQLite's locks do not hold between two copies of the library in one
# process, and Chroma brings its own copy.
_VACUUM = """
import sqlite3, sys
file = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
file.execute("PRAGMA secure_delete=ON")
file.execute("VACUUM")
file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
kinds = file.execute("SELECT id FROM segments").fetchall()
print("\\n".join(id_ for (id_,) in kinds))
file.close()
"""


def rebuild(client: ChromaClient, name: str) -> None:
    """Copy the living rows of a collection into a new one that takes its place.

    Nobody may write to it meanwhile. A rebuild that was killed is settled by the next one: the
    copy is whole once the original is gone, and until then it does not count.

    Raises:
        StoreUnavailableError: the folder or the server cannot be used.
    """
    with client.explained():
        names = {collection.name for collection in client.raw.list_collections()}
        if _REBUILT + name in names:
            if name in names:
                client.raw.delete_collection(_REBUILT + name)
            else:
                _get(client, _REBUILT + name).modify(name=name)
                return
        if name not in names:
            return
        old = _get(client, name)
        if old.count():
            new = client.raw.create_collection(
                _REBUILT + name,
                embedding_function=None,
                configuration=old.configuration,
                metadata=old.metadata,
            )
            _copy(old, new)
            client.raw.delete_collection(name)
            new.modify(name=name)
        else:
            client.raw.delete_collection(name)


def clean(folder: Path) -> None:
    """Remove from a Chroma folder what its deleted rows and collections left in its files.

    Raises:
        StoreUnavailableError: a file is locked or cannot be written.
    """
    file = folder / "chroma.sqlite3"
    if not file.exists():
        return
    done = subprocess.run(
        [sys.executable, "-I", "-c", _VACUUM, str(file)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise _still_there(file, (done.stderr.strip().splitlines() or ["no reason given"])[-1])
    living = set(done.stdout.split())
    for part in folder.iterdir():
        if part.is_dir() and _is_segment(part.name) and part.name not in living:
            shutil.rmtree(part, ignore_errors=True)
    try:
        clear_unused(folder)
    except OSError as error:
        raise _still_there(folder, str(error)) from error


def _still_there(place: Path, reason: str) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"deleted data could not be erased from {place} ({reason}): they are invisible, but still "
        "on the disk. Check that there is room for a copy of Chroma's file, and try again"
    )


def _get(client: ChromaClient, name: str) -> Any:
    return client.raw.get_collection(name, embedding_function=None)


def _copy(old: Any, new: Any) -> None:
    for offset in range(0, old.count(), _PAGE):
        page = old.get(include=["documents", "embeddings", "metadatas"], limit=_PAGE, offset=offset)
        texts = page["documents"]
        new.add(
            ids=page["ids"],
            embeddings=page["embeddings"],
            metadatas=page["metadatas"],
            documents=texts if all(text is not None for text in texts) else None,
        )


def _is_segment(name: str) -> bool:
    """Tell whether a folder is an index of Chroma's, by its name."""
    try:
        UUID(name)
    except ValueError:
        return False
    return True
