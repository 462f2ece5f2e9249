"""What was taken by the tracer is written, whenever it is closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from persona_agent.agent.traces import Trace, TraceStore
from persona_agent.server import tracing
from persona_agent.server.tracing import Tracer


class SlowStore(TraceStore):
    """Begins to write, and waits until it may go on."""

    begun = threading.Event()
    go_on = threading.Event()

    def add(self, traces: Sequence[Trace]) -> None:
        self.begun.set()
        assert self.go_on.wait(10)
        super().add(traces)


async def test_closing_while_traces_are_written_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "SECONDS_BETWEEN_WRITES", 0.01)
    tracer = Tracer(SlowStore(tmp_path / "traces.db"))
    tracer.start()
    tracer.add(Trace(id="one", user_id="ana"))
    assert await asyncio.to_thread(SlowStore.begun.wait, 10)
    closing = asyncio.create_task(tracer.aclose())
    await asyncio.sleep(0.05)
    SlowStore.go_on.set()
    await closing
    store = TraceStore(tmp_path / "traces.db")
    assert store.forget("ana") == 1
    store.close()
