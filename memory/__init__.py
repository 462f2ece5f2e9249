"""Memory: episodes, facts and personas of all users, and the embedder that makes them comparable.

:func:`open_memory` opens the stores that the settings name. The parts can be used alone:
``episodes`` (in memory), ``sqlite`` and ``chroma`` hold episodes, ``facts`` and ``distil`` the
semantic memory, ``personas`` the versions, ``persona_space`` their embeddings, ``transfer`` takes
a user's data out and in, ``rebuild`` mends damaged files. Importing this package loads none of the
heavy libraries.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from persona_agent.memory.embedder import create_embedder
from persona_agent.memory.erasure import clean
from persona_agent.memory.facts import FactStore
from persona_agent.memory.forgetting import Forgetting, Step, Steps, counted
from persona_agent.memory.read_queue import ReadQueue
from persona_agent.memory.sqlite import SQLiteEpisodeStore
from persona_agent.protocols import Embedder, EpisodeStore, PersonaStore
from persona_agent.settings import Settings

if TYPE_CHECKING:
    from persona_agent.memory.persona_space import PersonaSpace

__all__ = ["Memory", "create_embedder", "open_memory"]


@dataclass
class Memory:
    """The stores of one data directory."""

    episodes: EpisodeStore
    facts: FactStore
    personas: PersonaStore
    embedder: Embedder
    chroma_path: Path | None = None
    """Folder of the embedded Chroma that the persona space is kept in; None: there is none."""
    chroma_url: str | None = None
    """Chroma server, used instead of the folder."""
    notes_path: Path | None = None
    """Folder of the notes of who is being forgotten; None: a crash midway is not gone on with."""
    reads: ReadQueue = field(default_factory=ReadQueue, repr=False)
    """Takes blocking reads off the event loop."""
    _space: PersonaSpace | None = field(default=None, init=False, repr=False)

    def space(self) -> PersonaSpace:
        """Return the embeddings of all users' personas; opened on first use.

        Raises:
            MissingExtraError: chromadb is not installed.
            StoreUnavailableError: another process uses the folder, or the server is away.
        """
        if self._space is None:
            from persona_agent.memory.persona_space import PersonaSpace

            self._space = PersonaSpace(
                path=self.chroma_path, url=self.chroma_url, embedder=self.embedder.name
            )
        return self._space

    def delete(self, user_id: str, ids: Sequence[str]) -> int:
        """Remove episodes and what only rests on them; return how many episodes there were.

        Facts go first: a fact that is stored never names an episode that was deleted.
        """
        self.facts.drop_sources(user_id, ids)
        removed = self.episodes.delete(user_id, ids)
        if removed:
            self.facts.drop_sources(user_id, ids)  # what was learned in between
            self._erase(user_id)
        return removed

    def forget(self, user_id: str, also: Steps | None = None) -> dict[str, int]:
        """Remove everything of a user from every store; return what was removed from each.

        It is whole: killed midway, it is gone on with when the memory is opened again.

        Args:
            user_id: the user.
            also: places outside of the memory that belong to it; give the same ones to
                :meth:`resume_forgetting` after opening.

        Raises:
            ConflictError: another call is forgetting this user.
            StoreError: a store failed. When it was the first, nothing was removed; else the rest
                is removed by the next call, or when the memory is opened again.
        """
        steps = self._steps() | dict(also or {})
        if self.notes_path is None:
            return counted({name: step(user_id) for name, step in steps.items()})
        return Forgetting(self.notes_path).run(user_id, steps)

    def resume_forgetting(self, also: Steps | None = None) -> list[str]:
        """Go on with what crashed calls of :meth:`forget` left; return the users they were for.

        Raises:
            StoreError: a store failed; the rest is left for the next time.
        """
        if self.notes_path is None:
            return []
        return Forgetting(self.notes_path).resume(self._steps() | dict(also or {}))

    def _steps(self) -> dict[str, Step]:
        return {
            "episodes": self.episodes.forget,
            "facts": self.facts.forget,
            "personas": self.personas.forget,
            "persona space": self._leave_space,
            "disk": self._erase,
        }

    def _leave_space(self, user_id: str) -> int | None:
        return self.space().forget(user_id) if self._has_space() else None

    def _erase(self, user_id: str) -> None:
        """Take what a user's deleted rows left off the disk, for stores that do not by deleting."""
        erase = getattr(self.episodes, "erase", None)
        if erase is not None:
            erase(user_id)
        if self._has_space():
            self.space().erase()
        if self.chroma_path is not None and self.chroma_url is None:
            clean(self.chroma_path)
        if self.notes_path is not None:
            from persona_agent.memory.rebuild import drop_damaged

            drop_damaged(self.notes_path.parent)

    def close(self) -> None:
        """Release files and connections. Idempotent."""
        with contextlib.ExitStack() as stack:  # closes the others when one fails
            stack.callback(self.episodes.close)
            stack.callback(self.facts.close)
            stack.callback(self.personas.close)
            stack.callback(getattr(self.embedder, "close", _nothing))
            if self._space is not None:
                stack.callback(self._space.close)

    def _has_space(self) -> bool:
        """Tell whether a persona space is stored, so that chromadb is not needed where none is."""
        if self._space is not None or self.chroma_url is not None:
            return True
        return self.chroma_path is not None and self.chroma_path.exists()


def open_memory(settings: Settings) -> Memory:
    """Open the stores in ``settings.data_dir``, creating what is missing.

    A user who was being forgotten when a process was killed is forgotten first.

    Raises:
        StoreUnavailableError: the directory cannot be written, or a server cannot be reached.
        StoreDamagedError: a file is damaged or something else than a database.
        EmbedderMismatchError: the episodes were stored with another embedder.
        MissingExtraError: the settings ask for Chroma, which is not installed.
    """
    from persona_agent.memory.personas import SQLPersonaStore

    folder = settings.data_dir
    with contextlib.ExitStack() as stack:  # closes what is open when the next one fails
        embedder = create_embedder(settings)
        stack.callback(getattr(embedder, "close", _nothing))
        episodes = _open_episodes(settings, embedder.name)
        stack.callback(episodes.close)
        facts = FactStore(folder / "memory.db")
        stack.callback(facts.close)
        personas = SQLPersonaStore(folder / "personas.db")
        stack.callback(personas.close)
        memory = Memory(
            episodes=episodes,
            facts=facts,
            personas=personas,
            embedder=embedder,
            chroma_path=folder / "chroma",
            chroma_url=settings.chroma_url,
            notes_path=folder / "forgetting",
        )
        memory.resume_forgetting()
        stack.pop_all()
    return memory


def _open_episodes(settings: Settings, embedder: str) -> EpisodeStore:
    if settings.store == "chroma":
        from persona_agent.memory.chroma import ChromaEpisodeStore

        return ChromaEpisodeStore(
            path=settings.data_dir / "chroma", url=settings.chroma_url, embedder=embedder
        )
    return SQLiteEpisodeStore(
        settings.data_dir / "memory.db",
        embedder=embedder,
        cache_bytes=settings.recall_cache_mib * 1024 * 1024,
    )


def _nothing() -> None:
    """Stand in for the close() that an embedder without a file does not have."""
