"""Evaluations from a data set to a result: load, run the arms, score."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from persona_agent.evals.arms.arm import Arm, Bench
from persona_agent.evals.arms.catalog import choose_arms
from persona_agent.evals.data.eval_data import EvalDataset, select
from persona_agent.evals.data.lamp import load_dataset
from persona_agent.evals.data.tasks import AUTO
from persona_agent.evals.runner import ArmRun, Progress, make_bench, run_arms, silent
from persona_agent.evals.scores.results import AnswerError, EvalResult, Setting, build_results
from persona_agent.settings import Settings


def evaluate_file(
    path: Path,
    settings: Settings,
    *,
    task: str = AUTO,
    arms: Sequence[str] | None = None,
    ablations: bool = False,
    users: int | None = None,
    queries: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> EvalResult:
    """Run arms on a file and score them.

    Args:
        path: a user-grouped file, an official LaMP questions file, or a folder with one.
        settings: the model, the embedder and their caches.
        task: name of the task; ``auto`` tells it from the data.
        arms: names of arms or ablations; all arms by default.
        ablations: whether all ablations are run as well.
        users: number of users to draw; all by default.
        queries: earliest queries of each user to ask; all by default.
        seed: of the draw of users and of the bootstrap.
        progress: told how far it is.

    Raises:
        InputError: the file or an arm is not valid; the message names the record.
        ModelError: a budget is spent or model calls are blocked.
    """
    chosen = choose_arms(arms, ablations=ablations)
    dataset = select(load_dataset(path, task), users=users, queries=queries, seed=seed)
    asked = selection(path, task=task, users=users, queries=queries)
    return evaluate_dataset(dataset, chosen, settings, seed=seed, asked=asked, progress=progress)


def selection(
    path: Path, *, task: str = AUTO, users: int | None = None, queries: int | None = None
) -> dict[str, Setting]:
    """Return what was asked for beside the arms, as results hold it in their settings."""
    asked: dict[str, Setting] = {"data": path.name}
    if task != AUTO:
        asked["task"] = task
    given = {"users": users, "queries": queries}
    return asked | {name: number for name, number in given.items() if number is not None}


def evaluate_dataset(
    dataset: EvalDataset,
    arms: Mapping[str, Arm],
    settings: Settings,
    *,
    seed: int,
    asked: Mapping[str, Setting],
    progress: Progress,
) -> EvalResult:
    """Run arms on a data set and score them; see :func:`evaluate_file`."""
    bench = make_bench(dataset, settings, progress=progress)
    return evaluate_on(bench, arms, seed=seed, asked=asked, progress=progress)


def evaluate_on(
    bench: Bench,
    arms: Mapping[str, Arm],
    *,
    seed: int,
    asked: Mapping[str, Setting],
    progress: Progress,
) -> EvalResult:
    """Run arms on a bench, whose model is closed then, and score them."""

    async def run() -> dict[str, ArmRun]:
        try:
            return await run_arms(bench, arms, progress=progress)
        finally:
            await bench.model.aclose()

    return score_runs(bench, asyncio.run(run()), seed=seed, asked=asked)


def score_runs(
    bench: Bench,
    runs: dict[str, ArmRun],
    *,
    seed: int,
    asked: Mapping[str, Setting] | None = None,
) -> EvalResult:
    """Score what the arms answered; ``asked`` is noted in the result's settings."""
    dataset = bench.dataset
    errors = [
        AnswerError(arm=arm, user_id=user_id, query_id=query_id, error=problem)
        for arm, run in runs.items()
        for (user_id, query_id), problem in sorted(run.errors.items())
    ]
    settings: dict[str, Setting] = {
        key: value
        for key, value in bench.config.model_dump().items()
        if isinstance(value, str | int | float | bool)
    }
    settings |= asked or {}
    return build_results(
        dataset,
        {name: dataset.answers_in_notation(run.answers) for name, run in runs.items()},
        {name: run.usage for name, run in runs.items()},
        model=bench.model.name,
        embedder=bench.embedder.name,
        seed=seed,
        confidences={name: run.confidences for name, run in runs.items()},
        fitting={name: run.fitting for name, run in runs.items()},
        errors=errors,
        settings=settings,
    )
