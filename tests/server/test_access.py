"""Keys, scopes and tenants: who is let in, and how far."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.cli.main import main
from persona_agent.errors import InputError, NotFoundError
from persona_agent.server.access import Caller
from persona_agent.server.config import ServerConfig
from persona_agent.server.errors import ApiError
from persona_agent.server.keys import KEYS_FILE, KeyRing, Scope
from tests.server.conftest import Running, Start, asked

LOCKED = ServerConfig(turns_per_minute=0)


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "data")


def remember(running: Running, key: str, user: str, text: str) -> None:
    with running.client(key, user) as api:
        body = {"interactions": [{"query": text, "outcome": "yes", "id": "same-id"}]}
        assert api.post("/v1/memory/episodes", json=body).status_code == 201


def test_a_key_is_stored_as_a_hash_and_found_by_its_text_alone(
    ring: KeyRing, tmp_path: Path
) -> None:
    key, text = ring.add(tenant="acme", scopes=["chat"], label="shop")
    assert ring.check(text) == key
    secret = text.partition(f"{key.id}_")[2]
    assert len(secret) >= 40
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").glob(f"{KEYS_FILE}*"))
    assert secret.encode() not in stored and key.id.encode() in stored
    for wrong in (text[:-1], text + "x", text.replace(key.id, "0" * 12), "", "pa_", f" {text}"):
        assert ring.check(wrong) is None
    assert ring.list() == [key]
    ring.revoke(key.id)
    assert ring.check(text) is None and ring.empty()
    with pytest.raises(NotFoundError):
        ring.revoke(key.id)


@pytest.mark.parametrize("tenant", ["A", "a:b", "a::b", "-a", "a b", "x" * 64, "ä", "a\n"])
def test_names_of_tenants_are_plain(ring: KeyRing, tenant: str) -> None:
    with pytest.raises(InputError, match="tenant"):
        ring.add(tenant=tenant)
    with pytest.raises(InputError, match="scopes"):
        ring.add(scopes=["everything"])


def test_a_scope_that_is_not_known_any_more_gives_nothing(ring: KeyRing, tmp_path: Path) -> None:
    _, text = ring.add(scopes=["chat"])
    with sqlite3.connect(tmp_path / "data" / KEYS_FILE) as file:
        file.execute("UPDATE keys SET scopes = 'chat everything'")
    file.close()
    found = KeyRing(tmp_path / "data").check(text)
    assert found is not None and found.scopes == {Scope.CHAT}


names = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=9)
tenants = st.sampled_from(["", "a", "b", "a-b", "ab"])


@given(st.tuples(tenants, names | st.just("a::x")), st.tuples(tenants, names | st.just("x")))
def test_no_two_users_of_any_tenants_meet(one: tuple[str, str], other: tuple[str, str]) -> None:
    def inside(tenant: str, name: str) -> str | None:
        try:
            return Caller(tenant, frozenset()).person(name).id
        except ApiError:
            return None

    first, second = inside(*one), inside(*other)
    if first is not None and one != other:
        assert first != second


def test_without_a_key_nothing_but_health_is_served(start: Start, ring: KeyRing) -> None:
    ring.add()
    running = start(config=LOCKED)
    with running.client(user="ana") as api:
        for path in ("/v1/models", "/v1/persona", "/metrics", "/v1/memory/export"):
            answer = api.get(path)
            assert answer.status_code == 401, path
            assert answer.json()["error"]["code"] == "invalid_api_key"
            assert answer.headers["www-authenticate"] == "Bearer"
        assert api.post("/v1/chat/completions", json=asked("hi")).status_code == 401
        assert api.get("/health").status_code == api.get("/ready").status_code == 200


def test_scopes_bound_what_a_key_may_do(start: Start, ring: KeyRing) -> None:
    _, chat = ring.add(scopes=["chat"])
    _, reading = ring.add(scopes=["persona:read", "memory:read"])
    running = start(config=LOCKED)
    with running.client(chat, "ana") as api:
        assert api.post("/v1/chat/completions", json=asked("hi")).status_code == 200
        refused = api.get("/v1/memory/export")
        assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")
    with running.client(reading, "ana") as api:
        assert api.get("/v1/memory/export").status_code == 200
        assert api.post("/v1/chat/completions", json=asked("hi")).status_code == 403
        assert api.delete("/v1/memory").status_code == 403
        assert api.post("/v1/persona/claims", json={"text": "x"}).status_code == 403


def test_tenants_never_see_each_other(start: Start, ring: KeyRing) -> None:
    keys = {tenant: ring.add(tenant=tenant)[1] for tenant in ("", "acme", "bolt")}
    running = start(config=LOCKED)
    for tenant, key in keys.items():
        remember(running, key, "ana", f"the secret of {tenant or 'nobody'}")
    for tenant, key in keys.items():
        with running.client(key, "ana") as api:
            exported = api.get("/v1/memory/export").text
            texts = [json.loads(line) for line in exported.splitlines()]
            assert {one["user_id"] for one in texts} == {"ana"}
            found = api.post("/v1/memory/search", json={"query": "secret", "limit": 50}).json()
            seen = exported + json.dumps(found)
            others = {t or "nobody" for t in keys if t != tenant}
            assert not any(f"the secret of {other}" in seen for other in others)
            assert f"the secret of {tenant or 'nobody'}" in seen
    # An id of the inside names nobody from the outside.
    with running.client(keys[""]) as api:
        inside = api.get("/v1/memory/export", params={"user": "acme::ana"})
        assert inside.status_code == 400
    with running.client(keys["bolt"]) as api:
        assert len(api.get("/v1/memory/export", params={"user": "acme::ana"}).text) < 200
        assert api.delete("/v1/memory", params={"user": "ana"}).json()["episodes"] == 1
    with running.client(keys["acme"], "ana") as api:
        assert "the secret of acme" in api.get("/v1/memory/export").text


def test_errors_call_a_user_what_the_client_calls_them(start: Start, ring: KeyRing) -> None:
    _, key = ring.add(tenant="acme")
    running = start(config=LOCKED)
    with running.client(key, "ana") as api:
        message = api.get("/v1/persona").json()["error"]["message"]
    assert "'ana'" in message and "acme" not in message


def test_a_revoked_key_is_refused_within_a_second(start: Start, ring: KeyRing) -> None:
    import time

    key, text = ring.add()
    running = start(config=LOCKED)
    with running.client(text) as api:
        assert api.get("/v1/models").status_code == 200
        ring.revoke(key.id)
        deadline = time.monotonic() + 1.5
        while api.get("/v1/models").status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_foreign_page_cannot_use_a_server_without_keys(offline: Running) -> None:
    with offline.client(user="ana") as api:
        for host in ("evil.example", "evil.example:80", "localhost.evil.example", "[", ""):
            assert api.get("/v1/models", headers={"host": host}).status_code == 403
        for host in ("localhost:1", "127.0.0.1", "[::1]:80", "LOCALHOST"):
            assert api.get("/v1/models", headers={"host": host}).status_code == 200
        foreign = {"origin": "http://evil.example"}
        for path in ("/v1/memory/import", "/v1/optimizations", "/v1/chat/completions"):
            assert api.post(path, json=asked("hi"), headers=foreign).status_code == 403
        own = {"origin": "http://localhost:3000"}
        assert api.get("/v1/models", headers=own).status_code == 200
        plain = {"content-type": "text/plain"}
        for path in ("/v1/chat/completions", "/v1/persona/claims", "/v1/feedback"):
            answer = api.post(path, content=json.dumps(asked("hi")), headers=plain)
            assert answer.status_code == 415, path
        assert offline.agent.episodes_sync("ana") == []


def test_the_first_key_closes_a_server_that_was_open(offline: Running, ring: KeyRing) -> None:
    import time

    with offline.client() as api:
        assert api.get("/v1/models").status_code == 200
        ring.add()
        time.sleep(1.1)
        assert api.get("/v1/models").status_code == 401


def test_listening_for_others_needs_a_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "data")
    assert main(["serve", "--host", "0.0.0.0", "--data-dir", folder]) == 2
    assert "no API key" in capsys.readouterr().err


def test_keys_are_managed_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--data-dir", str(tmp_path / "data"), "--json"]
    assert main(["serve", "keys", "add", "--tenant", "acme", "--scope", "chat", *place]) == 0
    made = json.loads(capsys.readouterr().out)
    found = KeyRing(tmp_path / "data").check(made["key"])
    assert found is not None and found.tenant == "acme" and found.scopes == {Scope.CHAT}
    assert main(["serve", "keys", "list", *place]) == 0
    listed = capsys.readouterr().out
    assert made["id"] in listed and made["key"] not in listed
    assert main(["serve", "keys", "revoke", made["id"], *place]) == 0
    assert main(["serve", "keys", "revoke", made["id"], *place]) == 2
    assert main(["serve", "keys", "add", "--tenant", "A B", *place]) == 2
