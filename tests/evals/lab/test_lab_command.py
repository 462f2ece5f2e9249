"""``persona-agent lab`` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from persona_agent.cli.main import main
from persona_agent.evals.lab.page import markdown_report
from persona_agent.evals.lab.results import load_report


@pytest.fixture(autouse=True)
def hash_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONA_AGENT_EMBEDDER", "hash")
    monkeypatch.setenv("COLUMNS", "120")


def test_run_and_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    persona = tmp_path / "me.txt"
    persona.write_text("I sing | in a choir.\nI have <b>no</b> car.\nI love tea.\n")
    out = tmp_path / "lab.json"
    command = ["lab", "run", "--only", "truthfulness,commitment,mediator", "--persona",
               str(persona), "--items", "2", "--json", str(out)]  # fmt: skip
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "groundedness" in shown and "not measured: offline gives equal answers" in shown
    report = load_report(out)
    assert report.personas == ("me",) and [one.name for one in report.results] == [
        "truthfulness", "commitment", "mediator"]  # fmt: skip
    assert json.loads(out.read_text())["format"] == "persona-agent lab 1"

    page = tmp_path / "lab.md"
    assert main(["lab", "report", str(out), "--markdown", str(page)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == shown.splitlines()[0]
    assert page.read_text() == markdown_report(report)
    rows = [line for line in page.read_text().splitlines() if line.startswith("| bullshit")]
    assert rows and all(line.count(" | ") == 3 for line in rows)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["run", "--only", "drif"], "no experiment 'drif'"),
        (["run", "--persona", "absent.txt"], "absent.txt: cannot be read"),
        (["run", "--user", "ana"], "there is no data in"),
        (["run", "--judge", "a/b", "--critic", "a/b"], "cannot be critic and judge"),
        (["report", "absent.json"], "absent.json: No such file"),
    ],
)
def test_what_the_caller_can_mend_is_said(
    arguments: list[str],
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["lab", *arguments]) == 2
    assert problem in capsys.readouterr().err


def test_a_stored_user_is_examined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from persona_agent import PersonaAgent

    with PersonaAgent.open(tmp_path / "data") as agent:
        agent.record_sync("ana", "A film?", "comedy", options=["comedy", "drama"])
    where = ["--data-dir", str(tmp_path / "data")]
    assert main(["lab", "run", "--user", "ana", *where]) == 2
    assert "has no persona yet" in capsys.readouterr().err
