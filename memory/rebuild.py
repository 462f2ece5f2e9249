"""A data directory that is damaged: what of it can be read, and a new one made from that.

The threads of the chat are the agent's: see :mod:`persona_agent.agent.chat.thread_repair`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from persona_agent.errors import StoreUnavailableError
from persona_agent.memory.chroma_client import lock_folder
from persona_agent.memory.chroma_repair import examine_chroma, holds_chroma, write_chroma
from persona_agent.memory.database import PAGE_BYTES
from persona_agent.memory.facts import FactStore, fingerprint
from persona_agent.memory.filling import add_episodes
from persona_agent.memory.personas import SQLPersonaStore
from persona_agent.memory.readable import Readable, examine
from persona_agent.memory.sqlite import SQLiteEpisodeStore
from persona_agent.protocols import Embedder
from persona_agent.schema import Episode, Persona
from persona_agent.schema.base import Record

MEMORY, PERSONAS, THREADS, CHROMA = "memory.db", "personas.db", "threads.db", "chroma"
_PAGE_SIZES = {MEMORY: PAGE_BYTES, PERSONAS: 4096}
_SHARED_LOCK = (510, 0x40000002)
"""Length and place of the lock that every open connection holds on a file with a log."""

Progress = Callable[[int, int], None]


class FileCheck(Record):
    """The state of one file. ``problem`` is empty for one that is sound.

    ``readable`` counts the records that can be read; all of them in a sound file. ``note`` tells
    what was not looked at, and why.
    """

    file: str
    problem: str = ""
    readable: dict[str, int]
    note: str = ""


def drop_damaged(folder: Path) -> None:
    """Remove the old files that :func:`rebuild` kept."""
    for name in (MEMORY, PERSONAS, THREADS, CHROMA):
        for path in folder.glob(f"{name}.damaged*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def check(folder: Path) -> list[FileCheck]:
    """Return the state of the databases in a data directory and its Chroma; nothing is changed.

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
    if holds_chroma(folder / CHROMA):
        state = examine_chroma(folder / CHROMA)
        found.append(
            FileCheck(
                file=CHROMA,
                problem=state.problem,
                readable=state.content.counts(),
                note="in use: whether its index is intact was not checked" if state.busy else "",
            )
        )
    return found


def rebuild(
    folder: Path, embedder: Embedder, progress: Progress = lambda done, total: None
) -> dict[str, dict[str, int]]:
    """Make damaged databases anew from all that can be read; return the counts by file.

    Vectors are made anew with ``embedder``, those of the persona space from the personas in use.
    The old files are kept beside the new ones, with ``.damaged`` in their names, until the first
    user is forgotten: they hold personal data. Killed midway, it is simply run again.

    Raises:
        StoreUnavailableError: another process uses a file, or it cannot be read or written; the
            old ones are where they were.
    """
    made = {}
    for name, write in ((MEMORY, _write_memory), (PERSONAS, _write_personas)):
        path = folder / name
        finish_replacing(path)
        if not path.exists():
            continue
        refuse_if_open(path)
        problem, readable = examine(path, page_bytes=_PAGE_SIZES[name])
        if not problem:
            continue
        new = rebuilt(path)
        remove_database(new)
        write(new, readable, embedder, progress)
        replace_damaged(path, new)
        made[name] = {kind: count for kind, count in readable.counts().items() if count}
    chroma = _rebuild_chroma(folder, embedder, progress)
    return made if chroma is None else made | {CHROMA: chroma}


def _rebuild_chroma(folder: Path, embedder: Embedder, progress: Progress) -> dict[str, int] | None:
    path = folder / CHROMA
    finish_replacing(path)
    if not holds_chroma(path):
        return None
    with contextlib.closing(lock_folder(path)):
        state = examine_chroma(path, locked=True)
        if not state.problem:
            return None
        personas = _in_use(folder / PERSONAS)
        new = rebuilt(path)
        shutil.rmtree(new, ignore_errors=True)
        made = write_chroma(new, state.content, personas, embedder, progress)
        replace_damaged(path, new)
    return made


def _in_use(path: Path) -> dict[str, Persona]:
    """Return the persona of each user that is in use."""
    if not path.exists():
        return {}
    store = SQLPersonaStore(path)
    try:
        found = [store.latest(user_id) for user_id in store.users()]
    finally:
        store.close()
    return {persona.user_id: persona for persona in found if persona is not None}


def _write_memory(path: Path, found: Readable, embedder: Embedder, progress: Progress) -> None:
    store = SQLiteEpisodeStore(path, embedder=embedder.name)
    facts = FactStore(path)
    try:
        add_episodes(store, list(found.episodes.values()), embedder, progress)
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


def rebuilt(path: Path) -> Path:
    """Return where the new file or folder is made."""
    return path.with_name(f"{path.name}.rebuilt")


def finish_replacing(path: Path) -> None:
    """Go on with what a killed rebuild left: the old one is away only once the new one is whole."""
    if not path.exists() and rebuilt(path).exists():
        replace_damaged(path, rebuilt(path))


def replace_damaged(path: Path, new: Path) -> None:
    """Put a new file or folder in the place of the old one, which is kept under another name.

    The log of a database stays beside it. Raises StoreUnavailableError.
    """
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


def refuse_if_open(path: Path) -> None:
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


def remove_database(path: Path) -> None:
    """Remove a database with its log, where there is one."""
    for part in ("", "-wal", "-shm"):
        path.with_name(path.name + part).unlink(missing_ok=True)
