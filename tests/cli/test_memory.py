"""``persona-agent memory``: out, in, gone, found, counted and mended."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from persona_agent.agent import PersonaAgent
from tests.cli.conftest import Cli


@pytest.fixture
def folder(tmp_path: Path, ana: PersonaAgent) -> Path:
    """A closed data directory that knows ana and ben."""
    ana.record_sync("ben", "Tea or coffee?", "tea", options=["tea", "coffee"], id="b1")
    ana.close()
    return tmp_path / "data"


def parsed(cli: Cli, *arguments: str) -> Any:
    done = cli(*arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_an_export_is_imported_to_the_same(cli: Cli, folder: Path, tmp_path: Path) -> None:
    file, copy = tmp_path / "ana.jsonl", tmp_path / "copy"
    told = cli("memory", "export", "--user", "ana", "--out", str(file))
    assert told.stdout == f"8 lines in {file}\n"
    assert cli("memory", "export", "--user", "ana").stdout.encode() == file.read_bytes()
    first = cli("memory", "import", str(file), "--data-dir", str(copy))
    assert first.stdout == "new: 4 episodes, 0 facts, 2 personas, 0 revisions\n"
    again = parsed(cli, "memory", "import", str(file), "--data-dir", str(copy))
    assert again == {"new": {"episode": 0, "fact": 0, "persona": 0, "revision": 0}}
    back = cli("memory", "export", "--user", "ana", "--data-dir", str(copy))
    assert back.stdout.encode() == file.read_bytes()
    summary = parsed(cli, "memory", "export", "--user", "ana", "--out", str(file))
    assert summary == {"user": "ana", "lines": 8, "file": str(file)}
    assert list(tmp_path.glob("*.part")) == []


@pytest.mark.slow
def test_an_export_passes_through_chroma(
    cli: Cli, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, copy = tmp_path / "ana.jsonl", str(tmp_path / "copy")
    cli("memory", "export", "--user", "ana", "--out", str(file))
    monkeypatch.setenv("PERSONA_AGENT_STORE", "chroma")
    assert cli("memory", "import", str(file), "--data-dir", copy).returncode == 0
    back = cli("memory", "export", "--user", "ana", "--data-dir", copy)
    assert back.stdout.encode() == file.read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff\xfe", "cannot be read"), (b'{"kind": "secret"}', "line 1 is not a JSON object")],
)
def test_what_cannot_be_imported(cli: Cli, tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "x.jsonl"
    assert cli("memory", "import", str(file)).returncode == 2
    file.write_bytes(content)
    done = cli("memory", "import", str(file))
    assert done.returncode == 2
    assert message in done.stderr
    assert str(file) in done.stderr


def test_what_cannot_be_exported(cli: Cli, folder: Path, tmp_path: Path) -> None:
    nobody = cli("memory", "export", "--user", "zoe")
    assert (nobody.returncode, "ana, ben" in nobody.stderr) == (2, True)
    nowhere = cli("memory", "export", "--user", "ana", "--out", str(tmp_path / "no" / "x"))
    assert (nowhere.returncode, "cannot be written" in nowhere.stderr) == (2, True)
    empty = cli("memory", "export", "--user", "ana", "--data-dir", str(tmp_path / "empty"))
    assert (empty.returncode, (tmp_path / "empty").exists()) == (2, False)


def test_forgetting_asks_first(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = cli("memory", "forget", "--user", "ana")
    assert (done.returncode, "--yes" in done.stderr) == (2, True)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    refused = cli("memory", "forget", "--user", "ana")
    assert (refused.returncode, "nothing was erased" in refused.stderr) == (2, True)
    monkeypatch.setattr("sys.stdin", Terminal("ana\n"))
    done = cli("memory", "forget", "--user", "ana")
    assert done.stdout == "forgotten: 4 episodes, 2 personas\n"
    assert b"town" not in b"".join(
        path.read_bytes() for path in folder.rglob("*") if path.is_file()
    )


def test_forgetting_for_programs(cli: Cli, folder: Path) -> None:
    told = parsed(cli, "memory", "forget", "--user", "ben", "--yes")
    assert told["user"] == "ben"
    assert told["removed"]["episodes"] == 1
    again = cli("memory", "forget", "--user", "ben", "--yes")
    assert (again.returncode, "nothing is stored" in again.stderr) == (2, True)


def test_a_search_shows_what_is_recalled(cli: Cli, folder: Path) -> None:
    query = ("memory", "search", "--user", "ana", "--query", "How to get to town 2?")
    found = parsed(cli, *query, "--limit", "2")
    assert found[0]["episode"]["query"]["text"][-2:] == "2?"
    assert len(found) == 2
    before = parsed(cli, *query, "--before", "2026-03-02T09:00:00+00:00")
    assert [one["episode"]["query"]["text"][-2:] for one in before] == ["0?"]
    assert parsed(cli, *query, "--task", "food") == []
    assert cli(*query, "--task", "food").stdout == "nothing found\n"
    shown = cli(*query).stdout
    assert "How to get to town 2?" in shown
    assert "train" in shown


@pytest.mark.parametrize(
    "wrong", [["--limit", "0"], ["--before", "yesterday"], ["--limit", "many"]]
)
def test_a_search_with_a_wrong_option(cli: Cli, folder: Path, wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli("memory", "search", "--user", "ana", "--query", "x", *wrong)
    assert ended.value.code == 2
    assert cli("memory", "search", "--user", "ana", "--query", " ").returncode == 2


def test_counts(cli: Cli, folder: Path) -> None:
    of_all = parsed(cli, "memory", "stats")
    assert (of_all["users"], of_all["episodes"], of_all["users_with_a_persona"]) == (2, 5, 1)
    assert of_all["bytes_on_disk"]["memory.db"] > 0
    of_ana = parsed(cli, "memory", "stats", "--user", "ana")
    assert of_ana["tasks"] == {"travel": 4}
    assert (of_ana["with_outcome"], of_ana["not_distilled"], of_ana["persona_versions"]) == (
        4,
        4,
        2,
    )
    assert of_ana["first"] == "2026-03-01T09:00:00+00:00"
    assert "travel: 4" in cli("memory", "stats", "--user", "ana").stdout
    assert "memory.db" in cli("memory", "stats").stdout
    assert cli("memory", "stats", "--user", "zoe").returncode == 2


def test_damage_is_told_and_mended(cli: Cli, folder: Path) -> None:
    assert cli("memory", "check").stdout == (
        "memory.db: sound: 5 episodes\npersonas.db: sound: 2 personas\n"
    )
    assert cli("memory", "rebuild").stdout == "nothing is damaged\n"
    with (folder / "memory.db").open("r+b") as file:
        file.write(bytes(100))
    refused = cli("memory", "stats")
    assert (refused.returncode, "memory rebuild" in refused.stderr) == (1, True)
    told = cli("memory", "check")
    assert told.returncode == 1
    assert "memory.db: damaged (file is not a database); readable: 5 episodes" in told.stdout
    report = json.loads(cli("memory", "check", "--json").stdout)
    assert (report["sound"], report["files"][0]["readable"]) == (False, {"episodes": 5})
    assert cli("memory", "rebuild").stdout.startswith("memory.db: 5 episodes;")
    assert parsed(cli, "memory", "check")["sound"]
    assert parsed(cli, "memory", "rebuild") == {"files": {}}
    assert parsed(cli, "memory", "stats")["episodes"] == 5


@pytest.mark.parametrize("action", ["check", "rebuild", "stats"])
def test_no_folder_is_made(cli: Cli, tmp_path: Path, action: str) -> None:
    done = cli("memory", action, "--data-dir", str(tmp_path / "none"))
    assert (done.returncode, "no data" in done.stderr) == (2, True)
    assert not (tmp_path / "none").exists()
