"""An evaluation from a file to scored results, with every arm."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from persona_agent.errors import BudgetExceededError, InputError, ModelCallError
from persona_agent.evals.arms.catalog import ARMS, choose_arms
from persona_agent.evals.data.lamp import load_dataset
from persona_agent.evals.evaluation import evaluate_file, score_runs
from persona_agent.evals.runner import make_bench, run_arms
from persona_agent.evals.scores.rescore import rescore
from persona_agent.evals.scores.results import EvalResult, to_json
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel

Write = Callable[..., Path]

STORY = {"comedy": "fools farce jokes", "drama": "family grief letters", "war": "soldiers trench"}
TAGS = tuple(STORY)
NAMES = (
    "generic",
    "majority-global",
    "majority-user",
    "last",
    "knn",
    "icl",
    "rag",
    "rag+stats",
    "pag",
    "memory-bank",
    "react",
    "personaagent-paper",
    "persona",
    "persona+alignment",
    "persona-sparse",
)


def question(text: str) -> str:
    return (
        "Which tag does this movie relate to among the following tags? Just answer with the tag "
        f"name without further explanation. tags: [{', '.join(TAGS)}] description: {text}"
    )


def film_users(users: int = 3, history: int = 8, queries: int = 2) -> list[dict[str, Any]]:
    made = []
    for user in range(users):
        items = []
        for number in range(history + queries):
            tag = TAGS[(number * (user + 1) + user) % 3]
            items.append((f"{STORY[tag]} story {user} {number}", tag, number))
        made.append(
            {
                "user_id": f"u{user}",
                "profile": [
                    {"id": f"p{user}{n}", "tag": tag, "description": text, "timestamp": 100 + n}
                    for text, tag, n in items[:history]
                ],
                "query": [
                    {
                        "id": f"q{user}{n}",
                        "input": question(text),
                        "gold": tag,
                        "timestamp": 300 + n,
                    }
                    for text, tag, n in items[history:]
                ],
            }
        )
    return made


def offline() -> Settings:
    return Settings(embedder="hash")


def without_seconds(result: EvalResult) -> str:
    found = json.loads(to_json(result))
    for arm in found["arms"].values():
        del arm["usage"]["seconds"]
    return json.dumps(found)


def test_all_arms_and_the_same_again(write: Write) -> None:
    path = write(film_users(), "films.json")
    steps: list[tuple[str, int, int]] = []
    result = evaluate_file(
        path,
        offline(),
        seed=3,
        progress=lambda what, done, total: steps.append((what, done, total)),
    )
    assert tuple(result.arms) == tuple(ARMS) == NAMES
    assert (result.dataset, result.task, result.model) == ("films", "movie-tagging", "offline")
    assert (result.embedder, result.seed) == ("hash-256", 3)
    assert (result.users, result.queries) == (3, 6)
    for name, arm in result.arms.items():
        assert arm.unparsed == 0
        assert 0 <= arm.metrics["accuracy"].value <= 1
        free = name in ("majority-global", "majority-user", "last", "knn")
        assert (arm.usage.calls == 0) == free
        assert (name, 3, 3) in steps
    assert result.arms["generic"].harmed_users_share == 0
    assert all(set(one.answers) == set(NAMES) for one in result.records)
    assert all(one in TAGS for record in result.records for one in record.answers.values())
    versus = {(one.arm, one.versus) for one in result.comparisons}
    assert {(name, "generic") for name in NAMES[1:]} <= versus
    others = [name for name in NAMES if name != "persona+alignment"]
    assert {("persona+alignment", name) for name in others} <= versus

    assert without_seconds(evaluate_file(path, offline(), seed=3)) == without_seconds(result)
    assert without_seconds(rescore(result)) == without_seconds(result)


def test_a_part_of_the_arms_users_and_queries(write: Write) -> None:
    path = write(film_users())
    result = evaluate_file(path, offline(), arms=["last", "generic"], users=2, queries=1)
    assert tuple(result.arms) == ("generic", "last")
    assert (result.users, result.queries) == (2, 2)


def test_an_unknown_arm_is_named_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown arm\(s\): best, worst; known: generic"):
        evaluate_file(tmp_path / "none.json", offline(), arms=["worst", "rag", "best"])
    assert tuple(choose_arms(None)) == NAMES
    assert tuple(choose_arms([])) == NAMES


def test_a_user_without_history_is_answered(write: Write) -> None:
    users = film_users()
    users[0]["profile"] = []
    result = evaluate_file(write(users), offline())
    assert all(arm.unparsed == 0 for arm in result.arms.values())


async def run(path: Path, model: ScriptedModel, *arms: str) -> EvalResult:
    bench = make_bench(load_dataset(path), offline(), model=model)
    return score_runs(bench, await run_arms(bench, choose_arms(arms)), seed=0)


async def test_answers_that_fail_are_counted_and_told(write: Write) -> None:
    model = ScriptedModel({"decide": [{"choice": 1}, "prose", ModelCallError("HTTP 500")] * 4})
    result = await run(write(film_users()), model, "generic", "rag", "last")
    assert {name: arm.unparsed for name, arm in result.arms.items()} == {
        "generic": 4,
        "last": 0,
        "rag": 4,
    }
    assert len(result.errors) == 8
    assert {one.arm for one in result.errors} == {"generic", "rag"}
    assert any("HTTP 500" in one.error for one in result.errors)
    assert any("no JSON object" in one.error for one in result.errors)
    assert sum(one.answers["rag"] is None for one in result.records) == 4


async def test_an_arm_that_cannot_be_fitted_answers_nothing(write: Write) -> None:
    model = ScriptedModel({"profile": "prose", "decide": {"choice": 1}})
    result = await run(write(film_users()), model, "pag", "rag")
    assert result.arms["pag"].unparsed == 6
    assert result.arms["rag"].unparsed == 0


async def test_a_spent_budget_ends_the_run_with_its_error(write: Write) -> None:
    model = ScriptedModel({"decide": BudgetExceededError("3 calls")})
    with pytest.raises(BudgetExceededError):
        await run(write(film_users()), model, "rag")
