"""Importing one's own interactions: every format, all or nothing, errors with line and field."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from persona_agent.errors import InputError
from persona_agent.evals.data.import_file import read_interactions
from persona_agent.schema import Episode, Query

Write = Callable[..., Path]

ROW = {
    "user": "ada",
    "query": "Tea or coffee?",
    "outcome": "tea",
    "options": ["tea", "coffee"],
    "at": "2026-01-02T03:04:05+00:00",
    "task": "drinks",
    "id": "e1",
}
EPISODE = Episode(
    id="e1",
    user_id="ada",
    query=Query(text="Tea or coffee?", options=("tea", "coffee"), task="drinks"),
    outcome="tea",
    at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
)
MARKED = {
    "user_id": "ada",
    "query": {"text": "Tea or coffee?"},
    "metadata": {"persona_agent:simulated": True},
}
HEADING = "user,query,outcome,options,at,task,id\n"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ([ROW], "a.json"),
        (ROW, "a.json"),
        (json.dumps(ROW) + "\n" + json.dumps({**ROW, "id": "e2"}), "a.jsonl"),
        ({"user_id": "ada", "interactions": [{**ROW, "user": None}]}, "a.json"),
        ([EPISODE.model_dump(mode="json")], "a.json"),
        (HEADING + "ada,Tea or coffee?,tea,tea|coffee,2026-01-02 03:04:05,drinks,e1\n", "a.csv"),
        (HEADING + 'ada,Tea or coffee?,tea,"[""tea"", ""coffee""]",1767323045,drinks,e1', "a.csv"),
        (
            (HEADING + "ada,Tea or coffee?,tea,tea|coffee,2026-01-02,drinks,e1\n")
            .replace(",", ";")
            .replace("2026-01-02", "2026-01-02 03:04:05"),
            "a.csv",
        ),
        (
            HEADING.replace(",", "\t")
            + "ada\tTea or coffee?\ttea\ttea|coffee\t1767323045\tdrinks\te1",
            "a.tsv",
        ),
        ("\ufeff" + HEADING + "ada,Tea or coffee?,tea,tea|coffee,1767323045,drinks,e1", "a.CSV"),
    ],
)
def test_every_format(write: Write, content: Any, name: str) -> None:
    assert read_interactions(write(content, name))[0] == EPISODE


def test_the_least_that_is_needed(write: Write) -> None:
    before = datetime.now(UTC)
    first, second = read_interactions(write([{"query": "a"}, {"query": "b"}]), user_id="ada")
    assert (first.user_id, first.outcome, first.query.options) == ("ada", None, ())
    assert first.at < second.at <= datetime.now(UTC)
    assert (before - first.at).total_seconds() < 1


def test_a_file_may_hold_one_record_a_user(write: Write) -> None:
    ada = {"user_id": "ada", "interactions": [{"query": "a"}, {"query": "b", "user": "cleo"}]}
    bob = {"user_id": "bob", "interactions": [{"query": "a"}]}
    found = read_interactions(write([ada, bob, {"query": "c"}]), "dan")
    assert [one.user_id for one in found] == ["ada", "cleo", "bob", "dan"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (gzip.compress(b"[]", mtime=0), "packed with gzip"),
        ("[]".encode("utf-16"), "UTF-16: save it as UTF-8"),
        (b"PK\x03\x04\xff", "save it as CSV"),
        ("caf\u00e9".encode("latin-1"), r"\(byte 3\): save it as UTF-8"),
    ],
    ids=["gzip", "UTF-16", "ZIP", "Latin-1"],
)
def test_a_file_in_another_encoding_is_told_what_to_do(
    tmp_path: Path, content: bytes, told: str
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=told):
        read_interactions(path)


def test_importing_again_gives_the_same_ids(write: Write) -> None:
    path = write([{"query": "a"}, {"query": "a"}, {"query": "b"}])
    ids = [one.id for one in read_interactions(path, "ada")]
    assert ids == [one.id for one in read_interactions(path, "ada")]
    assert len(set(ids)) == 3
    assert set(ids).isdisjoint(one.id for one in read_interactions(path, "bob"))


def test_a_record_may_name_its_own_user(write: Write) -> None:
    rows = [{"user": "bob", "query": "a"}, {"query": "b"}]
    assert [one.user_id for one in read_interactions(write(rows), "ada")] == ["bob", "ada"]


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        ("", "a.json", ["empty"]),
        ("[]", "a.json", ["no interactions"]),
        (HEADING, "a.csv", ["no interactions"]),
        ("[{]", "a.json", ["not valid JSON"]),
        (json.dumps(ROW) + "\n{", "a.jsonl", ["line 2"]),
        ('{"user": "ada"\n', "a.jsonl", ["line 1: not valid JSON", "(column 15)"]),
        ([ROW, 5], "a.json", ["record 2", "a number"]),
        ([{"query": "a"}], "a.json", ["record 1", "'user' is missing"]),
        ([{"user": "a"}], "a.json", ["record 1", "'query' is missing"]),
        ([{**ROW, "query": ""}], "a.json", ["record 1", "'query' is blank"]),
        ([{**ROW, "query": " \n"}], "a.json", ["record 1", "'query' is blank"]),
        ([{**ROW, "query": None}], "a.json", ["record 1", "'query' is null"]),
        ([{**ROW, "outcome": "milk"}], "a.json", ["record 1", "'milk' is not one of the options"]),
        ([{**ROW, "outcom": "tea"}], "a.json", ["unknown field 'outcom'", "known: user, query"]),
        ([{**ROW, "options": 3}], "a.json", ["'options'", "a number"]),
        ([{**ROW, "options": [None]}], "a.json", ["'options'", "null"]),
        ([{**ROW, "options": ["tea", "tea"]}], "a.json", ["'options'|options must be distinct"]),
        ([{**ROW, "at": "soon"}], "a.json", ["'at'", "'soon' is not a time"]),
        ([{**ROW, "user": "a\nb"}], "a.json", ["'user_id'", "line breaks"]),
        ([ROW, ROW], "a.json", ["record 2", "'e1' has occurred before"]),
        ([{"user_id": "a", "query": {"text": ""}}], "a.json", ["record 1", "query.text"]),
        ([MARKED], "a.json", ["record 1", "use another key"]),
        (HEADING + "ada,a,b,c,d,e,f,g\n", "a.csv", ["line 2", "more cells than columns"]),
        (HEADING + "\nada,q,tea,[tea,,,\n", "a.csv", ["line 3", "'options'", "JSON list"]),
        (HEADING + 'ada,"q\n', "a.csv", ["not valid CSV"]),
        ([{"user_id": "a", "interactions": [{"query": ""}]}], "a.json", ["interaction 1"]),
        ([{"user_id": "a", "profile": [], "query": []}], "a.json", ["record 1", "eval lamp"]),
    ],
)
def test_bad_files_are_named(write: Write, content: Any, name: str, told: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        read_interactions(write(content, name))
    assert name in str(caught.value)
    for part in told:
        assert any(one in str(caught.value) for one in part.split("|"))
