"""Reports: one page that needs nothing else, the same tables as Markdown, no way out of them."""

from __future__ import annotations

import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest

from persona_agent.cli.main import build_parser, main
from persona_agent.evals.evaluation import evaluate_file
from persona_agent.evals.report.build import Figure, Report, Section, build_report
from persona_agent.evals.report.markdown import escaped, markdown
from persona_agent.evals.report.page import page
from persona_agent.evals.scores.results import EvalResult, save_result
from persona_agent.evals.sweeps import SweepResult, run_sweep
from persona_agent.settings import Settings
from tests.evals.test_lamp_run import Write, film_users

OFFLINE = Settings(embedder="hash")
ARMS = ["generic", "rag", "rag+stats", "personaagent-paper", "persona+alignment", "without-memory"]
HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>|`${}`\n# h [a](javascript:b)"
)


def evaluated(write: Write, name: str, users: int = 3) -> EvalResult:
    path = write(film_users(users=users, history=12), f"{name}.json")
    return evaluate_file(path, OFFLINE, arms=ARMS)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> EvalResult:
    path = tmp_path_factory.mktemp("films") / "films.json"
    path.write_text(json.dumps(film_users(history=12)), encoding="utf-8")
    return evaluate_file(path, OFFLINE, arms=ARMS)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> SweepResult:
    path = tmp_path_factory.mktemp("films") / "films.json"
    path.write_text(json.dumps(film_users(history=12)), encoding="utf-8")
    return run_sweep("history", path, OFFLINE, values=[0, 3, 12])


def renamed(result: EvalResult, name: str) -> EvalResult:
    return result.model_copy(update={"dataset": name})


class Reader(HTMLParser):
    """Collects tags, scripts and the text of cells."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.tables: list[list[list[str]]] = []
        self._cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.tables[-1][-1][-1] += data


def read(report: Report) -> Reader:
    reader = Reader()
    reader.feed(page(report))
    return reader


def test_the_page_needs_nothing_else_and_holds_every_table(
    films: EvalResult, swept: SweepResult
) -> None:
    report = build_report({"a.json": films, "b.json": renamed(films, "more"), "s.json": swept})
    reader = read(report)
    assert reader.links == []
    assert not {"link", "img", "iframe"} & set(reader.tags)
    wanted = [
        [list(table.columns), *map(list, table.rows)]
        for section in report.sections
        for table in section.tables
    ]
    assert reader.tables == wanted
    assert len(wanted) >= 9
    titles = [section.title for section in report.sections]
    for part in ("Scores", "Users", "Ablations", "Cost", "Calibration", "Sweep of history: films"):
        assert part in titles
    figures = sum(len(section.figures) for section in report.sections)
    assert reader.tags.count("figure") == figures >= 9


def test_every_plot_is_data_that_a_browser_can_read(films: EvalResult, swept: SweepResult) -> None:
    text = page(build_report({"a.json": films, "s.json": swept}))
    plots = [
        json.loads(found)
        for found in re.findall(r'<script type="application/json">(.*?)</script>', text, re.S)
    ]
    assert plots
    for plot in plots:
        assert plot["data"] and plot["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)"
        assert all(trace["x"] and trace["y"] for trace in plot["data"])


def test_no_data_of_a_plot_can_end_its_script() -> None:
    class Plot:
        def to_json(self) -> str:
            return '{"name": "</script><script>alert(1)</script>"}'

    drawn = Section("s", figures=(Figure("f", Plot),))
    assert read(Report("t", (drawn,))).tags.count("script") == 1 + 2


def with_arm(result: EvalResult, name: str) -> EvalResult:
    """Return the result with one arm and one user more, both of this name."""
    records = [
        one.model_copy(update={"answers": one.answers | {name: one.answers["rag"]}})
        for one in result.records
    ]
    records[-1] = records[-1].model_copy(update={"user_id": name})
    arms = result.arms | {name: result.arms["rag"]}
    return result.model_copy(update={"arms": arms, "records": tuple(records)})


def test_hostile_names_are_shown_and_do_nothing(films: EvalResult) -> None:
    names = {"dataset": HOSTILE, "task": HOSTILE}
    hostile = with_arm(films, HOSTILE).model_copy(update=names)
    report = build_report({HOSTILE: hostile}, title=HOSTILE)
    plain = build_report({"a.json": with_arm(films, "more")}, title="plain")
    found, usual = read(report), read(plain)
    assert found.tags == usual.tags, "no name becomes markup"
    assert (found.links, found.handlers) == ([], [])
    assert any(HOSTILE in cell for table in found.tables for row in table for cell in row)
    for plot in re.findall(r'<script type="application/json">(.*?)</script>', page(report), re.S):
        assert "<" not in plot
        assert "<img" not in json.dumps(json.loads(plot)), "plotly would take it for markup"


def test_markdown_has_the_same_tables_and_hostile_names_stay_in_their_cells(
    films: EvalResult,
) -> None:
    hostile = renamed(films, HOSTILE)
    report = build_report({"a.json": films, "b.json": hostile}, title=HOSTILE)
    text = markdown(report)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    tables = [table for section in report.sections for table in section.tables]
    assert len(rows) == sum(2 + len(table.rows) for table in tables)
    widths = [len(re.findall(r"(?<!\\)\|", row)) - 1 for row in rows]
    assert widths == [n for t in tables for n in [len(t.columns)] * (2 + len(t.rows))]
    shown = text.split("\n## Commands")[0]
    assert "<script" not in shown.replace("\\<", "")
    assert not re.search(r"(?<!\\)\]\(", shown)


def test_escaped_text_is_one_line_without_markup() -> None:
    assert escaped("a|b\n<c> *d* `e` &amp;") == "a\\|b \\<c\\> \\*d\\* \\`e\\` &amp;amp;"


def test_the_commands_are_ones_that_the_parser_knows(films: EvalResult, swept: SweepResult) -> None:
    part = films.model_copy(update={"settings": {"data": "my films.json", "users": 2}})
    lines = build_report({"a.json": part, "s.json": swept}).commands
    parsed = [build_parser().parse_args(shlex.split(line)[1:]) for line in lines]
    assert parsed[0].data == Path("my films.json")
    assert parsed[0].users == 2 and parsed[0].arms == list(ARMS)
    assert parsed[1].values == [0, 3, 12] and parsed[1].seeds == [0]
    assert parsed[2].files == [parsed[0].json, parsed[1].json]


def test_results_without_ours_are_reported_as_well(films: EvalResult) -> None:
    few = {name: films.arms[name] for name in ("generic", "rag")}
    records = tuple(
        one.model_copy(update={"answers": {n: one.answers[n] for n in few}, "confidences": {}})
        for one in films.records
    )
    bare = films.model_copy(update={"arms": few, "records": records, "comparisons": ()})
    titles = [section.title for section in build_report({"a.json": bare}).sections]
    assert "Scores" in titles and "Ablations" not in titles
    assert page(build_report({"a.json": bare}))


def test_a_report_from_the_command_line(
    films: EvalResult, swept: SweepResult, tmp_path: Path
) -> None:
    save_result(films, tmp_path / "a.json")
    save_result(swept, tmp_path / "s.json")
    files = [str(tmp_path / name) for name in ("a.json", "s.json")]
    out, text = tmp_path / "out" / "r.html", tmp_path / "r.md"
    assert main(["eval", "report", *files, "--out", str(out), "--markdown", str(text)]) == 0
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "## Sweep of history: films" in text.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.json", "--markdown", "r.md"], "none.json"),
        (["bad.json", "--markdown", "r.md"], "not a result of an evaluation"),
        (["bad.json"], "--out FILE.html"),
        (["bad.json", "bad.json", "--markdown", "r.md"], "bad.json"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "bad.json").write_text('{"x": 1}', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["eval", "report", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_several_models_are_not_one_report(films: EvalResult) -> None:
    other = films.model_copy(update={"model": "openai/x", "dataset": "other"})
    with pytest.raises(ValueError, match="several models"):
        build_report({"a.json": films, "b.json": other})


def test_the_sweep_command_shows_tables_and_writes_a_file(
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PERSONA_AGENT_EMBEDDER", "hash")
    path = write(film_users(), "films.json")
    out = tmp_path / "s.json"
    arguments = ["--data", str(path), "--values", "0,4", "--arms", "rag,persona+alignment"]
    assert main(["eval", "sweep", "memories", *arguments, "--json", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "accuracy by memories" in shown and "over" in shown
    assert SweepResult.model_validate_json(out.read_text(encoding="utf-8")).sweep == "memories"
