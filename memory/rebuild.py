"""A data directory that is damaged: what of it can be read, and a new one made from that."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from persona_agent.errors import StoreUnavailableError
from persona_agent.memory.database import PAGE_BYTES
from persona_agent.memory.facts import FactStore, fingerprint
from persona_agent.memory.personas import SQLPersonaStore
from persona_agent.memory.readable import Readable, examine
from persona_agent.memory.sqlite import SQLiteEpisodeStore
from persona_agent.protocols import Embedder
from persona_agent.schema import Episode, Persona
from persona_agent.schema.base import Record

MEMORY, PERSONAS = "memory.db", "personas.db"
_PAGE_SIZES = {MEMORY: PAGE_BYTES, PERSONAS: 4096}
_BATCH = 256
_SHARED_LOCK = (510, 0x40000002)
"""Length and place of the lock that every open connection holds on a file with a log."""

Progress = Callable[[int, int], None]


class FileCheck(Record):
    """The state of one file. ``problem`` is empty for one that is sound.

    ``readable`` counts the records that can be read; all of them in a sound file.
    """

    file: str
    problem: str = ""
    readable: dict[str, int]


def drop_damaged(folder: Path) -> None:
    """Remove the old files that :func:`rebuild` kept."""
    for name in (MEMORY, PERSONAS):
        for path in folder.glob(f"{name}.damaged*"):
            path.unlink(missing_ok=True)


def check(folder: Path) -> list[FileCheck]:
    """Return the state of the databases in a data directory; nothing is changed.

    Raises:
        StoreUnavailableError: a file cannot be read for reasons outside of it.
    """
    found = []
    for name in (MEMORY, PERSONAS):
        path = folder / name
        if path.exists():
            problem, readable = examine(path, page_bytes=_PAGE_SIZES[name])
            counts = {kind: count for kind, count in readable.counts().items() if count}
            found.append(FileCheck(file=name, problem=problem, readable=counts))
    return found


def rebuild(
    folder: Path, embedder: Embedder, progress: Progress = lambda done, total: None
) -> dict[str, dict[str, int]]:
    """Make damaged databases anew from all that can be read; return the counts by file.

    Vectors are made anew with ``embedder``. The old files are kept beside the new ones, with
    ``.damaged`` in their names, until the first user is forgotten: they hold personal data.
    Killed midway, it is simply run again.

    Raises:
        StoreUnavailableError: another process uses a file, or it cannot be read or written; the
            old ones are where they were.
    """
    made = {}
    for name, write in ((MEMORY, _write_memory), (PERSONAS, _write_personas)):
        path = folder / name
        if not path.exists():
            continue
        _refuse_if_open(path)
        problem, readable = examine(path, page_bytes=_PAGE_SIZES[name])
        if not problem:
            continue
        new = path.with_name(f"{name}.rebuilt")
        _remove(new)
        write(new, readable, embedder, progress)
        _replace(path, new)
        made[name] = {kind: count for kind, count in readable.counts().items() if count}
    return made


def _write_memory(path: Path, found: Readable, embedder: Embedder, progress: Progress) -> None:
    store = SQLiteEpisodeStore(path, embedder=embedder.name)
    facts = FactStore(path)
    try:
        episodes = list(found.episodes.values())
        for start in range(0, len(episodes), _BATCH):
            batch = episodes[start : start + _BATCH]
            store.add(batch, embedder.embed([episode.query.text for episode in batch]))
            progress(start + len(batch), len(episodes))
        facts.add(list(found.facts.values()))
        for user_id, done in _distilled(found).items():
            facts.mark_distilled(user_id, done)
    finally:
        facts.close()
        store.close()


def _distilled(found: Readable) -> dict[str, list[Episode]]:
    """Return the episodes by user that were distilled as they are now."""
    done: dict[str, list[Episode]] = defaultdict(list)
    for key, episode in found.episodes.items():
        if found.distilled.get(key) == fingerprint(episode):
            done[episode.user_id].append(episode)
    return done


def _write_personas(path: Path, found: Readable, _: Embedder, progress: Progress) -> None:
    """Store versions in the order of their making; the last one of each user is in use."""
    store = SQLPersonaStore(path)
    try:
        for number, revision in enumerate(sorted(found.revisions.values(), key=lambda one: one.at)):
            store.add_revision(revision)
            progress(number + 1, len(found.revisions))
        for versions in _versions(found):
            current = None
            for persona in versions:
                store.put(persona, expected=current)
                current = persona.version
    finally:
        store.close()


def _versions(found: Readable) -> Iterator[list[Persona]]:
    by_user: dict[str, list[Persona]] = defaultdict(list)
    for persona in found.personas.values():
        by_user[persona.user_id].append(persona)
    for user_id in sorted(by_user):
        yield sorted(by_user[user_id], key=lambda one: one.created_at)


def _replace(path: Path, new: Path) -> None:
    """Put the new file in the place of the old one, which keeps its log beside it."""
    number = 1
    while (kept := path.with_name(f"{path.name}.damaged{number}")).exists():
        number += 1
    try:
        for part in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                os.replace(path.with_name(path.name + part), kept.with_name(kept.name + part))
        os.replace(new, path)
    except OSError as error:
        raise StoreUnavailableError(
            f"{path} cannot be replaced ({error}): close what uses it; the old file is {kept}, "
            f"the new one {new}"
        ) from error


def _refuse_if_open(path: Path) -> None:
    """Raise StoreUnavailableError when another process has the database open."""
    if sys.platform == "win32":
        return  # there, replacing an open file fails by itself
    import fcntl

    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, *_SHARED_LOCK)
        except OSError:
            raise StoreUnavailableError(
                f"another process uses {path}: close it, and rebuild then"
            ) from None


def _remove(path: Path) -> None:
    for part in ("", "-wal", "-shm"):
        path.with_name(path.name + part).unlink(missing_ok=True)
