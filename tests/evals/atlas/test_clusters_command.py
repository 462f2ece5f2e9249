"""``persona-agent clusters`` from data to files."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from persona_agent import PersonaAgent
from persona_agent.cli.main import main
from persona_agent.evals.atlas import Atlas, Verdict

STORIES = ("fools and jokes", "grief and letters", "a trench at war")
TAGS = ("comedy", "drama", "war")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PERSONA_AGENT_EMBEDDER", "hash")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with two users, one of them with two versions."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with PersonaAgent.open(tmp_path / "kept") as agent:
        for user, shift in (("ana", 0), ("ben", 1)):
            for day in range(18):
                agent.record_sync(
                    user,
                    f"A film of {STORIES[day % 3]}, evening {day}?",
                    TAGS[(day + shift) % 3],
                    options=TAGS,
                    task="film",
                    at=start + timedelta(days=day),
                )
                if day in (8, 17) and (user == "ana" or day == 17):
                    agent.optimize_sync(user)
    return tmp_path / "kept"


def test_stored_personas_with_all_versions(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with PersonaAgent.open(data) as agent:
        versions = {user: len(agent.history_sync(user)) for user in ("ana", "ben")}
    arguments = ["--data", str(data), "--json", "all.json", "--png", "map.png", "--dark"]
    assert main(["clusters", *arguments]) == 0
    shown = capsys.readouterr()
    assert "No verdict" in shown.out
    assert "a verdict needs 5 users" in shown.err
    written = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    atlas = Atlas.model_validate_json(json.dumps(written["atlas"]))
    assert {u: sum(p.user_id == u for p in atlas.points) for u in versions} == versions
    assert written["verdict"] is None
    assert (tmp_path / "atlas.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (tmp_path / "map.png").stat().st_size > 0


@pytest.mark.slow
def test_a_file_is_learned_from_and_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def item(user: int, n: int) -> dict[str, object]:
        return {
            "id": f"{user}-{n}",
            "description": f"{STORIES[n % 3]} number {user} {n}",
            "tag": TAGS[user % 3] if n % 4 else TAGS[n % 3],
            "timestamp": n,
        }

    asked = "Which tag does this movie relate to among the following tags? Just answer with the "
    users = [
        {
            "user_id": f"user {user}",
            "profile": [item(user, n) for n in range(22)],
            "query": [
                {
                    "id": f"{user}-q",
                    "input": f"{asked}tag name without further explanation. tags: [comedy, drama, "
                    f"war] description: {STORIES[0]} later {user}",
                    "gold": TAGS[user % 3],
                    "timestamp": 100,
                }
            ],
        }
        for user in range(6)
    ]
    (tmp_path / "films.json").write_text(json.dumps(users), encoding="utf-8")
    arguments = ["--data", "films.json", "--half", "6", "--json", "all.json", "--by", "behaviour"]
    assert main(["clusters", *arguments, "--out", "here.html"]) == 0
    shown = capsys.readouterr().out
    verdict = Verdict.model_validate_json(
        json.dumps(json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))["verdict"])
    )
    assert verdict.words[0] in shown
    assert (verdict.users, verdict.half) == (6, 6)
    page = (tmp_path / "here.html").read_text(encoding="utf-8")
    assert "What the verdict rests on" in page and "histories shuffled" in page


@pytest.mark.slow
def test_the_demo_users_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clusters", "--no-verdict"]) == 0
    assert "10 personas" in capsys.readouterr().out
    assert "Maya Okafor" in (tmp_path / "atlas.html").read_text(encoding="utf-8")


def test_what_is_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clusters", "--data", "nowhere"]) == 2
    assert "neither a file nor a folder" in capsys.readouterr().err
    PersonaAgent.open(tmp_path / "empty").close()
    assert main(["clusters", "--data", "empty"]) == 2
    assert "there is no persona yet" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["clusters", "--no-verdict", "--out", "empty"])
    assert "'empty' is a folder: name a file in it" in capsys.readouterr().err
