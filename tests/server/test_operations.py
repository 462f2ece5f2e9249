"""Errors, logs, metrics, and how the server ends."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import httpx
import pytest

from persona_agent.agent.traces import forget_traces
from persona_agent.server.config import ServerConfig
from persona_agent.server.jobs import Jobs
from persona_agent.server.logs import JsonFormatter
from persona_agent.server.metrics import Metrics
from persona_agent.testing import ScriptedModel
from tests.server.conftest import ModelServer, Reply, Running, Start, asked, piece, told, turn

SHAPE = {"message", "type", "param", "code"}
JSON = {"content-type": "application/json"}


def test_every_error_has_openais_shape(offline: Running) -> None:
    with offline.client(user="ana") as api:
        wrong = [
            api.get("/nowhere"),
            api.put("/health"),
            api.get("/v1/models/gpt-9"),
            api.post("/v1/chat/completions", json=asked("x", model="gpt-9")),
            api.post("/v1/chat/completions", json=asked("x", messages=[])),
            api.post("/v1/chat/completions", json=asked("x", user=7)),
            api.post("/v1/chat/completions", json=[]),
            api.post("/v1/chat/completions", json=asked("x"), headers={"content-type": "a/b"}),
            api.get("/v1/persona"),
            api.post("/v1/memory/search", json={"query": "x", "limit": 0}),
            api.post(
                "/v1/memory/search", content=b"{", headers={"content-type": "application/json"}
            ),
            api.get("/v1/optimizations/none"),
            api.get("/v1/traces/none"),
        ]
    for answer in wrong:
        assert 400 <= answer.status_code < 500, answer.text
        assert set(answer.json()["error"]) == SHAPE
        assert answer.headers["x-request-id"]


def test_an_unforeseen_failure_tells_the_client_nothing(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(messages: object, tools: object) -> str:
        raise RuntimeError("the secret of ana")

    running = start(ScriptedModel(chat=fail))
    with running.client() as api, caplog.at_level(logging.INFO, "persona_agent.server"):
        answer = api.post("/v1/chat/completions", json=asked("x", model="scripted"))
        running.stop()  # the line is written when the answer is on its way already
    assert answer.status_code == 500 and "secret" not in answer.text
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    line = json.loads(JsonFormatter(text=False).format(record))
    assert line["error"] == "RuntimeError" and "secret" not in json.dumps(line)
    assert "secret of ana" in JsonFormatter(text=True).format(record)


def test_a_client_that_leaves_before_it_said_all_is_no_failure(
    offline: Running, caplog: pytest.LogCaptureFixture
) -> None:
    place = httpx.URL(offline.url)
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    with caplog.at_level(logging.INFO, "persona_agent.server"):
        with socket.create_connection((place.host, place.port or 0)) as leaving:
            leaving.sendall(head.encode())
        with offline.client() as api:
            while 'status="499"' not in api.get("/metrics").text:
                time.sleep(0.01)
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


def test_a_client_that_leaves_before_the_first_piece_ends_the_turn(
    start: Start, endpoint: ModelServer
) -> None:
    free = threading.Event()
    endpoint.replies = [Reply(events=[piece({"content": "late"}), piece({}, "stop")], wait=free)]
    running = start(model="openai/m", api_base=endpoint.base, api_key="k")
    try:
        with pytest.raises(httpx.TimeoutException):
            body = asked("hello", model="m", stream=True)
            httpx.post(f"{running.url}/v1/chat/completions", json=body, timeout=0.5)
        with running.client() as api:
            deadline = time.monotonic() + 10
            while "turns_under_way 0" not in (metrics := api.get("/metrics").text):
                assert time.monotonic() < deadline, "the turn is still under way"
                time.sleep(0.02)
    finally:
        free.set()
    assert 'route="/v1/chat/completions",status="499"' in metrics
    assert running.agent.episodes_sync("ana") == []


@pytest.mark.parametrize("asked_for", [False, True])
def test_logs_name_nobody_unless_asked(
    start: Start, caplog: pytest.LogCaptureFixture, asked_for: bool
) -> None:
    running = start(config=ServerConfig(anonymous=True, log_text=asked_for))
    with running.client() as api, caplog.at_level(logging.INFO, "persona_agent.server"):
        told = turn(api, "I like jazz", user="ana@example.org")
        running.stop()
    formatter = JsonFormatter(text=asked_for)
    lines = [formatter.format(record) for record in caplog.records]
    found = next(json.loads(line) for line in lines if "/v1/chat/completions" in line)
    assert (found["status"], found["method"]) == (200, "POST")
    assert found["turn"] == told["persona"]["turn"]  # what `persona-agent trace` takes
    assert ("ana@example.org" in "".join(lines)) is asked_for
    assert "jazz" not in "".join(lines)


def test_metrics_are_what_prometheus_reads(offline: Running) -> None:
    with offline.client() as api:
        turn(api)
        assert api.get("/v1/chat/completions").status_code == 405
        api.get("/nowhere")
        while "unknown" not in (answer := api.get("/metrics")).text:
            time.sleep(0.01)  # a request is counted when its answer is on its way already
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    values = dict(
        line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#")
    )
    assert values['persona_agent_turns_total{outcome="ok"}'] == "1"
    assert values["persona_agent_remembered_total"] == "1"
    assert values["persona_agent_turn_seconds_count"] == "1"
    assert values['persona_agent_requests_total{method="GET",route="unknown",status="404"}'] == "1"
    chats = 'requests_total{method="%s",route="/v1/chat/completions",status="%s"}'
    for method, status in (("POST", "200"), ("GET", "405")):
        assert values["persona_agent_" + chats % (method, status)] == "1"
    assert float(values['persona_agent_turn_seconds_bucket{le="+Inf"}']) == 1
    assert "ana" not in answer.text


def test_labels_are_escaped() -> None:
    metrics = Metrics()
    metrics.count("requests_total", route='a"b\n\\')
    assert '{route="a\\"b\\n\\\\"} 1' in metrics.text({})


# --- the end ------------------------------------------------------------------------------------


def test_the_turns_under_way_finish_when_the_server_ends(
    start: Start, endpoint: ModelServer
) -> None:
    go_on = threading.Event()
    endpoint.replies = [Reply(told("At last."), wait=go_on)]
    running = start(model="openai/m", api_base=endpoint.base, api_key="k")
    answers: list[httpx.Response] = []
    body = asked("wait for it", model="m")
    sender = threading.Thread(
        target=lambda: answers.append(
            httpx.post(f"{running.url}/v1/chat/completions", json=body, timeout=20)
        )
    )
    sender.start()
    while not endpoint.requests:
        time.sleep(0.01)
    running.server.should_exit = True
    time.sleep(0.3)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{running.url}/health")
    go_on.set()
    sender.join()
    running.thread.join(timeout=10)
    assert answers[0].json()["choices"][0]["message"]["content"] == "At last."
    (stored,) = running.agent.episodes_sync("ana")
    assert stored.id == answers[0].json()["persona"]["episode_id"]


def test_who_watches_an_optimization_is_told_that_the_server_ends(start: Start) -> None:
    class Slow(ScriptedModel):
        async def ask(self, prompt: Any, inputs: Any) -> Any:
            await asyncio.sleep(60)

    running = start(Slow())
    for number in range(12):
        running.agent.record_sync("ana", f"q{number}", "a", options=["a", "b"])
    with running.client(user="ana") as api:
        job = api.post("/v1/optimizations").json()["id"]
        again = api.post("/v1/optimizations").json()["id"]
        assert again == job
        with api.stream("GET", f"/v1/optimizations/{job}/events") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: progress"
            running.server.should_exit = True
            assert "event: error" in list(lines)
    running.thread.join(timeout=10)
    assert not running.thread.is_alive()


async def test_a_job_that_is_stopped_before_it_begins_is_over(start: Start) -> None:
    jobs = Jobs(start().agent, at_once=1)
    job = jobs.start("ana")
    await jobs.drop("ana")  # in the same step: its task never ran
    assert job.state == "failed" and job.over.is_set() and jobs.under_way == 0
    again = jobs.start("ana")
    await jobs.aclose()
    assert again is not job and again.over.is_set()


@pytest.mark.slow
def test_a_signal_ends_the_process_and_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "persona_agent", "serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--data-dir", str(tmp_path / "data")],
        env=os.environ | {"PERSONA_AGENT_EMBEDDER": "hash"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    url = line.split("at ", 1)[1].split("/v1")[0]
    body = json.dumps(asked("remember me")).encode()
    answer = httpx.post(f"{url}/v1/chat/completions", content=body, headers=JSON, timeout=30)
    with urlopen(f"{url}/openapi.json") as described:
        assert "/v1/chat/completions" in json.load(described)["paths"]
    process.send_signal(signal.SIGTERM)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) == 0, rest
    assert all(json.loads(one) for one in rest.splitlines())
    from persona_agent import PersonaAgent

    with PersonaAgent.open(tmp_path / "data", embedder="hash") as agent:
        (stored,) = agent.episodes_sync("ana")
        assert stored.id == answer.json()["persona"]["episode_id"]
    assert forget_traces(tmp_path / "data", "ana") == 1
