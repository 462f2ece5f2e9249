"""Sweeps: the same comparison again and again while one thing varies."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from persona_agent.errors import InputError
from persona_agent.evals.arms.ablations import overridden
from persona_agent.evals.arms.arm import Bench, PaperConfig, known_at_first
from persona_agent.evals.arms.catalog import choose_arms
from persona_agent.evals.data.eval_data import EvalDataset, EvalUser, select
from persona_agent.evals.data.lamp import load_dataset
from persona_agent.evals.data.tasks import AUTO
from persona_agent.evals.evaluation import score_runs, selection
from persona_agent.evals.runner import Progress, make_bench, run_arms, silent
from persona_agent.evals.scores.results import EvalResult
from persona_agent.llm import create_model
from persona_agent.memory.embedder import create_embedder
from persona_agent.schema import Episode, Persona
from persona_agent.schema.base import Record
from persona_agent.settings import Settings

ARMS = ("generic", "rag+stats", "personaagent-paper", "persona+alignment")
"""Arms of a sweep where none are named."""


class SweepPoint(Record):
    """One comparison of a sweep: the value that was varied, the seed, and the result."""

    value: float
    seed: int
    result: EvalResult


class SweepResult(Record):
    """All comparisons of a sweep over one data set, by value and then by seed."""

    sweep: str
    points: tuple[SweepPoint, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Sweep:
    """What varies, and what a value does to the data and to the bench.

    ``random`` tells whether a seed changes more than the draw of users.
    """

    what: str
    values: tuple[float, ...]
    data: Callable[[EvalDataset, float, int], EvalDataset] = lambda data, value, seed: data
    bench: Callable[[Bench, float], Bench] = lambda bench, value: bench
    random: bool = False
    share: bool = False


# --- what a value does --------------------------------------------------------------------------


def _batch(bench: Bench, value: float) -> Bench:
    config = overridden(bench.config, {"batch_size": int(value)})
    paper = PaperConfig(int(value), bench.paper.iterations)
    return dataclasses.replace(bench, config=config, paper=paper)


def _iterations(bench: Bench, value: float) -> Bench:
    """Let both optimizers go through so many rounds; ours may not stop early."""
    rounds = int(value)
    config = overridden(bench.config, {"epochs": rounds, "patience": max(1, rounds)})
    paper = PaperConfig(bench.paper.batch, rounds)
    return dataclasses.replace(bench, config=config, paper=paper)


def _memories(bench: Bench, value: float) -> Bench:
    """Recall so many episodes wherever any are recalled."""

    def view(persona: Persona) -> Persona:
        if not persona.policy.recalled:
            return persona
        policy = persona.policy.model_copy(update={"recalled": int(value)})
        return persona.model_copy(update={"policy": policy})

    return dataclasses.replace(bench, view=view)


def _history(dataset: EvalDataset, value: float, seed: int) -> EvalDataset:
    """Keep the latest so many interactions before each user's first query, and no others."""
    length = int(value)

    def cut(user: EvalUser) -> EvalUser:
        known = known_at_first(user)
        return user.model_copy(update={"history": known[len(known) - length :] if length else ()})

    users = tuple(
        cut(user) if length < len(known_at_first(user)) else user for user in dataset.users
    )
    return dataset.model_copy(update={"users": users})


def _noise(dataset: EvalDataset, value: float, seed: int) -> EvalDataset:
    """Replace this share of all known outcomes by another one, drawn at random.

    Another option of the same query; where a past interaction has no options, the outcome of
    another interaction in the data. Golds stay as they are.
    """
    draw = random.Random(seed)
    outcomes = sorted({e.outcome or "" for user in dataset.users for e in user.history})

    def flipped(episode: Episode) -> Episode:
        if draw.random() >= value:
            return episode
        among = episode.query.options or outcomes
        others = [one for one in among if one != episode.outcome]
        return episode.model_copy(update={"outcome": draw.choice(others)}) if others else episode

    users = tuple(
        user.model_copy(update={"history": tuple(flipped(one) for one in user.history)})
        for user in dataset.users
    )
    return dataset.model_copy(update={"users": users})


SWEEPS: dict[str, Sweep] = {
    "batch": Sweep("interactions that an iteration looks at", (1, 3, 8, 16), bench=_batch),
    "iterations": Sweep("iterations of the optimizer", (0, 1, 2, 3, 5, 10), bench=_iterations),
    "memories": Sweep("episodes recalled for an answer", (0, 1, 4, 8, 16), bench=_memories),
    "history": Sweep("interactions known of each user", (0, 3, 10, 30, 100), data=_history),
    "noise": Sweep(
        "share of outcomes that are wrong", (0, 0.1, 0.2, 0.4), data=_noise, random=True, share=True
    ),
}


# --- running ------------------------------------------------------------------------------------


def run_sweep(
    name: str,
    path: Path,
    settings: Settings,
    *,
    values: Sequence[float] | None = None,
    seeds: Sequence[int] | None = None,
    task: str = AUTO,
    arms: Sequence[str] | None = None,
    users: int | None = None,
    queries: int | None = None,
    progress: Progress = silent,
) -> SweepResult:
    """Run a sweep over a file.

    Args:
        name: one of :data:`SWEEPS`.
        path: as for what is not told here, see
            :func:`persona_agent.evals.evaluation.evaluate_file`.
        settings: the model, the embedder and their caches.
        values: of what varies; those of the sweep by default.
        seeds: each value is run with each; by default 0, 1, 2 where something is random, else 0.
        task: name of the task.
        arms: names of arms or ablations; :data:`ARMS` by default.
        users: number of users to draw.
        queries: earliest queries of each user to ask.
        progress: told how far it is.

    Raises:
        InputError: the sweep, a value, an arm or the file is not valid.
        ModelError: a budget is spent or model calls are blocked.
    """
    sweep = sweep_named(name)
    chosen = choose_arms(arms or ARMS)
    points = [
        (value, seed)
        for value in _checked(sweep, name, values or sweep.values)
        for seed in seeds or ((0, 1, 2) if sweep.random else (0,))
    ]
    whole = load_dataset(path, task)
    embedder = create_embedder(settings)
    model = create_model(settings, embedder)
    asked = selection(path, task=task, users=users, queries=queries)

    async def run() -> SweepResult:
        found = []
        try:
            for place, (value, seed) in enumerate(points):
                progress(name, place, len(points))
                part = select(whole, users=users, queries=queries, seed=seed)
                plain = await asyncio.to_thread(
                    make_bench,
                    sweep.data(part, value, seed),
                    settings,
                    model=model,
                    embedder=embedder,
                )
                bench = sweep.bench(plain, value)
                result = score_runs(bench, await run_arms(bench, chosen), seed=seed, asked=asked)
                found.append(SweepPoint(value=value, seed=seed, result=result))
            progress(name, len(points), len(points))
        finally:
            await model.aclose()
        return SweepResult(sweep=name, points=tuple(found))

    return asyncio.run(run())


def sweep_named(name: str) -> Sweep:
    """Return a sweep by name. Raises InputError."""
    if name not in SWEEPS:
        raise InputError(f"unknown sweep {name!r}; known: {', '.join(SWEEPS)}")
    return SWEEPS[name]


def _checked(sweep: Sweep, name: str, values: Sequence[float]) -> list[float]:
    least = 1 if name == "batch" else 0
    for value in values:
        whole = float(value).is_integer() or sweep.share
        if not whole or value < least or (sweep.share and value > 1):
            kind = "between 0 and 1" if sweep.share else f"a whole number from {least}"
            raise InputError(f"a value of the sweep {name!r} must be {kind}, not {value:g}")
    return sorted(set(values))
