"""``persona-agent lab`` as a user meets it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from persona_agent.cli.main import main
from persona_agent.evals.lab.page import markdown_report
from persona_agent.evals.lab.results import (
    Figure,
    Findings,
    LabReport,
    LabResult,
    Verdict,
    load_report,
    save_report,
)


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


def test_the_page_loads_and_runs_nothing(tmp_path: Path) -> None:
    hostile = "<script>x</script><b onclick='x'>\"&"
    findings = Findings(
        figures=(
            Figure(name=hostile, value=0.5, ci95=(0.25, 0.75), n=4, meaning=hostile),
            Figure(name="check: alarms", value=None, n=0, meaning="m", better="lower"),
            Figure(name="a minus b", value=0.1, n=4, meaning="m"),
        ),
        verdicts=(Verdict(item=hostile, verdict="", evidence=hostile),),
        notes=(hostile,),
    )
    report = LabReport(
        at=datetime(2026, 1, 1, tzinfo=UTC), model=hostile, critic="b", judges=("b",), embedder="e",
        personas=("ana",), seed=0, seconds=1,
        results=(LabResult(name="drift", title=hostile, findings=findings),
                 LabResult(name="gym", title="Gym", findings=Findings(cannot="no"))),
    )  # fmt: skip
    out, web = tmp_path / "lab.json", tmp_path / "lab.html"
    save_report(report, out)
    assert main(["lab", "report", str(out), "--out", str(web)]) == 0
    page = web.read_text()
    assert not re.search(r"<script|<b |\ssrc=|href=[\"'](?!#)|url\(", page)
    assert page.count("<svg") == 1, "an interval on a scale from 0 to 1 is drawn, no other"
    assert "not measured: no" in page and "b is inside the repairs and judges them too" in page
    assert 'href="#gym"' in page and 'id="gym"' in page


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["run", "--only", "drif"], "no experiment 'drif'"),
        (["run", "--persona", "absent.txt"], "absent.txt: no such file"),
        (["run", "--user", "ana"], "there is no data in"),
        (["run", "--judge", "a/b", "--critic", "a/b"], "cannot be critic and judge"),
        (["report", "absent.json"], "absent.json: no such file"),
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


def test_a_critic_of_an_optimization_is_no_judge_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from persona_agent import PersonaAgent
    from persona_agent.schema import Revision

    with PersonaAgent.open(tmp_path / "data") as agent:
        agent.state_claim_sync("ana", "I love tea")
        agent.memory.personas.add_revision(
            Revision(user_id="ana", from_version=None, to_version="x", accepted=True,
                     critic="openai/critic")
        )  # fmt: skip
    command = ["lab", "run", "--user", "ana", "--data-dir", str(tmp_path / "data"), "--model",
               "openai/actor", "--critic", "openai/other"]  # fmt: skip
    assert main([*command, "--judge", "openai/critic"]) == 2
    assert "'openai/critic' cannot be critic and judge" in capsys.readouterr().err
