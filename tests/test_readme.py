"""What the documentation shows is true: its lines parse, its Python runs, its tables are whole."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from persona_agent.cli.main import build_parser
from persona_agent.evals.arms.catalog import ARMS
from persona_agent.evals.data.import_file import read_interactions
from persona_agent.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINES_OF_THE_FIRST_PROGRAM = 15


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of one language, in order."""
    return [text for name, text in FENCE.findall(README) if name == language]


def set_up_line(marker: str) -> str:
    """Return the one line of the block behind a marker."""
    (text,) = re.findall(rf"^<!-- {marker} -->\n```bash\n(.*?)^```$", README, re.M | re.S)
    (line,) = text.splitlines()
    return str(line)


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table whose first column has this heading."""
    lines = README.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return rows


@pytest.mark.parametrize(
    ("marker", "end"), [("demo line", "/persona-agent demo"), ("test line", "/pytest")]
)
def test_a_set_up_line_needs_nothing_but_python(marker: str, end: str) -> None:
    line = set_up_line(marker)
    assert line.endswith(end)
    venv, install, run = (shlex.split(part) for part in line.split("&&"))
    assert venv[:3] == ["python3.11", "-m", "venv"]
    assert install[0] == f"{venv[3]}/bin/pip" and "constraints.txt" in install
    assert run[0].startswith(f"{venv[3]}/bin/")


@pytest.mark.slow
def test_the_python_blocks_run_one_after_the_other(tmp_path: Path) -> None:
    programs = blocks("python")
    first = [line for line in programs[0].splitlines() if line.strip()]
    assert len(first) <= LINES_OF_THE_FIRST_PROGRAM
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(programs)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("True "), "the optimization found nothing"
    assert "\ncomedy " in done.stdout
    assert (tmp_path / "data" / "memory.db").is_file()


def test_every_command_line_is_one_the_parser_knows() -> None:
    parser = build_parser()
    shown = [line for text in blocks("bash") for line in text.splitlines()]
    commands = [
        line for line in shown if re.match(r"(PERSONA_AGENT_\w+=\S+ )*persona-agent ", line)
    ]
    assert len(commands) > 8
    for line in commands:
        words = shlex.split(line)
        arguments = parser.parse_args(words[words.index("persona-agent") + 1 :])
        assert callable(arguments.run), line


def test_the_interactions_shown_can_be_imported(tmp_path: Path) -> None:
    (text,) = blocks("json")
    path = tmp_path / "interactions.jsonl"
    path.write_text(text, encoding="utf-8")
    assert [episode.outcome for episode in read_interactions(path)] == ["salad", "4"]


def test_the_table_of_settings_is_whole() -> None:
    def shown(value: object) -> str:
        return "" if value is None else str(value).lower() if value in (True, False) else str(value)

    fields = Settings.model_fields
    defaults = {f"PERSONA_AGENT_{n.upper()}": shown(f.default) for n, f in fields.items()}
    assert {name: default for name, default, _ in table("setting")} == defaults


def test_the_table_of_arms_is_whole() -> None:
    assert [row[0] for row in table("arm")] == list(ARMS)


def test_the_figures_at_the_beginning_are_those_of_the_results() -> None:
    results = README.partition("### Results on development data\n")[2].partition("\n## ")[0]
    rows = table("right answers on later queries, offline model")
    figures = [cell for _, *cells in rows for cell in cells if cell]
    assert len(figures) > 10
    for figure in figures:
        assert f"| {figure} [" in results, f"{figure} is not in the tables of the results"


@pytest.mark.parametrize("text", [README, ARCHITECTURE], ids=["README", "ARCHITECTURE"])
def test_links_lead_somewhere(text: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}
            assert target[1:] in anchors
        elif not target.startswith("https://"):
            assert (ROOT / target).exists(), target


def test_the_layers_are_those_that_are_enforced() -> None:
    drawn = re.findall(r"^## Layers\n\n```text\n(.*?)^```$", ARCHITECTURE, re.M | re.S)
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (layers,) = [one["layers"] for one in contracts if one["type"] == "layers"]
    assert drawn[0].splitlines() == [line.replace("persona_agent.", "") for line in layers]


def test_the_ownership_map_is_whole() -> None:
    named = set(re.findall(r"^- `([\w/]+\.py)`", ARCHITECTURE, re.MULTILINE))
    folders = ("persona_agent", "memory", "optimizer", "evals", "ui")
    ours = {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if not any(part.is_symlink() for part in path.parents)
        and path.name not in ("__init__.py", "__main__.py")
    }
    assert named == ours, "mend the ownership map in ARCHITECTURE.md"
