"""Results: the file, its stability, scoring again, and the tables."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from persona_agent.errors import InputError
from persona_agent.evals.data.eval_data import EvalDataset, EvalQuery, EvalUser
from persona_agent.evals.report.inputs import load_input
from persona_agent.evals.scores.rescore import rescore
from persona_agent.evals.scores.results import (
    AnswerError,
    EvalResult,
    build_results,
    save_result,
    to_json,
)
from persona_agent.evals.tables import print_result, result_text
from persona_agent.schema import Query, Usage

Write = Callable[..., Path]

Key = tuple[str, str]
RIGHT = {"q1": "action", "q2": "comedy"}


LABELS = ("comedy", "action", "dark comedy")


def movies(*names: str) -> EvalDataset:
    """Return users with two queries each, whose answers are those of RIGHT."""
    query = Query(text="A film.", options=LABELS, task="movie-tagging")
    users = (
        EvalUser(
            user_id=name,
            queries=tuple(
                EvalQuery(user_id=name, query_id=key, query=query, gold=gold, outcome=gold)
                for key, gold in RIGHT.items()
            ),
        )
        for name in names
    )
    return EvalDataset(
        name="data", task="movie-tagging", kind="choice", labels=LABELS, users=tuple(users)
    )


@pytest.fixture
def dataset() -> EvalDataset:
    return movies("c", "a", "b")


def arm(dataset: EvalDataset, **wrong: str | None) -> dict[Key, str | None]:
    """Right answers, but for the queries named (``a_q1``)."""
    keys = [(one.user_id, one.query_id) for one in dataset.queries]
    return {key: wrong.get("_".join(key), RIGHT[key[1]]) for key in keys}


@pytest.fixture
def result(dataset: EvalDataset) -> EvalResult:
    answers = {
        "generic": arm(dataset, a_q1="comedy", b_q1="dark comedy", c_q1=None),
        "rag": arm(dataset, a_q1="comedy", a_q2="prose"),
        "persona+alignment": arm(dataset),
    }
    usage = {"rag": Usage(calls=6, prompt_tokens=9_000, completion_tokens=60, seconds=1.23456)}
    error = AnswerError(arm="generic", user_id="c", query_id="q1", error="timed out")
    return build_results(
        dataset, answers, usage, model="offline", embedder="hash", seed=1, errors=[error]
    )


def test_the_keys_are_those_that_were_promised(result: EvalResult) -> None:
    plain = json.loads(to_json(result))
    promised = "dataset task model embedder seed users queries arms comparisons records"
    assert " ".join(plain) == f"{promised} kind labels errors settings version"
    rag = plain["arms"]["rag"]
    assert list(rag)[:4] == ["metrics", "usage", "unparsed", "harmed_users_share"]
    assert rag["metrics"]["accuracy"] == {"value": 0.666667, "ci95": [0.0, 1.0]}
    assert rag["usage"] == {
        "calls": 6,
        "prompt_tokens": 9_000,
        "completion_tokens": 60,
        "seconds": 1.235,
        "cost_usd": 0.0,
    }
    assert list(plain["comparisons"][0]) == ["arm", "versus", "metric", "difference", "ci95"]
    assert plain["records"][0] == {
        "user_id": "a",
        "query_id": "q1",
        "gold": "action",
        "answers": {"generic": "comedy", "rag": "comedy", "persona+alignment": "action"},
    }


def test_scores(result: EvalResult) -> None:
    assert (result.users, result.queries) == (3, 6)
    accuracy = {name: one.metrics["accuracy"].value for name, one in result.arms.items()}
    assert accuracy == {"generic": 0.5, "rag": 0.666667, "persona+alignment": 1.0}
    assert [one.unparsed for one in result.arms.values()] == [1, 1, 0]
    assert [one.harmed_users_share for one in result.arms.values()] == [0, 0.333333, 0]
    assert [one.significantly_harmed_users_share for one in result.arms.values()] == [0, 0, 0]


def test_comparisons(result: EvalResult) -> None:
    found = [(one.arm, one.versus) for one in result.comparisons if one.metric == "accuracy"]
    assert found == [
        ("rag", "generic"),
        ("persona+alignment", "generic"),
        ("persona+alignment", "rag"),
    ]
    gain = next(one for one in result.comparisons if one.versus == "generic" and one.arm != "rag")
    assert (gain.metric, gain.difference, gain.ci95) == ("accuracy", 0.5, (0.5, 0.5))
    assert {one.metric for one in result.comparisons} == {"accuracy", "macro_f1"}


def test_records_are_sorted(result: EvalResult) -> None:
    keys = [(one.user_id, one.query_id) for one in result.records]
    assert keys == sorted(keys)


def test_equal_results_are_equal_bytes(dataset: EvalDataset, result: EvalResult) -> None:
    answers = {
        name: {(one.user_id, one.query_id): one.answers[name] for one in reversed(result.records)}
        for name in result.arms
    }
    again = build_results(
        dataset,
        answers,
        {"rag": Usage(calls=6, prompt_tokens=9_000, completion_tokens=60, seconds=1.23456)},
        model="offline",
        embedder="hash",
        seed=1,
        errors=result.errors,
    )
    assert to_json(again) == to_json(result)


def test_one_user_has_no_interval() -> None:
    data = movies("only")
    found = build_results(data, {"generic": arm(data)}, {}, model="m", embedder="e")
    assert found.arms["generic"].metrics["accuracy"].ci95 is None
    assert json.loads(to_json(found))["arms"]["generic"]["metrics"]["accuracy"]["ci95"] is None
    assert "needs 2 users" in result_text(found)


def test_without_generic_harm_is_unknown(dataset: EvalDataset) -> None:
    found = build_results(dataset, {"rag": arm(dataset)}, {}, model="m", embedder="e")
    assert found.arms["rag"].harmed_users_share is None
    assert found.comparisons == ()
    assert " - " in result_text(found)


def test_option_texts_become_answers_in_notation(dataset: EvalDataset) -> None:
    indexed = dataset.model_copy(update={"notation": "index"})
    answers = {("a", "q1"): "action", ("b", "q2"): None}
    assert indexed.answers_in_notation(answers) == {("a", "q1"): "[2]", ("b", "q2"): None}
    assert dataset.answers_in_notation(answers) == answers


def test_every_arm_has_every_answer(dataset: EvalDataset) -> None:
    short, long = arm(dataset), arm(dataset)
    del short["b", "q2"]
    long["z", "q"] = None
    for answers, told in (
        ({"rag": short}, "arm 'rag' has no answer.*user 'b', query 'q2'"),
        ({"rag": long}, "answers what was not asked.*'z'"),
        ({}, "no arms"),
    ):
        with pytest.raises(InputError, match=told):
            build_results(dataset, answers, {}, model="m", embedder="e")


def test_save_and_load(result: EvalResult, tmp_path: Path) -> None:
    path = tmp_path / "new" / "result.json"
    save_result(result, path)
    assert load_input(path) == result
    assert path.read_text(encoding="utf-8") == to_json(result)


def test_a_place_that_cannot_be_written_is_named(result: EvalResult, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        save_result(result, tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"arms": {}}, "field 'arms'"),
        ({"seed": "x"}, "field 'seed'"),
        ({"records": [{"user_id": "a"}]}, "field 'records.0.query_id'"),
        ({"surprise": 1}, "field 'surprise'"),
        (
            {"records": [{"user_id": "a", "query_id": "q", "gold": "g", "answers": {}}]},
            "user 'a', query 'q' must have an answer",
        ),
    ],
)
def test_a_bad_file_is_named(
    result: EvalResult, write: Write, change: dict[str, Any], told: str
) -> None:
    path = write({**json.loads(to_json(result)), **change})
    with pytest.raises(InputError, match="not a result of an evaluation") as caught:
        load_input(path)
    assert told in str(caught.value)


def test_a_file_that_is_no_json_is_named(write: Write) -> None:
    with pytest.raises(InputError, match="not a result"):
        load_input(write("prose"))
    with pytest.raises(InputError, match="empty"):
        load_input(write(""))


def test_the_first_format_can_still_be_read() -> None:
    result = load_input(Path(__file__).parent / "result_v1.json")
    assert isinstance(result, EvalResult)
    assert rescore(result) == result


def test_rescoring_what_nobody_changed_changes_nothing(result: EvalResult) -> None:
    assert to_json(rescore(result)) == to_json(result)


def test_rescoring_follows_the_records(result: EvalResult) -> None:
    changed = json.loads(to_json(result))
    changed["records"][0]["answers"]["rag"] = "action"
    changed["records"].reverse()
    found = rescore(EvalResult.model_validate(changed))
    assert found.arms["rag"].metrics["accuracy"].value == pytest.approx(5 / 6, abs=1e-6)
    assert found.arms["rag"].usage == result.arms["rag"].usage
    assert found.records[0].user_id == "a"


def test_rescoring_refuses_broken_records(result: EvalResult) -> None:
    twice = result.model_copy(update={"records": result.records + result.records[:1]})
    with pytest.raises(InputError, match="user 'a', query 'q1' occurs twice"):
        rescore(twice)
    odd = result.records[0].model_copy(update={"gold": "western"})
    with pytest.raises(InputError, match="gold 'western' is none of the labels"):
        rescore(result.model_copy(update={"records": (odd, *result.records[1:])}))


def test_the_heading_of_one_user_is_no_plural(result: EvalResult) -> None:
    one = result.model_copy(update={"users": 1, "queries": 1})
    assert ", 1 user, 1 query, model" in result_text(one)


def test_the_table_fits_and_says_it_all(result: EvalResult) -> None:
    text = result_text(result)
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text
    for part in (
        "data (movie-tagging), 3 users, 6 queries, model offline",
        "0.667 [.00,1.00]",
        "+0.500 [+.50,+.50]",
        "33%",
        "1 failed call, the first (generic): timed out",
        "persona+alignment versus",
    ):
        assert part in text


def test_a_narrow_table_shows_the_main_metric(result: EvalResult) -> None:
    text = result_text(result, width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "macro-F1" not in text.split("versus")[0]


def test_printing_is_plain_where_there_is_no_terminal(result: EvalResult) -> None:
    plain, colored = io.StringIO(), io.StringIO()
    print_result(result, Console(file=plain))
    print_result(result, Console(file=colored, force_terminal=True, width=100))
    assert plain.getvalue() == result_text(result)
    assert "\x1b[" in colored.getvalue()
    assert "…" not in colored.getvalue()


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (9_999, "9999"),
        (10_000, "10.0k"),
        (999_499, "999k"),
        (1_290_000, "1.29M"),
        (999_400_000, "999M"),
        (2_500_000_000, "2.50G"),
    ],
)
def test_counts_are_short(dataset: EvalDataset, number: int, shown: str) -> None:
    usage = {"rag": Usage(prompt_tokens=number)}
    found = build_results(dataset, {"rag": arm(dataset)}, usage, model="m", embedder="e")
    assert f" {shown} " in result_text(found)
