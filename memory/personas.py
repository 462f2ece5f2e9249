"""Every version of every persona and every revision, in any SQL database (SQLAlchemy Core)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy import event, exc

from persona_agent.errors import (
    ConflictError,
    InputError,
    NotFoundError,
    StoreDamagedError,
    StoreUnavailableError,
)
from persona_agent.memory.codec import micros
from persona_agent.memory.database import UNFIT, unfit
from persona_agent.memory.persona_cache import PersonaCache
from persona_agent.schema import Persona, Revision, Usage
from persona_agent.schema.base import Record

_TABLES = sa.MetaData()
# ``position`` numbers the rows in the order in which they were written, which is the history.
_POSITION = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite numbers only INTEGER keys

_PERSONAS = sa.Table(
    "personas",
    _TABLES,
    sa.Column("position", _POSITION, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.String(256), nullable=False),
    sa.Column("version", sa.String(256), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.UniqueConstraint("user_id", "version"),
)
_CURRENT = sa.Table(
    "current_personas",
    _TABLES,
    sa.Column("user_id", sa.String(256), primary_key=True),
    sa.Column("version", sa.String(256), nullable=False),
)
_REVISIONS = sa.Table(
    "revisions",
    _TABLES,
    sa.Column("position", _POSITION, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.String(256), nullable=False),
    sa.Column("id", sa.String(256), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.UniqueConstraint("user_id", "id"),
)
_EXPENSES = sa.Table(
    "expenses",
    _TABLES,
    sa.Column("position", _POSITION, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.String(256), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),  # microseconds since 1970
    sa.Column("body", sa.Text, nullable=False),
    sa.UniqueConstraint("user_id", "position"),  # its index finds a user's
)

# Built once: a new statement for each call takes SQLAlchemy longer than running it.
_OF_USER: sa.BindParameter[str] = sa.bindparam("user")
_LATEST = (
    sa.select(_PERSONAS.c.body)
    .join(
        _CURRENT,
        (_CURRENT.c.user_id == _PERSONAS.c.user_id) & (_CURRENT.c.version == _PERSONAS.c.version),
    )
    .where(_CURRENT.c.user_id == _OF_USER)
)
_VERSION = sa.select(_PERSONAS.c.body).where(
    _PERSONAS.c.user_id == _OF_USER, _PERSONAS.c.version == sa.bindparam("version")
)

RecordT = TypeVar("RecordT", bound=Record)


class SQLPersonaStore:
    """A :class:`~persona_agent.protocols.PersonaStore` in SQLite, or in PostgreSQL by URL."""

    def __init__(self, url_or_path: str | Path) -> None:
        """Open the database, creating its tables where they are missing.

        Args:
            url_or_path: path of an SQLite file, or an SQLAlchemy URL (``postgresql+psycopg://``).

        Raises:
            StoreUnavailableError: it cannot be reached or written.
            StoreDamagedError: the file is not a database.
        """
        self._cache: PersonaCache | None = None
        url = _url(url_or_path)
        self._place = url.render_as_string(hide_password=True)
        with self._explained():
            if url.get_backend_name() == "sqlite" and url.database:
                self._place = url.database
                Path(url.database).parent.mkdir(parents=True, exist_ok=True)
            self._engine = sa.create_engine(url)
            if url.get_backend_name() == "sqlite":
                event.listen(self._engine, "connect", _set_pragmas)
        try:
            with self._begin() as connection:
                # Not create_all: it looks first, and another process may be faster.
                for table in _TABLES.sorted_tables:
                    connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
            if url.get_backend_name() == "sqlite" and Path(url.database or "").is_file():
                self._cache = PersonaCache(Path(url.database or ""))
        except Exception:
            self._engine.dispose()
            raise

    # --- personas -----------------------------------------------------------------------------

    def latest(self, user_id: str) -> Persona | None:
        """Return the version in use, or None."""
        if self._cache is not None:
            return self._cache.latest(user_id, self._latest)
        return self._latest(user_id)[0]

    def get(self, user_id: str, version: str) -> Persona:
        """Return one version. Raises NotFoundError."""
        with self._begin() as connection:
            body = connection.execute(_VERSION, {"user": user_id, "version": version}).scalar()
        if body is None:
            raise NotFoundError(f"user {user_id!r} has no persona version {version!r}")
        return self._decode(Persona, body)

    def history(self, user_id: str) -> list[Persona]:
        """Return all versions, oldest first."""
        return self._all(Persona, _PERSONAS, user_id)

    def put(
        self,
        persona: Persona,
        *,
        expected: str | None,
        revision: Revision | None = None,
        behind: Sequence[Persona] = (),
    ) -> None:
        """Store a version and make it the one in use (compare-and-swap).

        Args:
            persona: the new version.
            expected: version that must be in use now (None: the user has none yet).
            revision: stored in the same transaction.
            behind: versions that it came from and that were never in use, oldest first; stored
                before it in the same transaction.

        Raises:
            ConflictError: another version than ``expected`` is in use, or the version exists
                already; nothing was written.
            InputError: the revision, or a version behind, is another user's.
        """
        others: list[Persona | Revision] = [*behind, *([revision] if revision else [])]
        for other in others:
            if other.user_id != persona.user_id:
                raise InputError(
                    f"the {type(other).__name__.lower()} is of user {other.user_id!r}, "
                    f"the persona of user {persona.user_id!r}"
                )
        user_id, version = persona.user_id, persona.version
        with self._begin() as connection:
            try:
                # First, because it locks: whoever comes second waits here and then fails.
                swapped = _swap(connection, user_id, version, expected)
                for one in (*behind, persona):
                    connection.execute(
                        _PERSONAS.insert().values(
                            user_id=user_id, version=one.version, body=one.model_dump_json()
                        )
                    )
                if revision is not None:
                    _insert_revision(connection, revision)
            except exc.IntegrityError as error:
                raise ConflictError(
                    f"user {user_id!r} has a persona already, or persona version {version!r} or "
                    "its revision is stored: read the latest persona and try again"
                ) from error
            if not swapped:
                raise ConflictError(
                    f"the persona of user {user_id!r} is no longer version {expected!r}: "
                    "read the latest persona and try again"
                )

    # --- revisions ----------------------------------------------------------------------------

    def add_revision(self, revision: Revision) -> None:
        """Store a revision that changed nothing; one that is stored already stays as it is."""
        with contextlib.suppress(exc.IntegrityError), self._begin() as connection:
            _insert_revision(connection, revision)

    def revisions(self, user_id: str) -> list[Revision]:
        """Return all revisions, oldest first."""
        return self._all(Revision, _REVISIONS, user_id)

    # --- what was used ------------------------------------------------------------------------

    def add_expense(
        self, user_id: str, at: datetime, usage: Usage, *, drop_before: datetime
    ) -> None:
        """Note what was used that no revision holds, and drop the user's notes of before a moment.

        Raises InputError for a moment without a time zone.
        """
        old = (_EXPENSES.c.user_id == user_id) & (_EXPENSES.c.at < micros(drop_before))
        values = {"user_id": user_id, "at": micros(at), "body": usage.model_dump_json()}
        with self._begin() as connection:
            connection.execute(_EXPENSES.delete().where(old))
            connection.execute(_EXPENSES.insert().values(values))

    def expenses(self, user_id: str, since: datetime) -> list[Usage]:
        """Return what was noted with ``at > since``, oldest first."""
        with self._begin() as connection:
            bodies = connection.execute(
                sa.select(_EXPENSES.c.body)
                .where(_EXPENSES.c.user_id == user_id, _EXPENSES.c.at > micros(since))
                .order_by(_EXPENSES.c.position)
            ).scalars()
            return [self._decode(Usage, body) for body in bodies]

    # --- users --------------------------------------------------------------------------------

    def users(self) -> list[str]:
        """Return the ids of all users with a persona, sorted."""
        with self._begin() as connection:
            return sorted(connection.execute(sa.select(_CURRENT.c.user_id)).scalars())

    def forget(self, user_id: str) -> int:
        """Remove all of a user; return how many versions there were."""
        with self._begin() as connection:
            deleted = connection.execute(
                _PERSONAS.delete().where(_PERSONAS.c.user_id == user_id)
            ).rowcount
            connection.execute(_REVISIONS.delete().where(_REVISIONS.c.user_id == user_id))
            connection.execute(_CURRENT.delete().where(_CURRENT.c.user_id == user_id))
            connection.execute(_EXPENSES.delete().where(_EXPENSES.c.user_id == user_id))
        if self._cache is not None:
            self._cache.clear()
        if self._engine.dialect.name == "sqlite":
            with self._explained(), self._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()
        return deleted

    def close(self) -> None:
        """Release files and connections. Idempotent."""
        if self._cache is not None:
            self._cache.close()
        self._engine.dispose()

    # --- below --------------------------------------------------------------------------------

    def _latest(self, user_id: str) -> tuple[Persona | None, int]:
        """Return the version in use with the length of its JSON."""
        with self._begin() as connection:
            body = connection.execute(_LATEST, {"user": user_id}).scalar()
        return (None, 0) if body is None else (self._decode(Persona, body), len(body))

    def _all(self, kind: type[RecordT], table: sa.Table, user_id: str) -> list[RecordT]:
        with self._begin() as connection:
            bodies = connection.execute(
                sa.select(table.c.body).where(table.c.user_id == user_id).order_by(table.c.position)
            ).scalars()
            return [self._decode(kind, body) for body in bodies]

    def _decode(self, kind: type[RecordT], body: str) -> RecordT:
        try:
            return kind.model_validate_json(body)
        except ValidationError as error:
            raise StoreDamagedError(
                f"{self._place} holds a {kind.__name__.lower()} that cannot be read "
                f"({error.errors()[0]['msg']}); episodes and facts are intact: restore the "
                "database from a backup, or forget the user's personas"
            ) from None

    @contextlib.contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        with self._explained(), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn errors about the database into ours; those of constraints pass unchanged."""
        try:
            yield
        except (exc.OperationalError, exc.InterfaceError, OSError) as error:
            raise StoreUnavailableError(
                f"{self._place} cannot be opened or written ({_reason(error)}): check that it "
                "exists and may be written, and that no other program holds it"
            ) from error
        except UNFIT as error:
            raise unfit(self._place, error) from None
        except (exc.NoSuchModuleError, exc.ArgumentError, ImportError) as error:
            raise StoreUnavailableError(
                f"{self._place} cannot be opened ({error}): give a path or a database URL, and "
                "install the driver that the URL names"
            ) from error
        except exc.DatabaseError as error:
            if isinstance(error, exc.IntegrityError):
                raise
            raise StoreDamagedError(
                f"{self._place} is damaged or not a database ({_reason(error)}): restore "
                "a backup, or let 'persona-agent memory check' tell what of it is intact and "
                "'persona-agent memory rebuild' make it anew; episodes and facts are not affected"
            ) from error


def _url(url_or_path: str | Path) -> sa.URL:
    if isinstance(url_or_path, str) and "://" in url_or_path:
        try:
            return sa.make_url(url_or_path)
        except exc.ArgumentError:
            raise InputError(
                "the database URL is not valid: give dialect://host/database"
            ) from None
    return sa.URL.create("sqlite", database=str(url_or_path))


def _swap(connection: sa.Connection, user_id: str, version: str, expected: str | None) -> bool:
    """Make a version the one in use, if the expected one is. Raises IntegrityError."""
    if expected is None:
        connection.execute(_CURRENT.insert().values(user_id=user_id, version=version))
        return True
    swapped = connection.execute(
        _CURRENT.update()
        .where(_CURRENT.c.user_id == user_id, _CURRENT.c.version == expected)
        .values(version=version)
    )
    return swapped.rowcount == 1


def _insert_revision(connection: sa.Connection, revision: Revision) -> None:
    connection.execute(
        _REVISIONS.insert().values(
            user_id=revision.user_id, id=revision.id, body=revision.model_dump_json()
        )
    )


def _set_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    try:
        for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.execute("PRAGMA secure_delete=ON")
    finally:
        cursor.close()


def _reason(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error)
