"""The persona's text is what acts: with claims shuffled between users, the gain goes away."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from persona_agent.evals.arms.catalog import (
    ARMS,
    Answerer,
    Arm,
    Bench,
    drafted,
    persona_answerer,
)
from persona_agent.evals.data.eval_data import EvalUser, select
from persona_agent.evals.data.lamp import load_dataset
from persona_agent.evals.runner import make_bench, run_arms
from persona_agent.evals.scores.statistics import draw_users, paired_bootstrap, sum_by_user
from persona_agent.schema import ContextPolicy, Persona
from persona_agent.settings import Settings

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "lamp_like"
CLAIMS_ONLY = ContextPolicy(recalled=0, show_statistics=False)

Owner = Callable[[Bench, EvalUser], EvalUser]


def own(bench: Bench, user: EvalUser) -> EvalUser:
    return user


def someone_elses(bench: Bench, user: EvalUser) -> EvalUser:
    users = bench.dataset.users
    return users[(users.index(user) + len(users) // 2) % len(users)]


def claims_of(owner: Owner) -> Arm:
    async def fit(bench: Bench, user: EvalUser) -> Answerer:
        written = await drafted(bench, owner(bench, user))
        shown = Persona(user_id=user.user_id, claims=written.claims, policy=CLAIMS_ONLY)
        return persona_answerer(bench, shown)

    return fit


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", ["movie_tagging", "news_categories"])
async def test_shuffled_claims_lose_the_gain(name: str) -> None:
    settings = Settings(cache_dir=Path(os.environ["XDG_CACHE_HOME"]) / "persona-agent")
    dataset = select(load_dataset(DATA / f"{name}.json"), users=30, queries=15)
    bench = make_bench(dataset, settings)
    runs = await run_arms(
        bench,
        {"generic": ARMS["generic"], "own": claims_of(own), "shuffled": claims_of(someone_elses)},
    )
    keys = [(query.user_id, query.query_id) for query in dataset.queries]
    right = {
        arm: np.array(
            [
                [run.answers[key] == query.outcome, 1.0]
                for key, query in zip(keys, dataset.queries, strict=True)
            ],
            dtype=np.float64,
        )
        for arm, run in runs.items()
    }
    users = [user for user, _ in keys]
    sums = {arm: sum_by_user(users, columns) for arm, columns in right.items()}
    draws = draw_users(len(dataset.users))

    def difference(first: str, second: str) -> tuple[float, tuple[float, float]]:
        found = paired_bootstrap(
            sums[first],
            sums[second],
            lambda total: {"accuracy": total[..., 0] / total[..., 1]},
            draws,
        )
        value, ends = found["accuracy"]
        assert ends is not None
        return value, ends

    gain, (low, _) = difference("own", "generic")
    assert low > 0, f"the own claims gain {gain:.3f}"
    lost, (low, _) = difference("own", "shuffled")
    assert low > 0, f"own over shuffled claims: {lost:.3f}"
    _, (low, _) = difference("shuffled", "generic")
    assert low <= 0, "shuffled claims must not gain"
