"""The benchmark and its soak, small: what it would report is wrong must be noticed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from persona_agent.bench.serve import body_of, user_id
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


@pytest.mark.slow
def test_a_small_run_is_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "serve", "--embedder", "hash", "--turns", "100", "--soak", "200", "--json"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert all(one["through"]["failed"] == 0 for one in found["latency"]["comparisons"])
    soak = found["soak"]
    assert soak["acknowledged"] + sum(soak["failures"].values()) == 200
    assert soak["acknowledged"] > 100 and soak["failures"]
