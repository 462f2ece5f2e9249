"""Interactions of one's own as a data set: what is held back, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from persona_agent.errors import InputError
from persona_agent.evals.atlas.sources import file_histories
from persona_agent.evals.data.lamp import load_dataset
from persona_agent.evals.evaluation import evaluate_file
from persona_agent.settings import Settings

GENRES = ["thriller", "comedy", "documentary"]


def films(user: str, number: int, **fields: Any) -> list[dict[str, Any]]:
    return [
        {
            "user": user,
            "query": f"A film for evening {day}?",
            "options": GENRES,
            "outcome": GENRES[day % 2],
            "at": f"2026-03-{day + 1:02}T20:00:00Z",
            "task": "film",
        }
        | fields
        for day in range(number)
    ]


def written(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    return path


def test_the_latest_fifth_of_each_user_are_the_queries(tmp_path: Path) -> None:
    records = films("ana", 10) + films("ben", 3)
    data = load_dataset(written(tmp_path / "mine.jsonl", records[::-1]))
    assert (data.name, data.task, data.kind, data.notation) == ("mine", "film", "choice", "text")
    assert set(data.labels) == set(GENRES)
    ana, ben = data.users
    assert (len(ana.history), len(ana.queries)) == (8, 2)
    assert (len(ben.history), len(ben.queries)) == (2, 1)
    assert [one.gold for one in ana.queries] == ["thriller", "comedy"]
    for user in data.users:
        last = max(one.at for one in user.history)
        assert all(one.at is not None and one.at > last for one in user.queries)


def test_what_has_no_known_right_answer_does_not_count(tmp_path: Path) -> None:
    records = films("ana", 5)
    records += films("ana", 5, outcome=None) + films("ana", 5, options=[], outcome="any text")
    data = load_dataset(written(tmp_path / "mine.jsonl", records))
    assert len(data.users[0].history) + len(data.queries) == 5
    with pytest.raises(InputError, match="no answer can be right or wrong"):
        load_dataset(written(tmp_path / "none.jsonl", films("ana", 3, options=[])))


def test_one_task_at_a_time(tmp_path: Path) -> None:
    ratings = films("ana", 5, options=[1, 2, 3], outcome=2, task="rating")
    path = written(tmp_path / "mine.jsonl", films("ana", 5) + ratings)
    with pytest.raises(InputError, match=r"name one with --task: 'film' \(5\), 'rating' \(5\)"):
        load_dataset(path)
    data = load_dataset(path, "rating")
    assert (data.kind, data.labels) == ("rating", ("1", "2", "3"))
    with pytest.raises(InputError, match="no task 'dinner'"):
        load_dataset(path, "dinner")
    records = films("ana", 5) + films("ben", 5, options=[1, 2], outcome=2)
    mixed = written(tmp_path / "mixed.jsonl", records)
    with pytest.raises(InputError, match="has choices and ratings"):
        load_dataset(mixed)


def test_options_of_single_questions_are_told_by_number(tmp_path: Path) -> None:
    records = films("ana", 5)
    for number, one in enumerate(records):
        one["options"] = [f"a long description {number} of {place}" for place in range(3)]
        one["outcome"] = one["options"][1]
    data = load_dataset(written(tmp_path / "mine.jsonl", records))
    assert (data.notation, data.labels) == ("index", ("[1]", "[2]", "[3]"))
    assert [one.gold for one in data.queries] == ["[2]"]


def test_tables_and_whole_users_are_read_as_well(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    rows = [f"ana,film {day}?,a|b,{'ab'[day % 2]}" for day in range(5)]
    table.write_text("\n".join(["user,query,options,outcome", *rows]), encoding="utf-8")
    assert len(load_dataset(table).queries) == 1
    whole = tmp_path / "ana.json"
    records = [{k: v for k, v in one.items() if k != "user"} for one in films("ana", 5)]
    whole.write_text(json.dumps({"user_id": "ana", "interactions": records}), encoding="utf-8")
    assert load_dataset(whole).users[0].user_id == "ana"


def test_an_atlas_takes_all_tasks_of_a_file(tmp_path: Path) -> None:
    records = films("ana", 5) + films("ana", 2, task="other") + films("ben", 4, outcome=None)
    found = file_histories(written(tmp_path / "mine.jsonl", records))
    assert {user: len(history) for user, history in found.items()} == {"ana": 7}


def test_arms_run_on_them(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.jsonl", films("ana", 10) + films("ben", 10))
    settings = Settings(embedder="hash", data_dir=tmp_path)
    result = evaluate_file(path, settings, arms=["majority-user", "last"])
    assert result.arms["last"].metrics["accuracy"].value == 0.5
    assert result.queries == 4
