"""Traces of turns: whole, bounded, forgotten, and as spans."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from persona_agent.agent.traces import TRACES_FILE, Trace, TraceStore, forget_traces
from persona_agent.cli.main import main
from persona_agent.errors import SettingsError
from persona_agent.server.spans import Spans, configured_spans
from tests.server.conftest import ModelServer, Reply, Running, Start, asked, piece, turn


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
