import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from persona_agent import __version__
from persona_agent.agent import PersonaAgent
from persona_agent.cli import chat
from persona_agent.cli.main import build_parser, main
from persona_agent.evals.data import import_file

Cli = Callable[..., CompletedProcess[str]]

HEAVY = (
    "torch", "litellm", "chromadb", "langgraph", "sentence_transformers", "streamlit", "sklearn",
    "numpy", "sqlalchemy", "pydantic", "rich",
)  # fmt: skip
COMMANDS = [
    ["demo"], ["import"], ["decide"], ["chat"], ["optimize"], ["persona"], ["persona", "show"],
    ["persona", "history"], ["persona", "diff"], ["persona", "rollback"], ["eval"],
    ["eval", "lamp"], ["eval", "rescore"], ["ui"],
]  # fmt: skip


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def loaded_after_help() -> dict[str, list[str]]:
    """What is loaded after the help of each command; one process that shows all, one by one."""
    code = f"""
import contextlib, io, json, sys
from persona_agent.cli.main import main
found = {{}}
for arguments in {[[], *COMMANDS]!r}:
    with contextlib.redirect_stdout(io.StringIO()) as help_text, contextlib.suppress(SystemExit):
        main([*arguments, "--help"])
    assert "usage: persona-agent" in help_text.getvalue()
    found[" ".join(arguments)] = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps(found))
"""
    found: dict[str, list[str]] = json.loads(python(code))
    return found


@pytest.mark.parametrize("arguments", [[], *COMMANDS], ids=" ".join)
def test_help_loads_nothing_heavy(
    arguments: list[str], loaded_after_help: dict[str, list[str]]
) -> None:
    assert loaded_after_help[" ".join(arguments)] == []


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import persona_agent, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert python(code).strip() == "[]"


@pytest.mark.slow
def test_help_is_quick() -> None:
    command = [sys.executable, "-m", "persona_agent", "--help"]
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5


def test_every_command_says_what_it_is_for() -> None:
    text = build_parser().format_help()
    for command in ("demo", "import", "decide", "chat", "optimize", "persona", "eval", "ui"):
        assert f"\n    {command} " in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"persona-agent {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["persona"],
        ["persona", "show"],
        ["optimize"],
        ["optimize", "--all", "--user", "ana"],
        ["eval", "lamp", "--data", "x", "--users", "0"],
        ["eval", "lamp", "--data", "x", "--queries", "many"],
    ],
)
def test_wrong_arguments_end_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: persona-agent" in capsys.readouterr().err


def test_a_wrong_setting_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONA_AGENT_TIMEOUT", "soon")
    result = cli("chat", "--user", "ana")
    assert result.returncode == 2
    assert result.stdout == ""
    assert "PERSONA_AGENT_TIMEOUT" in result.stderr
    assert "Traceback" not in result.stderr


def test_reading_makes_no_data_directory(cli: Cli, tmp_path: Path) -> None:
    result = cli("persona", "show", "--user", "ana", "--data-dir", str(tmp_path / "none"))
    assert result.returncode == 2
    assert "there is no data in" in result.stderr
    assert not (tmp_path / "none").exists()


def test_a_directory_that_cannot_be_written_ends_with_1(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = cli("decide", "--user", "a", "--query", "q", "--option", "a", "--option", "b",
                 "--data-dir", str(tmp_path / "file" / "sub"))  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.startswith("persona-agent: ")


def test_an_interruption_is_told_with_what_was_done(
    cli: Cli, agent: PersonaAgent, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stopped(*arguments: object, **more: object) -> object:
        raise KeyboardInterrupt

    agent.record_sync("ana", "tea?", "yes")
    rows = tmp_path / "rows.json"
    rows.write_text('[{"user": "ben", "query": "tea?"}]', encoding="utf-8")
    monkeypatch.setattr(chat, "run", stopped)
    monkeypatch.setattr(PersonaAgent, "optimize_sync", stopped)
    monkeypatch.setattr(PersonaAgent, "import_episodes_sync", stopped)
    ended = [
        cli("chat", "--user", "ana"),
        cli("optimize", "--user", "ana"),
        cli("import", str(rows)),
    ]
    monkeypatch.setattr(import_file, "read_interactions", stopped)
    ended.append(cli("import", str(rows)))
    assert [(one.returncode, one.stdout) for one in ended] == [(130, "")] * 4
    assert [one.stderr for one in ended] == [
        "persona-agent: interrupted\n",
        "persona-agent: interrupted: run it again to go on\n",
        "persona-agent: interrupted: run it again; what is stored already is not stored twice\n",
        "persona-agent: interrupted: nothing was stored\n",
    ]


def test_a_broken_pipe_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(arguments: object) -> int:
        raise BrokenPipeError

    with (tmp_path / "out").open("w", encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(chat, "run", run)
        assert main(["chat", "--user", "ana"]) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_a_reader_that_leaves_early_is_no_error(ana: PersonaAgent, tmp_path: Path) -> None:
    command = f"{sys.executable} -m persona_agent persona history --user ana | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_json_is_ascii_and_all_there_is(cli: Cli, agent: PersonaAgent) -> None:
    agent.record_sync("ana", "caf\u00e9 \x9b31m \u202e", "train")
    result = cli("persona", "history", "--user", "ana", "--json")
    assert result.stdout.isascii()
    assert json.loads(result.stdout) == {"versions": [], "revisions": []}
