"""The REST API, one endpoint after the other, against the library it stands for."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from persona_agent.schema import Persona
from tests.server.conftest import Running, asked

FILMS = [("tired after work", "comedy"), ("on a free day", "documentary")]


def history(count: int = 24) -> dict[str, Any]:
    return {
        "interactions": [
            {
                "id": f"e{n}",
                "query": f"A film for an evening, {FILMS[n % 2][0]}?",
                "options": ["comedy", "documentary", "thriller"],
                "outcome": FILMS[n % 2][1],
                "task": "film",
                "at": f"2026-03-{1 + n:02}T19:00:00Z",
            }
            for n in range(count)
        ]
    }


def events(answer: httpx.Response) -> list[tuple[str, dict[str, Any]]]:
    blocks = [block.split("\n") for block in answer.text.strip().split("\n\n")]
    return [(kind[7:], json.loads(data[6:])) for kind, data in blocks]


def test_an_unknown_path_is_told_where_the_api_is_described(offline: Running) -> None:
    with offline.client(user="ana") as api:
        for answer in (api.get("/v1/nothing"), api.post("/"), api.get("/v1/persona/")):
            assert answer.status_code == 404
            told = answer.json()["error"]
            assert told["message"] == "there is nothing at this path: the API is described at /docs"
            assert told["code"] == "not_found"
        assert api.get("/docs").status_code == 200
        assert api.delete("/v1/models").status_code == 405


def test_a_claim_is_stated_corrected_pinned_deleted_and_brought_back(offline: Running) -> None:
    with offline.client(user="ana") as api:
        assert api.get("/v1/persona").status_code == 404
        made = api.post("/v1/persona/claims", json={"text": "likes jazz", "section": "style"})
        assert made.status_code == 201
        first = Persona.model_validate(made.json())
        claim = first.claims[0]
        assert (first.user_id, claim.text, claim.section) == ("ana", "likes jazz", "style")
        path = f"/v1/persona/claims/{claim.id}"
        mended = api.patch(path, json={"text": "likes blues", "pinned": True}).json()
        assert (mended["claims"][0]["text"], mended["claims"][0]["pinned"]) == ("likes blues", True)
        shown = api.get("/v1/persona").json()
        assert "likes blues" in shown["text"] and shown["persona"] == mended
        assert api.delete(path).json()["claims"] == []
        assert api.delete(path).status_code == 404
        back = api.post("/v1/persona/rollback", json={"version": first.version}).json()
        assert back["claims"][0]["text"] == "likes jazz"
        versions = [one["version"] for one in api.get("/v1/persona/versions").json()]
        assert versions[0] == first.version and versions[-1] == back["version"]
        between = {"before": versions[0], "after": versions[1]}
        changes = api.get("/v1/persona/diff", params=between).json()["claims"]
        assert [one["change"] for one in changes] == ["changed"]
        nobody = api.get("/v1/persona/diff", params={"after": "none"})
        assert nobody.status_code == 404
        assert api.patch(path, json={}).status_code == 400
        assert api.patch("/v1/persona/claims/none", json={"pinned": True}).status_code == 404
        assert api.post("/v1/persona/claims", json={"text": ""}).status_code == 400


def test_memory_is_added_searched_exported_imported_and_forgotten(offline: Running) -> None:
    with offline.client(user="ana") as api:
        added = api.post("/v1/memory/episodes", json=history())
        assert added.status_code == 201 and added.json()["new"] == 24
        assert api.post("/v1/memory/episodes", json=history()).json()["new"] == 0
        found = api.post("/v1/memory/search", json={"query": "tired after work", "limit": 3}).json()
        assert found[0]["episode"]["outcome"] == "comedy"
        assert found[0]["episode"]["user_id"] == "ana"
        assert api.post("/v1/memory/episodes/delete", json={"ids": ["e0", "x"]}).json() == {
            "deleted": 1
        }
        exported = api.get("/v1/memory/export")
        assert exported.headers["content-type"].startswith("application/x-ndjson")
        assert len([x for x in exported.text.splitlines() if '"episode"' in x]) == 23
        # An export becomes the importing user's, whoever it came from.
        ben = {"user": "ben"}
        taken = api.post("/v1/memory/import", params=ben, content=exported.content)
        assert taken.json()["episode"] == 23
        assert len(offline.agent.episodes_sync("ben")) == 23
        assert api.post("/v1/memory/import", content=b"[]").status_code == 400
        assert api.post("/v1/memory/import", content=b"\xff").status_code == 400
        gone = api.delete("/v1/memory").json()
        assert gone["episodes"] == 23
        assert len(api.get("/v1/memory/export").text.splitlines()) <= 2
        assert len(offline.agent.episodes_sync("ben")) == 23
    wrong = {"interactions": [{"query": "q", "options": ["a", "b"], "outcome": "c"}]}
    with offline.client(user="ana") as api:
        assert api.post("/v1/memory/episodes", json=wrong).status_code == 400
    assert offline.agent.episodes_sync("ana") == []


def test_every_kind_of_feedback_reaches_its_episode(offline: Running) -> None:
    with offline.client(user="ana") as api:
        api.post("/v1/memory/episodes", json={"interactions": [{"id": "e", "query": "Hi"}]})
        kinds = [{"choice": "a"}, {"correction": "b"}, {"edited_answer": "c"}]
        for said in kinds:
            told = api.post("/v1/feedback", json={"episode_id": "e"} | said).json()
            assert told["outcome"] == next(iter(said.values()))
        told = api.post("/v1/feedback", json={"episode_id": "e", "thumb": -1, "comment": "no"})
        assert told.json()["feedback"]["thumb"] == -1
        for wrong in ({}, {"thumb": 0}, {"thumb": 5}, {"choice": "a", "correction": "b"}):
            body = {"episode_id": "e"} | wrong
            assert api.post("/v1/feedback", json=body).status_code == 400
        assert api.post("/v1/feedback", json={"episode_id": "x", "thumb": 1}).status_code == 404
        other = api.post(
            "/v1/feedback", params={"user": "ben"}, json={"episode_id": "e", "thumb": 1}
        )
        assert other.status_code == 404


def test_an_optimization_is_started_watched_and_kept(offline: Running) -> None:
    with offline.client(user="ana") as api:
        api.post("/v1/memory/episodes", json=history())
        started = api.post("/v1/optimizations")
        assert started.status_code == 202
        job = started.json()["id"]
        seen = events(api.get(f"/v1/optimizations/{job}/events"))
        assert [kind for kind, _ in seen][-1] == "result"
        result = seen[-1][1]
        assert result["state"] == "done" and result["usage"]["calls"] > 0
        assert result["revision"]["user_id"] == "ana"
        assert api.get(f"/v1/optimizations/{job}").json()["revision"] == result["revision"]
        assert api.get("/v1/persona/revisions").json() == [result["revision"]]
        assert (
            api.get("/v1/persona").json()["persona"]["version"]
            == (result["revision"]["to_version"])
        )
        other = api.get(f"/v1/optimizations/{job}", params={"user": "ben"})
        assert other.status_code == 404
        failed = api.post("/v1/optimizations", params={"user": "ben"}).json()
        kinds = events(api.get(f"/v1/optimizations/{failed['id']}/events", params={"user": "ben"}))
        assert kinds[-1][0] == "error" and "'ben'" in kinds[-1][1]["error"]


def test_the_user_is_named_once_and_in_any_script(offline: Running) -> None:
    with offline.client() as api:
        assert api.get("/v1/persona/versions").status_code == 400
        both = {"X-Persona-User": "ana"}
        same = api.get("/v1/persona/versions", params={"user": "ana"}, headers=both)
        assert same.status_code == 200
        two = api.get("/v1/persona/versions", params={"user": "ben"}, headers=both)
        assert two.status_code == 400
        name = "Олена/../☂"
        turn = api.post(
            "/v1/chat/completions",
            json=asked("hello", None),
            headers=[(b"X-Persona-User", name.encode())],
        )
        assert turn.status_code == 200
        assert len(offline.agent.episodes_sync(name)) == 1
        assert api.get("/v1/memory/export", params={"user": name}).status_code == 200
        several = [(b"X-Persona-User", b"ana"), (b"X-Persona-User", b"ben")]
        assert api.get("/v1/persona/versions", headers=several).status_code == 400
        turn = api.post("/v1/chat/completions", json=asked("hello", None), headers=several)
        assert turn.status_code == 400
        assert api.get("/v1/persona/versions", params={"user": ["ana", "ben"]}).status_code == 400
        bad = api.get("/v1/persona/versions", headers=[(b"X-Persona-User", b"\xff")])
        assert bad.status_code == 400
        for empty in ("", "x" * 257, "a\x00b"):
            assert api.get("/v1/memory/export", params={"user": empty}).status_code == 400


def test_an_export_is_taken_in_whatever_its_texts_hold(offline: Running) -> None:
    # To some readers of lines, these end one.
    text = "a\u2028b\u2029c\x85d"
    with offline.client(user="ana") as api:
        api.post("/v1/memory/episodes", json={"interactions": [{"query": text}]})
        exported = api.get("/v1/memory/export").content
        as_written = json.dumps(json.loads(exported.splitlines()[1]), ensure_ascii=False).encode()
        for user, lines in (("ben", exported), ("cem", as_written)):
            taken = api.post("/v1/memory/import", params={"user": user}, content=lines)
            assert taken.json()["episode"] == 1
            assert [one.query.text for one in offline.agent.episodes_sync(user)] == [text]


def test_nobody_waits_for_the_export_of_a_long_history(
    offline: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, answered = threading.Event(), threading.Event()

    def slow(line: str) -> Any:
        begun.set()
        assert answered.wait(10), "the server answers nobody else"
        return json.loads(line)

    offline.agent.record_sync("ana", "hello")
    with offline.client() as api, ThreadPoolExecutor() as pool, monkeypatch.context() as patch:
        codec = SimpleNamespace(loads=slow, dumps=json.dumps)
        patch.setattr("persona_agent.server.memories.json", codec)
        export = pool.submit(httpx.get, f"{offline.url}/v1/memory/export?user=ana", timeout=30)
        assert begun.wait(20)
        assert api.get("/health", timeout=5).status_code == 200
        answered.set()
        assert export.result().status_code == 200


def test_a_body_that_is_not_called_json_is_told_apart_from_a_wrong_one(offline: Running) -> None:
    body = json.dumps({"query": "x"})
    with offline.client(user="ana") as api:
        for kind in ({}, {"content-type": "text/plain"}):
            answer = api.post("/v1/memory/search", content=body, headers=kind)
            assert answer.status_code == 415
            assert "Content-Type: application/json" in answer.json()["error"]["message"]
        assert api.post("/v1/memory/search", json=[]).status_code == 400
        assert api.post("/v1/memory/search").status_code == 400


def test_a_claim_says_something_and_holds_nothing_hidden(offline: Running) -> None:
    with offline.client(user="ana") as api:
        for blank in (" ", "\x00", "\n\x1b"):
            assert api.post("/v1/persona/claims", json={"text": blank}).status_code == 400
        assert offline.agent.history_sync("ana") == []
        body = {"text": "likes\x00 tea\x1b", "scope": "at\x07 night"}
        [claim] = api.post("/v1/persona/claims", json=body).json()["claims"]
        assert (claim["text"], claim["scope"]) == ("likes tea", "at night")
        place = f"/v1/persona/claims/{claim['id']}"
        assert api.patch(place, json={"text": "\x00 "}).status_code == 400
