"""Persona versions: compare-and-swap, history, revisions, forgetting."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from persona_agent.errors import (
    ConflictError,
    InputError,
    NotFoundError,
    StoreDamagedError,
    StoreUnavailableError,
)
from persona_agent.memory import persona_cache
from persona_agent.memory.personas import SQLPersonaStore
from persona_agent.protocols import PersonaStore
from persona_agent.schema import Claim, Persona, Revision, Section, Usage


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLPersonaStore]:
    store = SQLPersonaStore(tmp_path / "personas.db")
    yield store
    store.close()


def persona(version: str, user: str = "ann", text: str = "likes tea") -> Persona:
    claim = Claim(section=Section.PREFERENCES, text=text, evidence=("e1",))
    return Persona(version=version, user_id=user, claims=(claim,))


def revision(id_: str, user: str = "ann", to: str = "v1") -> Revision:
    return Revision(id=id_, user_id=user, from_version=None, to_version=to, accepted=True)


def test_versions_are_kept_in_order(store: PersonaStore) -> None:
    first, second = persona("z-first"), persona("a-second")
    assert store.latest("ann") is None
    store.put(first, expected=None)
    store.put(second, expected="z-first")
    assert store.latest("ann") == second
    assert store.history("ann") == [first, second]
    assert store.get("ann", "z-first") == first
    assert store.history("bob") == []
    for user, version in (("ann", "v9"), ("bob", "z-first")):
        with pytest.raises(NotFoundError, match="no persona version"):
            store.get(user, version)


def test_what_was_used_is_noted_for_as_long_as_it_counts(store: PersonaStore) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    hour = timedelta(hours=1)
    for number, calls in enumerate((3, 5, 7)):
        at = noon + number * hour
        store.add_expense("ann", at, Usage(calls=calls), drop_before=at - hour)
    store.add_expense("bob", noon, Usage(calls=1), drop_before=noon)
    assert [one.calls for one in store.expenses("ann", noon - hour)] == [5, 7]
    assert [one.calls for one in store.expenses("ann", noon + hour)] == [7]
    assert [one.calls for one in store.expenses("bob", noon - hour)] == [1]
    store.forget("ann")
    assert store.expenses("ann", noon - hour) == [] and store.expenses("bob", noon - hour)
    with pytest.raises(InputError):
        store.expenses("ann", datetime(2026, 1, 1))


def test_a_put_that_comes_too_late_writes_nothing(store: PersonaStore) -> None:
    store.put(persona("v1"), expected=None, revision=revision("r1"))
    with pytest.raises(ConflictError, match="already"):
        store.put(persona("v2"), expected=None)
    with pytest.raises(ConflictError, match="no longer version 'v0'"):
        store.put(persona("v2"), expected="v0", revision=revision("r2"))
    with pytest.raises(ConflictError, match="version 'v1'"):
        store.put(persona("v1"), expected="v1")
    with pytest.raises(ConflictError):
        store.put(persona("v2"), expected="v1", revision=revision("r1"))
    with pytest.raises(InputError, match="'bob'"):
        store.put(persona("v2"), expected="v1", revision=revision("r2", user="bob"))
    assert [one.version for one in store.history("ann")] == ["v1"]
    assert store.revisions("ann") == [
        revision("r1").model_copy(update={"at": store.revisions("ann")[0].at})
    ]
    store.put(persona("v2", user="bob"), expected=None)
    assert store.users() == ["ann", "bob"]


def test_of_many_writers_one_wins(store: PersonaStore) -> None:
    store.put(persona("v0"), expected=None)
    won: list[str] = []
    lost: list[ConflictError] = []

    def write(version: str) -> None:
        try:
            store.put(persona(version), expected="v0", revision=revision(version))
            won.append(version)
        except ConflictError as error:
            lost.append(error)

    threads = [threading.Thread(target=write, args=(f"v{i}",)) for i in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 5)
    assert [one.version for one in store.history("ann")] == ["v0", *won]
    assert [one.id for one in store.revisions("ann")] == won


WRITER = """
import sys
from persona_agent.memory.personas import SQLPersonaStore
from persona_agent.schema import Persona
store = SQLPersonaStore(sys.argv[1])
store.put(Persona(version="v2", user_id="ann"), expected="v1")
"""


@pytest.mark.slow
def test_the_latest_version_is_never_stale(tmp_path: Path) -> None:
    path = tmp_path / "personas.db"
    one, two = SQLPersonaStore(path), SQLPersonaStore(path)
    for number, writer in enumerate([one, two, one, two]):
        expected = f"n{number - 1}" if number else None
        writer.put(persona(f"n{number}", "bob"), expected=expected)
        for reader in (one, two, one):
            found = reader.latest("bob")
            assert found is not None and found.version == f"n{number}"
            assert reader.latest("ann") is None
    first = persona("v1")
    one.put(first, expected=None)
    assert [store.latest("ann") for store in (one, two)] == [first, first]
    subprocess.run([sys.executable, "-c", WRITER, str(path)], check=True)
    assert [found and found.version for found in map(one.latest, ["ann", "bob"])] == ["v2", "n3"]
    two.forget("bob")
    assert one.latest("bob") is two.latest("bob") is None
    one.close()
    two.close()


def counted(store: SQLPersonaStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the users whose latest persona is read from the file from now on."""
    read, users = store._latest, list[str]()

    def noted(user: str) -> tuple[Persona | None, int]:
        users.append(user)
        return read(user)

    monkeypatch.setattr(store, "_latest", noted)
    return users


def test_the_latest_version_is_read_once_while_nobody_writes(
    store: SQLPersonaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = persona("v1").model_copy(update={"track_record": {"e1": (0.5,)}})
    store.put(record, expected=None)
    users = counted(store, monkeypatch)
    for _ in range(3):
        found = store.latest("ann")
        assert found == record and store.latest("bob") is None
        found.track_record["e9"] = (1.0,)  # the caller's own
    assert users == ["ann", "bob"]


def test_a_write_while_the_latest_version_is_read_is_noticed(
    store: SQLPersonaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(persona("v1"), expected=None)
    read = store._latest

    def slow(user: str) -> tuple[Persona | None, int]:
        found = read(user)
        if found[0] is not None and found[0].version == "v1":
            store.put(persona("v2"), expected="v1")
        return found

    monkeypatch.setattr(store, "_latest", slow)
    first, second = store.latest("ann"), store.latest("ann")
    assert first is not None and second is not None
    assert (first.version, second.version) == ("v1", "v2")


def test_what_is_forgotten_while_it_is_read_is_not_kept(
    store: SQLPersonaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(persona("v1"), expected=None)
    read = store._latest

    def slow(user: str) -> tuple[Persona | None, int]:
        found = read(user)
        store.forget(user)
        return found

    monkeypatch.setattr(store, "_latest", slow)
    assert store.latest("ann") is not None
    assert store._cache is not None and not store._cache._found
    assert store.latest("ann") is None


def test_what_is_kept_of_personas_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(persona_cache, "MOST_CHARACTERS", 3_000)
    store, first = SQLPersonaStore(tmp_path / "personas.db"), persona("v1")
    store.put(first, expected=None)
    users = counted(store, monkeypatch)
    for _ in range(2):
        for number in range(20):
            assert store.latest(f"u{number}") is None
        assert store.latest("ann") == first
    assert store._cache is not None and len(store._cache._found) <= 15
    assert len(users) == 42
    store.close()


def test_revisions_that_changed_nothing(store: PersonaStore) -> None:
    tried = [revision("r2"), revision("r1")]
    for one in [*tried, tried[0]]:
        store.add_revision(one)
    assert store.revisions("ann") == tried
    assert store.users() == []


def test_forgetting_leaves_nothing_on_the_disk(store: PersonaStore, tmp_path: Path) -> None:
    store.put(persona("v1", "secret-user", "secret text"), expected=None)
    store.put(
        persona("v2", "secret-user", "secret text"),
        expected="v1",
        revision=revision("r", "secret-user"),
    )
    store.put(persona("v1"), expected=None)
    assert store.latest("secret-user") is not None
    assert store.forget("secret-user") == 2
    assert store.forget("secret-user") == 0
    assert store.revisions("secret-user") == []
    assert b"secret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert store.users() == ["ann"]


def test_what_is_stored_is_there_after_reopening(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'personas.db'}"
    store = SQLPersonaStore(url)
    store.put(persona("v1"), expected=None)
    store.close()
    store.close()
    again = SQLPersonaStore(url)
    latest = again.latest("ann")
    assert latest is not None and latest.version == "v1"
    again.close()


def test_places_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a database, " * 1_000, encoding="utf-8")
    with pytest.raises(StoreUnavailableError, match="check that it exists"):
        SQLPersonaStore(tmp_path / "file" / "personas.db")
    with pytest.raises(StoreDamagedError, match="backup"):
        SQLPersonaStore(tmp_path / "file")
    with pytest.raises(StoreUnavailableError, match="install the driver"):
        SQLPersonaStore("nosuchbase://user:hunter2@host/db")
    with pytest.raises(InputError, match="database URL"):
        SQLPersonaStore("://")


def test_a_password_is_never_shown() -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        SQLPersonaStore("postgresql+nosuchdriver://user:hunter2@host/db")
    assert "hunter2" not in str(caught.value)


def test_a_row_that_cannot_be_read(store: SQLPersonaStore, tmp_path: Path) -> None:
    store.put(persona("v1"), expected=None)
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'personas.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE personas SET body = '{}'"))
    engine.dispose()
    with pytest.raises(StoreDamagedError, match="persona that cannot be read"):
        store.latest("ann")


def test_versions_behind_are_stored_with_it_or_not_at_all(store: SQLPersonaStore) -> None:
    draft = Persona(user_id="ann", cause="draft")
    found = Persona(user_id="ann", parent=draft.version, cause="optimize")
    foreign = Persona(user_id="bob")
    with pytest.raises(InputError, match="bob"):
        store.put(found, expected=None, behind=[foreign])
    with pytest.raises(ConflictError):
        store.put(found, expected="another", behind=[draft])
    assert store.history("ann") == []
    store.put(found, expected=None, behind=[draft])
    assert store.history("ann") == [draft, found]
    assert store.latest("ann") == found
    with pytest.raises(ConflictError):
        store.put(Persona(user_id="ann"), expected=found.version, behind=[draft])
    assert store.latest("ann") == found
