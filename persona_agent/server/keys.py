"""API keys: made, listed, revoked and checked. Only hashes are stored.

A key is ``pa_ID_SECRET``. The id finds the row; the secret is 32 random bytes, so that one round of
SHA-256 protects it (a slow hash is for secrets that people think up), and it is compared in
constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, StringConstraints, ValidationError

from persona_agent.errors import InputError, NotFoundError
from persona_agent.memory.database import Database, Migrations
from persona_agent.schema.base import Record

KEYS_FILE = "keys.db"
SECONDS_CACHED = 1.0
TENANT = r"[a-z0-9][a-z0-9-]{0,62}"

_KEY = re.compile(r"pa_([0-9a-f]{12})_([A-Za-z0-9_-]{20,100})", re.ASCII)
_TABLES: Migrations = (
    (
        "CREATE TABLE keys (id TEXT PRIMARY KEY, digest BLOB NOT NULL, tenant TEXT NOT NULL, "
        "scopes TEXT NOT NULL, label TEXT NOT NULL, created_at TEXT NOT NULL)",
    ),
)


class Scope(StrEnum):
    """What a key may be used for."""

    CHAT = "chat"
    PERSONA_READ = "persona:read"
    PERSONA_WRITE = "persona:write"
    MEMORY_READ = "memory:read"
    MEMORY_WRITE = "memory:write"
    FORGET = "forget"
    FEEDBACK = "feedback"
    OPTIMIZE = "optimize"
    METRICS = "metrics"


class Key(Record):
    """A stored key, without its secret. ``tenant`` "" is the one of the command line."""

    id: str
    tenant: Annotated[str, StringConstraints(pattern=rf"^({TENANT})?$")] = ""
    scopes: frozenset[Scope]
    label: Annotated[str, StringConstraints(max_length=100)] = ""
    created_at: AwareDatetime


class KeyRing:
    """The keys of one data directory. Changes of other processes hold within a second."""

    def __init__(self, data_dir: Path) -> None:
        """Open the keys of a data directory. Raises StoreError."""
        self._db = Database(data_dir / KEYS_FILE, _TABLES)
        self._cached: dict[str, tuple[Key, bytes]] = {}
        self._stale_at = 0.0

    def add(
        self, *, tenant: str = "", scopes: Iterable[str] = (), label: str = ""
    ) -> tuple[Key, str]:
        """Make a key; return it with its text, which is shown this once and stored nowhere.

        Args:
            tenant: whose users it reaches; "" is the tenant of the command line.
            scopes: what it may be used for; none named: everything.
            label: to recognize it by.

        Raises:
            InputError: a value is not valid.
        """
        identity, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        try:
            key = Key.model_validate(
                {
                    "id": identity,
                    "tenant": tenant,
                    "scopes": frozenset(scopes) or frozenset(Scope),
                    "label": label,
                    "created_at": datetime.now(UTC),
                }
            )
        except ValidationError as error:
            place = str(error.errors()[0]["loc"][0])
            advice = {
                "tenant": "lower-case letters, digits and hyphens, up to 63",
                "scopes": ", ".join(Scope),
            }
            raise InputError(f"{place}: use {advice.get(place, 'something shorter')}") from None
        row = (
            key.id,
            _digest(secret),
            key.tenant,
            " ".join(sorted(key.scopes)),
            key.label,
            key.created_at.isoformat(),
        )
        with self._db.writing() as connection:
            connection.execute("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?)", row)
        self._stale_at = 0.0
        return key, f"pa_{identity}_{secret}"

    def list(self) -> list[Key]:
        """Return all keys, oldest first."""
        with self._db.reading() as connection:
            rows = connection.execute(
                "SELECT id, tenant, scopes, label, created_at FROM keys ORDER BY created_at, id"
            ).fetchall()
        return [_key(*row) for row in rows]

    def revoke(self, key_id: str) -> None:
        """Remove a key; a server refuses it within a second. Raises NotFoundError."""
        with self._db.writing() as connection:
            gone = connection.execute("DELETE FROM keys WHERE id = ?", (key_id,)).rowcount
        self._stale_at = 0.0
        if not gone:
            raise NotFoundError(f"there is no key {key_id!r}: persona-agent serve keys list")

    def empty(self) -> bool:
        """Tell whether there is no key at all."""
        return not self._known()

    def check(self, text: str) -> Key | None:
        """Return the key that a text is, or None."""
        match = _KEY.fullmatch(text)
        if match is None:
            return None
        key, stored = self._known().get(match[1], (None, bytes(32)))
        same = hmac.compare_digest(stored, _digest(match[2]))
        return key if same else None

    def _known(self) -> dict[str, tuple[Key, bytes]]:
        """Return all keys with their digests, as of a second ago at most.

        Every request asks, and a look into the file would cost it a switch of threads.
        """
        if time.monotonic() >= self._stale_at:
            with self._db.reading() as connection:
                rows = connection.execute(
                    "SELECT id, tenant, scopes, label, created_at, digest FROM keys"
                ).fetchall()
            self._cached = {row[0]: (_key(*row[:5]), row[5]) for row in rows}
            self._stale_at = time.monotonic() + SECONDS_CACHED
        return self._cached

    def close(self) -> None:
        """Release the file. Idempotent."""
        self._db.close()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _key(identity: str, tenant: str, scopes: str, label: str, created_at: str) -> Key:
    return Key(
        id=identity,
        tenant=tenant,
        # A scope that this version does not know gives nothing.
        scopes=frozenset(Scope(one) for one in scopes.split() if one in set(Scope)),
        label=label,
        created_at=datetime.fromisoformat(created_at),
    )
