"""One SQLite file: opening, schema versions, transactions, and errors a caller can act on."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from persona_agent.errors import InputError, StoreDamagedError, StoreUnavailableError

Migrations = Sequence[Sequence[str]]
"""SQL statements that lead from each schema version to the next, version 0 (no tables) first."""

_BUSY_SECONDS = 10.0
PAGE_BYTES = 16_384  # an episode with its vector stays on one page of a WITHOUT ROWID table
_CACHE_KIB = 8 * 1024  # large batches over many users would spill out of the default of 2 MB
_CHECKPOINT_PAGES = 4_000  # 64 MB of log
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
UNFIT = (UnicodeEncodeError, OverflowError)
"""What drivers raise of a value that no column takes; see :func:`unfit`."""


class Database:
    """A connection that threads share: one transaction at a time within this process.

    Other processes read while one writes (WAL). A committed transaction survives a power cut
    (``synchronous=FULL``), what is deleted is overwritten with zeros (``secure_delete``).
    """

    def __init__(self, path: Path | str, migrations: Migrations) -> None:
        """Open the file, create it where it is missing, and bring its schema up to date.

        Raises:
            StoreUnavailableError: it cannot be opened or written, or a newer version wrote it.
            StoreDamagedError: it is not a database.
        """
        self.path = Path(path)
        self.lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._reader_lock = threading.Lock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unavailable(self.path, error) from error
        try:
            with _explained(self.path):
                self._connection = self._connect()
                self._migrate(migrations)
        except Exception:
            self.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = self._opened()
        self._connection = connection  # so that a failing pragma does not leave it open
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        return connection

    def _opened(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )

    def _migrate(self, migrations: Migrations) -> None:
        newest = len(migrations)
        if self._version() == newest:
            return
        with self.writing() as connection:
            version = self._version()  # another process may have migrated meanwhile
            if version > newest:
                raise StoreUnavailableError(
                    f"{self.path} has schema version {version}, this version of persona_agent "
                    f"knows versions up to {newest}: upgrade persona_agent, or use another "
                    "data directory"
                )
            for statements in migrations[version:]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={newest}")

    def _version(self) -> int:
        assert self._connection is not None
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One snapshot: every statement inside sees the same data."""
        with self._transaction("BEGIN") as connection:
            yield connection

    def number(self, statement: str, parameters: Sequence[str]) -> int | None:
        """Return the one number that a statement selects, None where it selects nothing.

        It is as of the last commit, also while a transaction is under way: over a connection of its
        own, because each recall asks for a number, and a commit waits for the disk.
        """
        with self._reader_lock:
            if self._connection is None:
                raise _closed(self.path)
            try:  # without a context manager, which takes as long as the look
                if self._reader is None:
                    self._reader = self._opened()
                found = self._reader.execute(statement, parameters).fetchone()
            except sqlite3.DatabaseError as error:
                raise _explanation(self.path, error) from error
            except UNFIT as error:
                raise unfit(self.path, error) from None
        return None if found is None else int(found[0])

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, all or nothing."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self.lock, _explained(self.path):
            if self._connection is None:
                raise _closed(self.path)
            connection = self._connection
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def purge(self) -> None:
        """Move the log into the file and empty it, so that it keeps nothing of what was deleted.

        While another process reads, the log is left to be emptied by a later call or write.
        """
        with self.lock, _explained(self.path):
            if self._connection is not None:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Release the file. Idempotent."""
        with self.lock, self._reader_lock:
            for connection in (self._reader, self._connection):
                if connection is not None:
                    connection.close()
            self._reader = self._connection = None


def _closed(path: Path) -> StoreUnavailableError:
    return StoreUnavailableError(f"{path} is closed: open the store again")


def unavailable(path: Path, error: Exception) -> StoreUnavailableError:
    """Return the error for a file that cannot be opened, read or written."""
    return StoreUnavailableError(
        f"{path} cannot be opened or written ({error}): check that its folder exists and may be "
        "written, that the disk is not full, and that no other program holds it"
    )


def unfit(place: object, error: Exception) -> InputError:
    """Return the error for a value that no column takes."""
    return InputError(
        f"{place} cannot hold a value that was given ({error}): half a character (a surrogate "
        "code), or a number of more than 64 bits"
    )


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file into ours; errors of our own SQL pass unchanged."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        explanation = _explanation(path, error)
        if explanation is error:
            raise
        raise explanation from error
    except UNFIT as error:
        raise unfit(path, error) from None


def _explanation(path: Path, error: sqlite3.DatabaseError) -> Exception:
    # The low byte is the primary code; errors of the module itself have none.
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _DAMAGED:
        return StoreDamagedError(
            f"{path} is damaged or not a database ({error}): restore a backup, or let "
            "'persona-agent memory check' tell what of it is intact and 'persona-agent memory "
            "rebuild' make it anew from that; other files in the folder are not affected"
        )
    return unavailable(path, error) if isinstance(error, sqlite3.OperationalError) else error
