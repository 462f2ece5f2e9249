"""Semantic memory: facts with their sources, and which episodes they were distilled from."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from persona_agent.errors import StoreDamagedError
from persona_agent.memory.codec import check_limit, micros
from persona_agent.memory.database import Database
from persona_agent.memory.profile import MOST, strongest
from persona_agent.memory.tables import MEMORY_TABLES
from persona_agent.schema import Episode, Fact

_PUT = """
    INSERT INTO facts (user_id, id, valid_from, current, wording, body) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (user_id, id) DO UPDATE SET
        valid_from = excluded.valid_from, current = excluded.current,
        wording = excluded.wording, body = excluded.body
"""
_DISTILLED = """
    INSERT INTO distilled (user_id, episode_id, at, fingerprint) VALUES (?, ?, ?, ?)
    ON CONFLICT (user_id, episode_id) DO UPDATE SET fingerprint = excluded.fingerprint
"""

_STAMP_OF = "SELECT stamp FROM fact_stamps WHERE user_id = ?"
_STAMP = """
    INSERT INTO fact_stamps (user_id, stamp) VALUES (?, ?)
    ON CONFLICT (user_id) DO UPDATE SET stamp = excluded.stamp
"""

_FOR_EPISODE = """
    SELECT body FROM fact_sources s
    JOIN facts f ON f.user_id = s.user_id AND f.id = s.fact_id
    WHERE s.user_id = ? AND s.episode_id = ? ORDER BY valid_from, id
"""

_SUPPORT = """
    SELECT s.fact_id, d.at FROM fact_sources s
    JOIN distilled d ON d.user_id = s.user_id AND d.episode_id = s.episode_id
    WHERE s.user_id = ?
"""


@dataclass(frozen=True, slots=True)
class Learned:
    """A new fact, and the ids of the facts that it contradicts or updates."""

    fact: Fact
    supersedes: tuple[str, ...] = ()


class FactStore:
    """Facts of all users. Blocking, thread-safe; every call sees one user's facts only."""

    def __init__(self, path: Path | str) -> None:
        """Open the file, creating it where it is missing; it may hold episodes as well.

        Raises:
            StoreUnavailableError, StoreDamagedError: it cannot be used.
        """
        self._db = Database(path, MEMORY_TABLES)

    # --- writing ------------------------------------------------------------------------------

    def add(self, facts: Sequence[Fact]) -> list[str]:
        """Store facts of one or more users as they are; return the ids that were new."""
        new = []
        with self._db.writing() as connection:
            for fact in facts:
                if self._one(connection, fact.user_id, fact.id) is None:
                    _put(connection, fact)
                    new.append(fact.id)
        return new

    def learn(
        self, user_id: str, learned: Sequence[Learned], episodes: Sequence[Episode]
    ) -> list[Fact]:
        """Store what was distilled, and that these episodes were, in one transaction.

        A fact that is known already (same words) adds its sources to the known one. Returns the
        facts as stored, new and extended ones.
        """
        stored: dict[str, Fact] = {}
        with self._db.writing() as connection:
            for one in learned:
                fact = self._merged(connection, one.fact)
                _put(connection, fact)
                stored[fact.id] = fact
                for old_id in one.supersedes:
                    old = self._one(connection, user_id, old_id)
                    if old is not None and old.current and old.id != fact.id:
                        _supersede(connection, old, fact.id, fact.valid_from)
                        stored.pop(old.id, None)
            _mark(connection, user_id, episodes)
        return list(stored.values())

    def mark_distilled(self, user_id: str, episodes: Sequence[Episode]) -> None:
        """Note that these episodes, as they are, need not be distilled again."""
        with self._db.writing() as connection:
            _mark(connection, user_id, episodes)

    def drop_sources(self, user_id: str, episode_ids: Sequence[str]) -> int:
        """Take episodes out of the sources; return how many facts rested on nothing else.

        Those facts are removed, superseded ones too. A fact that one of them had superseded does
        not hold again: what replaced it was said, if nobody may know by now what it was.
        """
        gone = set(episode_ids)
        removed = 0
        with self._db.lock:
            with self._db.writing() as connection:
                for fact in self._resting_on(connection, user_id, gone):
                    left = tuple(source for source in fact.sources if source not in gone)
                    if left:
                        _put(connection, fact.model_copy(update={"sources": left}))
                    else:
                        _delete(connection, fact)
                        removed += 1
                for table in ("fact_sources", "distilled"):
                    connection.executemany(
                        f"DELETE FROM {table} WHERE user_id = ? AND episode_id = ?",
                        [(user_id, id_) for id_ in gone],
                    )
            self._db.purge()
        return removed

    def forget(self, user_id: str) -> int:
        """Remove everything of a user; return how many facts there were."""
        with self._db.lock:
            with self._db.writing() as connection:
                deleted = connection.execute("DELETE FROM facts WHERE user_id = ?", (user_id,))
                connection.execute("DELETE FROM fact_sources WHERE user_id = ?", (user_id,))
                connection.execute("DELETE FROM distilled WHERE user_id = ?", (user_id,))
                connection.execute("DELETE FROM fact_stamps WHERE user_id = ?", (user_id,))
            self._db.purge()
        return deleted.rowcount

    # --- reading ------------------------------------------------------------------------------

    def stamp(self, user_id: str) -> int | None:
        """Return a number that every change of a user's facts changes; None without facts.

        It is as of the last commit of any process, and cheap enough to be asked for at each turn.
        """
        return self._db.number(_STAMP_OF, (user_id,))

    def current(self, user_id: str) -> list[Fact]:
        """Return the facts that hold, oldest first."""
        return self._select(
            "SELECT body FROM facts WHERE user_id = ? AND current ORDER BY valid_from, id",
            (user_id,),
        )

    def profile(self, user_id: str, *, limit: int = MOST) -> list[Fact]:
        """Return those of the facts that hold that are best supported lately, oldest first.

        Its size is bounded however long the user is known. Ages are counted from the newest
        support of any fact. See ``profile.strongest``.
        """
        check_limit(limit)
        facts = self.current(user_id)
        if len(facts) <= limit:
            return facts
        support: dict[str, list[int]] = defaultdict(list)
        with self._db.reading() as connection:
            for fact_id, at in connection.execute(_SUPPORT, (user_id,)):
                support[fact_id].append(at)
        newest = max(max((micros(fact.valid_from), *support.get(fact.id, ()))) for fact in facts)
        return strongest(facts, support, newest, limit)

    def replaced(self, user_id: str) -> list[Fact]:
        """Return the facts that hold no longer, oldest first."""
        return self._select(
            "SELECT body FROM facts WHERE user_id = ? AND NOT current ORDER BY valid_from, id",
            (user_id,),
        )

    def history(self, user_id: str) -> list[Fact]:
        """Return all facts, superseded ones too, oldest first."""
        return self._select(
            "SELECT body FROM facts WHERE user_id = ? ORDER BY valid_from, id", (user_id,)
        )

    def for_episode(self, user_id: str, episode_id: str) -> list[Fact]:
        """Return the facts that rest on an episode, oldest first."""
        return self._select(_FOR_EPISODE, (user_id, episode_id))

    def pending(self, user_id: str, episodes: Sequence[Episode]) -> list[Episode]:
        """Return those of the episodes that were not distilled as they are now.

        An episode that came in late, or whose outcome became known since, is pending.
        """
        if not episodes:
            return []
        first = micros(min(one.at for one in episodes))
        with self._db.reading() as connection:
            done = dict(
                connection.execute(
                    "SELECT episode_id, fingerprint FROM distilled WHERE user_id = ? AND at >= ?",
                    (user_id, first),
                ).fetchall()
            )
        return [one for one in episodes if done.get(one.id) != fingerprint(one)]

    def users(self) -> list[str]:
        """Return the ids of all users with facts, sorted."""
        with self._db.reading() as connection:
            found = connection.execute(
                "SELECT DISTINCT user_id FROM facts ORDER BY user_id"
            ).fetchall()
        return [user_id for (user_id,) in found]

    def close(self) -> None:
        """Release the file. Idempotent."""
        self._db.close()

    # --- inside a transaction -------------------------------------------------------------------

    def _select(self, query: str, values: tuple[str, ...]) -> list[Fact]:
        with self._db.reading() as connection:
            found = connection.execute(query, values).fetchall()
        return [self._decode(body) for (body,) in found]

    def _resting_on(
        self, connection: sqlite3.Connection, user_id: str, episode_ids: Iterable[str]
    ) -> list[Fact]:
        found: dict[str, Fact] = {}
        for id_ in episode_ids:
            for (body,) in connection.execute(_FOR_EPISODE, (user_id, id_)).fetchall():
                fact = self._decode(body)
                found[fact.id] = fact
        return list(found.values())

    def _one(self, connection: sqlite3.Connection, user_id: str, fact_id: str) -> Fact | None:
        found = connection.execute(
            "SELECT body FROM facts WHERE user_id = ? AND id = ?", (user_id, fact_id)
        ).fetchone()
        return None if found is None else self._decode(found[0])

    def _merged(self, connection: sqlite3.Connection, fact: Fact) -> Fact:
        """Return the fact, or the current one with the same words and the sources of both."""
        found = connection.execute(
            "SELECT body FROM facts WHERE user_id = ? AND current AND wording = ?",
            (fact.user_id, wording(fact.text)),
        ).fetchone()
        if found is None:
            return fact
        known = self._decode(found[0])
        sources = tuple(dict.fromkeys(known.sources + fact.sources))
        return known.model_copy(update={"sources": sources})

    def _decode(self, body: str) -> Fact:
        try:
            return Fact.model_validate_json(body)
        except ValidationError as error:
            raise StoreDamagedError(
                f"{self._db.path} holds a fact that cannot be read "
                f"({error.errors()[0]['msg']}); the episodes are intact: restore the file from a "
                "backup, or forget the user's facts and distil them again"
            ) from None


def wording(text: str) -> str:
    """Return a text without case, spacing and final punctuation: equal for the same statement."""
    return " ".join(text.casefold().split()).rstrip(" .!;,")


def _put(connection: sqlite3.Connection, fact: Fact) -> None:
    columns = (
        fact.user_id,
        fact.id,
        micros(fact.valid_from),
        int(fact.current),
        wording(fact.text),
        fact.model_dump_json(),
    )
    connection.execute(_PUT, columns)
    connection.executemany(
        "INSERT INTO fact_sources (user_id, episode_id, fact_id) VALUES (?, ?, ?) "
        "ON CONFLICT DO NOTHING",
        [(fact.user_id, source, fact.id) for source in fact.sources],
    )
    _stamp(connection, fact.user_id)


def _delete(connection: sqlite3.Connection, fact: Fact) -> None:
    values = (fact.user_id, fact.id)
    connection.execute("DELETE FROM facts WHERE user_id = ? AND id = ?", values)
    connection.execute("DELETE FROM fact_sources WHERE user_id = ? AND fact_id = ?", values)
    _stamp(connection, fact.user_id)


def _stamp(connection: sqlite3.Connection, user_id: str) -> None:
    # Not a counter: it must not come back after a user is forgotten.
    connection.execute(_STAMP, (user_id, random.getrandbits(62)))


def _supersede(connection: sqlite3.Connection, old: Fact, by: str, at: datetime) -> Fact:
    replaced = old.model_copy(update={"superseded_by": by, "superseded_at": at})
    _put(connection, replaced)
    return replaced


def _mark(connection: sqlite3.Connection, user_id: str, episodes: Sequence[Episode]) -> None:
    connection.executemany(
        _DISTILLED, [(user_id, one.id, micros(one.at), fingerprint(one)) for one in episodes]
    )


def fingerprint(episode: Episode) -> int:
    """Return a number that changes when an outcome or a comment is attached to the episode."""
    comment = episode.feedback.comment if episode.feedback else ""
    known = f"{episode.outcome!r}\0{comment}".encode()
    return int.from_bytes(hashlib.blake2b(known, digest_size=8).digest(), "big", signed=True)
