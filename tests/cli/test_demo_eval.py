"""``eval`` and ``demo`` as a program runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from persona_agent.cli.main import main
from persona_agent.evals import demo
from persona_agent.evals.arms.catalog import ARMS
from persona_agent.evals.data.demo_data import DemoUser, load_demo_users

TAGS = ("comedy", "war")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    def question(text: str) -> str:
        return (
            "Which tag does this movie relate to among the following tags? Just answer with the "
            f"tag name without further explanation. tags: [{', '.join(TAGS)}] description: {text}"
        )

    users = [
        {
            "user_id": f"u{user}",
            "profile": [
                {"id": f"p{user}{n}", "tag": TAGS[n % 2], "description": f"film {n} of {user}"}
                for n in range(6)
            ],
            "query": [{"id": f"q{user}", "input": question("a film"), "gold": TAGS[user]}],
        }
        for user in range(2)
    ]
    path = tmp_path / "films.json"
    path.write_text(json.dumps(users), encoding="utf-8")
    return path


def without_times(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for arm in found["arms"].values():
        del arm["usage"]["seconds"]
    return found


def test_eval_lamp_prints_a_table_and_writes_results(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, again, rescored = (tmp_path / name for name in ("a.json", "deep/b.json", "c.json"))
    assert main(["eval", "lamp", "--data", str(data), "--json", str(out)]) == 0
    written = capsys.readouterr()
    assert all(name in written.out for name in ARMS)
    assert "results written to" in written.err
    found = json.loads(out.read_text())
    assert list(found["arms"]) == list(ARMS)
    assert (found["model"], found["embedder"]) == ("offline", "hash-256")

    assert main(["eval", "lamp", "--data", str(data), "--json", str(again)]) == 0
    assert without_times(again) == without_times(out)
    assert main(["eval", "rescore", str(out), "--json", str(rescored)]) == 0
    assert without_times(rescored) == without_times(out)


def test_eval_lamp_takes_a_part(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    arguments = ["--arms", "generic,last", "--users", "1", "--queries", "1", "--seed", "7"]
    assert main(["eval", "lamp", "--data", str(data), *arguments, "--json", str(out)]) == 0
    found = json.loads(out.read_text())
    assert list(found["arms"]) == ["generic", "last"]
    assert (found["users"], found["queries"], found["seed"]) == (1, 1, 7)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--arms", "best"], "unknown arm(s): best"),
        (["--task", "chess"], "chess"),
        (["--data", "none.json"], "none.json"),
    ],
)
def test_eval_lamp_names_what_is_wrong(
    data: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "lamp", "--data", str(data), *arguments]) == 2
    written = capsys.readouterr()
    assert said in written.err
    assert written.out == ""


def test_eval_lamp_says_beforehand_where_results_cannot_be_written(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--arms", "last", "--json", str(data / "under a file.json")]
    with pytest.raises(SystemExit, match="2"):
        main(["eval", "lamp", "--data", str(data), *arguments])
    shown = capsys.readouterr()
    assert "cannot be written" in shown.err and not shown.out


def few() -> tuple[DemoUser, ...]:
    return tuple(
        one.model_copy(update={"interactions": one.interactions[:15]})
        for one in list(load_demo_users())[:2]
    )


def untimed(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    for used in found["usage"].values():
        del used["seconds"]
    found["revisions"] = len(found["revisions"])
    return found


def test_demo_as_json_is_the_same_each_time_and_leaves_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "load_demo_users", few)
    shown = []
    for _ in range(2):  # the second time over the users of the first
        assert main(["demo", "--json", "--data-dir", str(tmp_path / "demo")]) == 0
        shown.append(untimed(capsys.readouterr().out))
    first, second = shown
    assert first == second
    assert [person["history"] for person in first["people"]] == [9, 9]
    assert [person["queries"] for person in first["people"]] == [6, 6]
    assert first["model"] == "offline"
    for scores in (first["overall"], *(person["scores"] for person in first["people"])):
        assert list(scores) == ["generic", "persona", "persona+alignment"]
        assert all(0 <= one["value"] <= 1 for one in scores.values())
    assert first["usage"]["optimize"]["calls"] > 0
    assert main(["persona", "show", "--user", first["people"][0]["user_id"],
                 "--data-dir", str(tmp_path / "demo")]) == 0  # fmt: skip


def test_demo_shows_scores_a_change_costs_and_what_to_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "load_demo_users", few)
    assert main(["demo", "--data-dir", str(tmp_path / "demo")]) == 0
    out, told = capsys.readouterr()
    assert f"kept in {tmp_path / 'demo'} (a new folder" in told.replace("\n", "")
    for person in few():
        assert person.name in out
    for part in (
        "persona+alignment",
        "before and after",
        "Try next:",
        "prompt tokens",
        "worse off",
    ):
        assert part in out


@pytest.mark.slow
def test_the_whole_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--json", "--data-dir", str(tmp_path / "demo")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["people"]) >= 8
    assert len(found["revisions"]) == len(found["people"])
