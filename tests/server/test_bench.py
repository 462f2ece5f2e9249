"""The benchmark and its soak, small: what it would report is wrong must be noticed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from persona_agent.bench.serve import body_of, send, user_id
from persona_agent.bench.serve_client import Sent
from persona_agent.bench.serve_soak import _Watch, mark_of
from persona_agent.cli.main import main


def body(number: int) -> dict[str, Any]:
    return body_of(number, text=f"Tell me of mark-{user_id(number)}-{number}-end, please")


def stored(number: int, identity: str) -> dict[str, Any]:
    return {"id": identity, "query": {"text": body(number)["messages"][-1]["content"]}}


def test_a_soak_notices_what_is_wrong() -> None:
    import os

    watch = _Watch(4, os.getpid(), lambda what, done, total: None)
    for number in range(3):
        text = f"answer to {mark_of(body(number))}"
        said = Sent(0.1, 200, text, acknowledged=f"e{number}", finished=True)
        watch.see(said, body(number))
    watch.see(Sent(0.1, 502), body(3))
    found = watch.report(
        {"u0": [stored(0, "e0"), stored(0, "x")], "u1": [stored(2, "e1")]}, crossed=0, seconds=1
    )
    assert (found.lost, found.duplicated, found.foreign, found.improper) == (2, 1, 1, 1)
    assert not found.clean and found.acknowledged == 3


async def test_a_server_that_falls_behind_its_schedule_cannot_hide_it() -> None:
    body = b'{"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}'
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.partition(b"content-length: ")[2].split(b"\r", 1)[0])
            await reader.readexactly(length)
            await asyncio.sleep(0.03)
            writer.write(answer)

    upstream = await asyncio.start_server(slow, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}/v1"
    bodies = [body_of(number) for number in range(10)]
    one_by_one = await send(base, bodies, concurrency=1)
    offered = await send(base, bodies, concurrency=1, rate=100)
    spread = await send(base, bodies, concurrency=10, rate=100)
    upstream.close()
    assert all(one.finished for one in (*one_by_one, *offered, *spread))
    assert median(one.seconds for one in one_by_one) < offered[-1].seconds
    assert offered[-1].seconds > 10 * 0.03 - 9 / 100  # it was due long before it was sent
    assert [one.seconds for one in offered] == sorted(one.seconds for one in offered)
    assert median(one.seconds for one in spread) < offered[-1].seconds


def test_growth_is_that_of_the_last_half() -> None:
    import os

    report = _Watch(4, os.getpid(), lambda what, done, total: None).report({}, crossed=0, seconds=1)
    samples = ((0, 50.0, 0.0), (2, 100.0, 10.0), (4, 103.0, 12.0))
    assert report.model_copy(update={"memory_mib": samples}).late_share == pytest.approx(0.03)


@pytest.mark.slow
def test_a_small_run_is_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new folder" / "results.json"
    small = ["--embedder", "hash", "--turns", "100", "--soak", "200"]
    assert main(["bench", "serve", *small, "--json", str(out)]) == 0
    assert "200 turns in" in capsys.readouterr().out
    found = json.loads(out.read_text(encoding="utf-8"))
    assert all(one["through"]["failed"] == 0 for one in found["latency"]["comparisons"])
    assert any("300 turns a second" in one["what"] for one in found["latency"]["comparisons"])
    soak = found["soak"]
    assert soak["acknowledged"] + sum(soak["failures"].values()) == 200
    assert soak["acknowledged"] > 100 and soak["failures"]
    assert soak["memory_mib"][-1][2] > 0  # what the server's metrics tell of its cache
