"""Memory: episodes, facts and personas of all users, and the embedder that makes them comparable.

:func:`open_memory` opens the stores that the settings name. The parts can be used alone:
``episodes`` (in memory), ``sqlite`` and ``chroma`` hold episodes, ``facts`` and ``distil`` the
semantic memory, ``personas`` the versions, ``persona_space`` their embeddings, ``transfer`` takes
a user's data out and in. Importing this package loads none of the heavy libraries.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from persona_agent.memory.embedder import create_embedder
from persona_agent.memory.facts import FactStore
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

    def forget(self, user_id: str) -> dict[str, int]:
        """Remove everything of a user from every store; return what was removed from each.

        When a store fails, the ones before it are done: mend the cause and call again.
        """
        removed = {
            "episodes": self.episodes.forget(user_id),
            "facts": self.facts.forget(user_id),
            "personas": self.personas.forget(user_id),
        }
        if self._has_space():
            removed["persona space"] = self.space().forget(user_id)
        return removed

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
        stack.pop_all()
    return Memory(
        episodes=episodes,
        facts=facts,
        personas=personas,
        embedder=embedder,
        chroma_path=folder / "chroma",
        chroma_url=settings.chroma_url,
    )


def _open_episodes(settings: Settings, embedder: str) -> EpisodeStore:
    if settings.store == "chroma":
        from persona_agent.memory.chroma import ChromaEpisodeStore

        return ChromaEpisodeStore(
            path=settings.data_dir / "chroma", url=settings.chroma_url, embedder=embedder
        )
    return SQLiteEpisodeStore(settings.data_dir / "memory.db", embedder=embedder)


def _nothing() -> None:
    """Stand in for the close() that an embedder without a file does not have."""
