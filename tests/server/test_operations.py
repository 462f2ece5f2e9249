"""Limits, logs, metrics, traces, and how the server ends."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import httpx
import pytest

from persona_agent.agent.traces import TRACES_FILE, Trace, TraceStore, forget_traces
from persona_agent.cli.main import main
from persona_agent.errors import ConflictError, SettingsError
from persona_agent.server.config import ServerConfig
from persona_agent.server.errors import ApiError
from persona_agent.server.limits import Gate, Rates
from persona_agent.server.logs import JsonFormatter
from persona_agent.server.metrics import Metrics
from persona_agent.server.spans import Spans, configured_spans
from persona_agent.testing import ScriptedModel
from tests.server.conftest import ModelServer, Reply, Running, Start, asked, piece, told

SHAPE = {"message", "type", "param", "code"}
JSON = {"content-type": "application/json"}


def turn(api: httpx.Client, text: str = "I like jazz", **more: Any) -> dict[str, Any]:
    answer = api.post("/v1/chat/completions", json=asked(text, **more))
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


# --- limits -------------------------------------------------------------------------------------


def test_a_user_has_so_many_turns_a_minute_and_others_their_own() -> None:
    now = 0.0
    rates = Rates(2, clock=lambda: now)
    for user in ("ana", "ana", "ben"):
        rates.take(user)
    with pytest.raises(ApiError) as caught:
        rates.take("ana")
    assert (caught.value.status, caught.value.retry_after) == (429, 30)
    now = 30.0
    rates.take("ana")
    with pytest.raises(ApiError):
        rates.take("ana")


def test_the_rate_is_an_error_that_clients_understand(start: Start) -> None:
    running = start(config=ServerConfig(anonymous=True, turns_per_minute=1))
    with running.client() as api:
        turn(api)
        refused = api.post("/v1/chat/completions", json=asked("again"))
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        turn(api, user="ben")


def test_bodies_are_bounded_also_when_they_do_not_tell_their_length(start: Start) -> None:
    running = start(config=ServerConfig(anonymous=True, max_body_bytes=2048, max_messages=3))
    with running.client(user="ana") as api:
        large = json.dumps(asked("x" * 4000)).encode()
        for path in ("/v1/chat/completions", "/v1/memory/search", "/v1/memory/import"):
            told_length = api.post(path, content=large, headers=JSON)
            untold = api.post(path, content=iter([large[:2000], large[2000:]]), headers=JSON)
            for answer in (told_length, untold):
                assert answer.status_code == 413, path
                assert set(answer.json()["error"]) == SHAPE
        many = asked("x", messages=[{"role": "user", "content": "x"}] * 4)
        assert api.post("/v1/chat/completions", json=many).status_code == 400
        deep: Any = "x"
        for _ in range(80):
            deep = [deep]
        nested = api.post("/v1/chat/completions", json=asked("x", tools=deep))
        assert nested.status_code == 400 and "nests" in nested.json()["error"]["message"]


def test_a_server_that_is_full_says_so(start: Start, endpoint: ModelServer) -> None:
    free = threading.Event()
    endpoint.replies = [Reply(told("ok"), wait=free)]
    running = start(
        config=ServerConfig(anonymous=True, max_turns=1),
        model="openai/m", api_base=endpoint.base, api_key="k",
    )  # fmt: skip
    with running.client() as api:
        first = threading.Thread(target=lambda: turn(api, model="m"))
        first.start()
        while not endpoint.requests:
            time.sleep(0.01)
        full = httpx.post(
            f"{running.url}/v1/chat/completions", json=asked("b", model="m", user="ben")
        )
        assert (full.status_code, full.json()["error"]["code"]) == (503, "overloaded")
        free.set()
        first.join()


async def test_forgetting_waits_for_turns_and_holds_new_ones_up() -> None:
    gate, order = Gate(10), list[str]()
    inside, leave = asyncio.Event(), asyncio.Event()

    async def old() -> None:
        async with gate.turn("ana"):
            inside.set()
            await leave.wait()
            order.append("old turn")

    async def forget() -> None:
        async with gate.alone("ana", timeout=5):
            order.append("forgotten")

    async def new() -> None:
        async with gate.turn("ana"):
            order.append("new turn")

    first = asyncio.create_task(old())
    await inside.wait()
    with pytest.raises(ConflictError):
        async with gate.alone("ana", timeout=0.01):
            raise AssertionError("a turn was under way")
    second = asyncio.create_task(forget())
    await asyncio.sleep(0)
    third = asyncio.create_task(new())
    await asyncio.sleep(0.01)
    async with gate.turn("ben"):
        pass
    leave.set()
    await asyncio.gather(first, second, third)
    assert order == ["old turn", "forgotten", "new turn"]
    assert gate.under_way == 0


# --- errors, logs, metrics ----------------------------------------------------------------------


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


# --- traces -------------------------------------------------------------------------------------


def test_a_turn_can_be_traced_end_to_end(
    start: Start, endpoint: ModelServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running = start(model="openai/m", api_base=endpoint.base, api_key="k")
    running.agent.state_claim_sync("ana", "is a vegetarian")
    for text in ("wants it warm", "wants little of it"):  # are shown below their scope
        running.agent.state_claim_sync("ana", text, scope="at dinner")
    running.agent.record_sync("ana", "Dinner?", "lentils", id="e1")
    endpoint.replies = [
        Reply(events=[piece({"content": "Len"}), piece({"content": "tils"}), piece({}, "stop"),
                      piece(None)]),
    ]  # fmt: skip
    tool = {"type": "function", "function": {"name": "weather"}}
    with running.client() as api:
        body = asked("Dinner?", model="m", stream=True, tools=[tool], metadata={"thread": "t"})
        events = api.post("/v1/chat/completions", json=body).text
        identity = events.split('"turn":"')[1].split('"')[0]
        trace = Trace.model_validate(api.get(f"/v1/traces/{identity}?user=ana").json())
        assert api.get(f"/v1/traces/{identity}?user=ben").status_code == 404
    claims = running.agent.persona_sync("ana").claims
    assert trace.claims == tuple(claim.id for claim in claims) and len(claims) == 3
    assert [one.episode_id for one in trace.recalled] == ["e1"]
    assert trace.usage.prompt_tokens == 11 and trace.usage.completion_tokens == 3
    assert (trace.thread, trace.tools_offered, trace.remembered) == ("t", ("weather",), True)
    assert {"recall", "first_piece", "upstream", "remember", "total"} == set(trace.seconds)
    running.stop()
    place = ["--data-dir", str(tmp_path / "data")]
    os.environ["PERSONA_AGENT_EMBEDDER"] = "hash"
    try:
        assert main(["trace", identity, *place]) == 0
    finally:
        del os.environ["PERSONA_AGENT_EMBEDDER"]
    shown = capsys.readouterr().out
    for part in ("Dinner?", "Lentils", "is a vegetarian", "11 + 3 tokens", "lentils"):
        assert part in shown, shown
    assert main(["trace", identity, "--json", *place]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == identity
    assert main(["trace", "none", *place]) == 2


def test_forgetting_takes_the_traces_along(offline: Running, tmp_path: Path) -> None:
    with offline.client() as api:
        identity = turn(api, "the secret of ana")["persona"]["turn"]
        turn(api, "hello", user="ben")
        gone = api.delete("/v1/memory", params={"user": "ana"}).json()
        assert (gone["episodes"], gone["traces"]) == (1, 1)
        assert api.get(f"/v1/traces/{identity}", params={"user": "ana"}).status_code == 404
    folder = tmp_path / "data"
    offline.stop()
    assert forget_traces(folder, "ben") == 1
    assert forget_traces(folder / "nowhere", "ben") == 0
    for path in folder.glob(f"{TRACES_FILE}*"):
        assert identity.encode() not in path.read_bytes()


def test_traces_are_bounded(tmp_path: Path) -> None:
    store = TraceStore(tmp_path / "traces.db", most=10)
    for number in range(25):
        store.add([Trace(id=f"t{number}", user_id="ana")])
    kept = [n for n in range(25) if store.get(f"t{n}") is not None]
    assert kept == list(range(15, 25))
    store.add([Trace(id="t20", user_id="ana", error="again"), Trace(id="t21", user_id="eve")])
    again, kept_one = store.get("t20"), store.get("t21")
    assert again is not None and again.error == "again"
    assert kept_one is not None and kept_one.user_id == "ana"
    store.close()


def test_turns_are_spans_where_a_collector_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert configured_spans() is None
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = Spans(provider)
    seconds = {"recall": 0.01, "upstream": 0.2, "remember": 0.02, "total": 0.25}
    spans.emit(Trace(user_id="ana", model="m", seconds=seconds, error="ModelCallError (502)"))
    done = {span.name: span for span in exporter.get_finished_spans()}
    assert set(done) == {"chat", "recall", "upstream", "remember"}
    root = done["chat"]
    assert root.end_time is not None and root.start_time is not None
    assert (root.end_time - root.start_time) / 1e9 == pytest.approx(0.25)
    assert "ana" not in str(root.attributes) and not root.status.is_ok
    assert done["recall"].parent is not None
    spans.close()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(SettingsError, match="opentelemetry-sdk"):
        configured_spans()


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
