import importlib.util
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from persona_agent.agent import ChatTurn, Decision, PersonaAgent
from persona_agent.agent.learning_calls import Optimized
from persona_agent.cli.ui import _settings
from persona_agent.errors import BudgetExceededError, ModelCallError
from persona_agent.schema import Edit, EditOperation, GateResult, Revision, TermMeans, Usage
from persona_agent.testing import HashEmbedder, ScriptedModel

Cli = Callable[..., CompletedProcess[str]]

DECIDE = ("decide", "--user", "ana", "--query", "To town?", "--option", "car", "--option", "train")


def says(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))


def test_decide_answers_with_reason_and_cases(cli: Cli, ana: PersonaAgent) -> None:
    result = cli(*DECIDE, "--task", "travel")
    assert result.stdout.splitlines()[:2] == [
        "train  (confidence 75%)",
        "Always takes the train.",
    ]
    assert "How to get to town 3? -> train" in result.stdout
    assert result.stderr.startswith("episode ")


def test_decide_remembers_unless_told_otherwise(cli: Cli, agent: PersonaAgent) -> None:
    found = Decision.model_validate_json(cli(*DECIDE, "--json").stdout)
    assert found.answer == "train"
    assert agent.memory.episodes.get("ana", [found.episode_id])[0].response == "train"
    cli(*DECIDE, "--no-remember")
    assert agent.memory.episodes.count("ana") == 1


def test_decide_needs_two_options(cli: Cli) -> None:
    result = cli(*DECIDE[:-2])
    assert result.returncode == 2
    assert "at least two options" in result.stderr


def test_chat_answers_lines_and_takes_feedback(
    cli: Cli, agent: PersonaAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "/good", "hello", "", "/good  very", "/correct", "/correct hi you", "bye",
         "/bad", "/persona", "/what", "/quit", "never")  # fmt: skip
    result = cli("chat", "--user", "ana", "--thread", "t")
    assert result.returncode == 0
    assert result.stdout == "You said: hello\nYou said: bye\n"
    first, second = agent.memory.episodes.timeline("ana")
    assert first.outcome == "hi you"
    assert first.feedback is not None
    assert (first.feedback.thumb, first.feedback.comment) == (1, "very")
    assert second.feedback is not None
    assert second.feedback.thumb == -1
    assert "there is no answer yet" in result.stderr
    assert "needs the right answer" in result.stderr
    assert "no persona yet" in result.stderr
    assert "/quit" in result.stderr


def test_chat_goes_on_with_its_thread(
    cli: Cli, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("one", "two"):
        says(monkeypatch, text)
        cli("chat", "--user", "ana")
    assert [message.content for message in model.chats[-1][1:]] == ["one", "You said: one", "two"]


def test_chat_json_is_one_turn_a_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, "one", "caf\u00e9")
    lines = cli("chat", "--user", "ana", "--json").stdout.splitlines()
    turns = [ChatTurn.model_validate_json(line) for line in lines]
    assert [turn.text for turn in turns] == ["You said: one", "You said: caf\u00e9"]


def test_chat_goes_on_after_a_failed_call_but_says_so_in_the_end(
    cli: Cli, replies: list[str | Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    replies += [ModelCallError("HTTP 500"), "fine"]
    says(monkeypatch, "one", "two")
    result = cli("chat", "--user", "ana")
    assert result.returncode == 1
    assert result.stdout == "fine\n"
    assert "HTTP 500" in result.stderr


def test_chat_cannot_be_used_to_drive_the_terminal(
    cli: Cli, replies: list[str | Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    replies.append("\x1b[2J[red]a\x07")
    says(monkeypatch, "one")
    assert cli("chat", "--user", "ana").stdout == "[red]a\n"


def revision(user: str = "ana", **fields: object) -> Revision:
    return Revision.model_validate(
        {
            "user_id": user,
            "from_version": None,
            "to_version": "v2",
            "accepted": True,
            "reason": "two of three misses are gone",
            "model": "scripted",
            "usage": Usage(calls=3, prompt_tokens=100, completion_tokens=20, seconds=1.5),
        }
        | fields
    )


def test_optimize_shows_gates_edits_and_cost(
    cli: Cli, ana: PersonaAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = tuple(episode.id for episode in ana.memory.episodes.timeline("ana"))
    edit = Edit(operation=EditOperation.ADD, text="takes the [train]", scope="to town",
                reason="three misses", evidence=evidence[:1])  # fmt: skip
    gate = GateResult(gate="validation", episodes=8, candidate_loss=0.25, incumbent_loss=0.5,
                       difference=-0.25, standard_error=0.1,
                      passed=True, terms=(
                          TermMeans(term="task", weight=1, candidate=0.2, incumbent=0.4),
                          TermMeans(term="copying", weight=0.5, candidate=0.0, incumbent=None),
                          TermMeans(term="irrelevance", weight=1, candidate=None, incumbent=None),
                      ))  # fmt: skip
    left_out = {"tools": 2, "rests on too few cases": 1}
    made = revision(edits=(edit,), rejected=(edit,), gates=(gate,), left_out=left_out)

    monkeypatch.setattr(PersonaAgent, "optimize_sync", lambda self, user: made)
    result = cli("optimize", "--user", "ana")
    assert result.returncode == 0
    assert result.stdout.startswith("ana: improved\ntwo of three misses are gone\n")
    row = next(line for line in result.stdout.splitlines() if line.strip().startswith("validation"))
    assert row.split() == [
        "validation",
        "8",
        "0.500",
        "0.250",
        "-0.250",
        "±",
        "0.100",
        "passed",
        *["task", "0.40", "->", "0.20,", "copying", "-", "->", "0.00"],
    ]
    assert (
        "Edits kept\n  add to town: takes the [train]\n    because: three misses" in result.stdout
    )
    assert "      2026-03-01  How to get to town 0? -> train" in result.stdout
    assert "Edits turned down" in result.stdout
    assert "wrote: 3; tools (2), rests on too few cases (1)\n" in result.stdout
    assert "3 calls, 100 + 20 tokens" in result.stdout
    found = cli("optimize", "--user", "ana", "--json").stdout
    assert Revision.model_validate_json(found) == made


def test_optimize_all_goes_on_after_one_who_fails(
    cli: Cli, agent: PersonaAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in ("ana", "ben", "cleo", "dan"):
        agent.record_sync(user, "tea?", "yes")

    async def optimize(self: PersonaAgent, user: str) -> Revision:
        if user == "ben":
            raise ModelCallError("HTTP 500")
        if user == "cleo":
            raise BudgetExceededError("3 calls")
        return revision(user, accepted=False)

    monkeypatch.setattr(PersonaAgent, "optimize", optimize)
    result = cli("optimize", "--all", "--json")
    assert result.returncode == 1
    found = json.loads(result.stdout)
    assert [one["user_id"] for one in found["revisions"]] == ["ana", "dan"]
    assert found["errors"] == {"ben": "HTTP 500", "cleo": "3 calls"}
    assert "ana: left as it was" in cli("optimize", "--all").stdout


def test_optimize_all_interrupted_shows_what_is_done(
    cli: Cli, agent: PersonaAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in ("ana", "ben"):
        agent.record_sync(user, "tea?", "yes")

    def some(self: PersonaAgent, users: list[str]) -> Iterator[Optimized]:
        yield Optimized(user_id="ana", revision=revision("ana"))
        raise KeyboardInterrupt

    monkeypatch.setattr(PersonaAgent, "optimize_all_sync", some)
    result = cli("optimize", "--all")
    assert result.returncode == 130
    assert result.stdout.startswith("ana: taken up, not judged\n")
    assert "1 of 2 users are done" in result.stderr
    assert json.loads(cli("optimize", "--all", "--json").stdout)["errors"] == {}


def test_optimize_names_an_unknown_user(cli: Cli, ana: PersonaAgent) -> None:
    result = cli("optimize", "--user", "bob")
    assert result.returncode == 2
    assert "there is no user 'bob'" in result.stderr


def test_import_tells_what_was_new(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("persona_agent.evals.data.import_file")
    rows = [
        {"user_id": user, "query": f"tea {number}?", "outcome": "yes", "id": f"{user}-{number}"}
        for user in ("ana", "ben")
        for number in range(3)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    assert cli("import", str(path)).stdout == "6 new interactions of 2 users\n"
    again = cli("import", str(path), "--json")
    assert json.loads(again.stdout) == {
        "read": 6, "new": 0, "outcomes": 0, "users": ["ana", "ben"],
    }  # fmt: skip
    missing = cli("import", str(tmp_path / "none.jsonl"))
    assert missing.returncode == 2


def test_import_takes_outcomes_that_come_later(
    cli: Cli, agent: PersonaAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.jsonl"
    row = {"user": "ana", "id": "one", "query": "tea?"}

    def told(**more: str) -> CompletedProcess[str]:
        path.write_text(json.dumps(row | more), encoding="utf-8")
        return cli("import", str(path))

    assert told().stdout == "1 new interaction of 1 user\n"
    monkeypatch.setattr(HashEmbedder, "embed", None)  # nothing is embedded again
    later = "0 new interactions of 1 user; 1 outcome of earlier ones; 1 was there already\n"
    assert told(outcome="yes").stdout == later
    other = told(outcome="no")
    assert other.stdout == "0 new interactions of 1 user; 1 was there already\n"
    assert other.stderr == "1 has another outcome than the one that is stored, which stays\n"
    assert [one.outcome for one in agent.memory.episodes.timeline("ana")] == ["yes"]


def test_a_file_with_one_wrong_late_outcome_is_not_imported_at_all(
    cli: Cli, agent: PersonaAgent, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    known = [
        {"user": "ana", "id": name, "query": f"{name}?", "options": ["x", "y"]} for name in "ab"
    ]
    later = [
        {"user": "ana", "id": "a", "query": "a?", "outcome": "x"},
        {"user": "ana", "id": "new", "query": "new?", "outcome": "x"},
        {"user": "ana", "id": "b", "query": "b?", "outcome": "z"},
    ]
    path.write_text(json.dumps(known), encoding="utf-8")
    assert cli("import", str(path)).returncode == 0
    path.write_text(json.dumps(later), encoding="utf-8")
    refused = cli("import", str(path))
    assert refused.returncode == 2
    assert "'b'" in refused.stderr and "not one of the options" in refused.stderr
    stored = agent.memory.episodes.timeline("ana")
    assert sorted((one.id, one.outcome) for one in stored) == [("a", None), ("b", None)]


@pytest.mark.parametrize("bench", ["memory", "serve", "kill"])
def test_what_measures_writes_its_results_to_a_file(
    cli: Cli, bench: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli("bench", bench, "--json")
    assert "--json: expected one argument" in capsys.readouterr().err


def test_ui_without_streamlit_has_the_install_line(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = cli("ui")
    assert result.returncode == 2
    assert "[ui]" in result.stderr


def test_ui_runs_streamlit_on_the_app_with_the_settings(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("streamlit") is None:  # looked for only: it loads for a second
        pytest.skip("streamlit is not installed")
    seen: list[tuple[list[str], dict[str, str]]] = []

    def execve(program: str, command: list[str], env: dict[str, str]) -> None:
        seen.append((command, env))
        raise SystemExit(3)  # a process that became another one does not come back

    monkeypatch.setattr("os.execve", execve)
    asked = ("ui", "--data-dir", "here", "--port", "9000", "--headless", "--visitors")
    with pytest.raises(SystemExit):
        cli(*asked)
    command, environment = seen[0]
    assert command[1:4] == ["-m", "streamlit", "run"]
    assert Path(command[4]).name == "app.py"
    assert command[command.index("--server.port") + 1] == "9000"
    assert command[command.index("--server.address") + 1] == "127.0.0.1"
    assert command[command.index("--server.showEmailPrompt") + 1] == "false", "it would wait for it"
    assert command[-2:] == ["--", "--visitors"]
    assert environment["PERSONA_AGENT_DATA_DIR"] == "here"


def test_ui_passes_only_what_was_given() -> None:
    from argparse import Namespace

    given = Namespace(data_dir=None, model="ollama/x", api_base=None)
    assert _settings(given) == {"PERSONA_AGENT_MODEL": "ollama/x"}
