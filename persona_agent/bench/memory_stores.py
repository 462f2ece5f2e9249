"""The stores under test: opening them, again and again, and what they take of disk and memory."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from persona_agent.errors import InputError
from persona_agent.protocols import EpisodeStore

Kind = Literal["sqlite", "chroma", "memory"]
_EMBEDDER = "bench"


@dataclass(frozen=True)
class StoreUnderTest:
    """A kind of store, and the folder or the server that it is in."""

    kind: Kind
    url: str | None = None

    @property
    def name(self) -> str:
        """What it is called in the results."""
        return f"{self.kind} at {self.url}" if self.url else self.kind

    @property
    def reopens(self) -> bool:
        """Whether what was stored is there when it is opened again."""
        return self.kind != "memory"

    def open(self, folder: Path) -> EpisodeStore:
        """Open the store of a folder."""
        if self.kind == "sqlite":
            from persona_agent.memory.sqlite import SQLiteEpisodeStore

            return SQLiteEpisodeStore(folder / "memory.db", embedder=_EMBEDDER)
        if self.kind == "chroma":
            from persona_agent.memory.chroma import ChromaEpisodeStore

            return ChromaEpisodeStore(path=folder / "chroma", url=self.url, embedder=_EMBEDDER)
        from persona_agent.memory.episodes import InMemoryEpisodeStore

        return InMemoryEpisodeStore()

    def open_empty(self, folder: Path) -> EpisodeStore:
        """Open the store of a new folder. Raises InputError when the server has users already."""
        store = self.open(folder)
        if self.url and store.users():
            store.close()
            raise InputError(f"the Chroma server at {self.url} is not empty: name an empty one")
        return store


def drop_file_cache(folder: Path) -> bool:
    """Ask the operating system to drop what it holds of the files; tell whether it can."""
    if not hasattr(os, "posix_fadvise"):
        return False
    for path in _files(folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    return True


def disk_mb(folder: Path) -> float:
    """Return the size of all files in a folder, in MB."""
    return sum(path.stat().st_size for path in _files(folder)) / 1e6


def resident_mb() -> float:
    """Return the resident memory of this process, in MB; where /proc is missing, its peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return peak_mb()
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_mb() -> float:
    """Return the most that the resident memory of this process ever was, in MB."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
