"""Running arms on a data set."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from persona_agent.agent import Answer
from persona_agent.errors import BudgetExceededError, ModelCallsBlockedError, ModelError
from persona_agent.evals.arms.arm import Answerer, Arm, Bench
from persona_agent.evals.data.eval_data import EvalDataset, EvalQuery, EvalUser, QueryKey
from persona_agent.llm import create_model
from persona_agent.memory.embedder import create_embedder
from persona_agent.memory.episodes import InMemoryEpisodeStore
from persona_agent.optimizer import OptimizerConfig
from persona_agent.optimizer.optimizer import spent
from persona_agent.protocols import Embedder, LanguageModel
from persona_agent.schema import Usage
from persona_agent.settings import Settings

USERS_AT_ONCE = 8

T = TypeVar("T")

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


def silent(what: str, done: int, total: int) -> None:
    """Show no progress."""


async def side_by_side(
    jobs: Sequence[Callable[[], Awaitable[T]]], *, at_once: int, what: str, progress: Progress
) -> list[T]:
    """Do work, so much of it at once, and return what comes of it in order."""
    slots = asyncio.Semaphore(at_once)
    done = 0

    async def one(job: Callable[[], Awaitable[T]]) -> T:
        nonlocal done
        async with slots:
            found = await job()
        done += 1
        progress(what, done, len(jobs))
        return found

    return list(await asyncio.gather(*map(one, jobs)))


@dataclass
class ArmRun:
    """What one arm answered: option texts, None for an error; and what it cost.

    ``confidences`` has the queries for which one was stated. ``usage`` is of everything,
    ``fitting`` of its part before the first query (drafting, optimization).
    """

    answers: dict[QueryKey, str | None] = field(default_factory=dict)
    confidences: dict[QueryKey, float] = field(default_factory=dict)
    errors: dict[QueryKey, str] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    fitting: Usage = field(default_factory=Usage)


def make_bench(
    dataset: EvalDataset,
    settings: Settings,
    *,
    config: OptimizerConfig | None = None,
    model: LanguageModel | None = None,
    embedder: Embedder | None = None,
    progress: Progress = silent,
) -> Bench:
    """Put the histories of all users into one memory and open the model."""
    embedder = embedder or create_embedder(settings)
    episodes = InMemoryEpisodeStore()
    _embed_ahead(dataset, embedder, progress)
    for user in dataset.users:
        if user.history:
            vectors = embedder.embed([episode.query.text for episode in user.history])
            episodes.add(user.history, vectors)
    return Bench(
        dataset=dataset,
        model=model or create_model(settings, embedder),
        embedder=embedder,
        episodes=episodes,
        config=config or OptimizerConfig(),
        persona_tokens=settings.persona_tokens,
    )


def _embed_ahead(dataset: EvalDataset, embedder: Embedder, progress: Progress) -> None:
    """Embed all texts in large batches; one by one it would take several times as long."""
    texts: dict[str, None] = {}
    for user in dataset.users:
        for episode in user.history:
            texts[episode.query.text] = None
        for query in user.queries:
            texts[query.query.text] = None
    unique = list(texts)
    step = 512
    for start in range(0, len(unique), step):
        progress("embedding", start, len(unique))
        embedder.embed(unique[start : start + step])
    progress("embedding", len(unique), len(unique))


async def run_arms(
    bench: Bench, arms: Mapping[str, Arm], *, progress: Progress = silent
) -> dict[str, ArmRun]:
    """Answer every query of every user with every arm.

    A failed call leaves that answer None and is counted; a spent budget or the kill switch ends
    the run.
    """
    runs: dict[str, ArmRun] = {}
    for name, arm in arms.items():
        runs[name] = await _run_arm(bench, name, arm, bench.dataset.users, progress)
    return runs


async def _run_arm(
    bench: Bench, name: str, arm: Arm, users: Sequence[EvalUser], progress: Progress
) -> ArmRun:
    run = ArmRun()
    begin = time.perf_counter()
    fitting = f"{name} fitting"
    before, before_fitting = (bench.model.usage(purpose=one) for one in (name, fitting))
    slots = asyncio.Semaphore(USERS_AT_ONCE)
    done = 0

    async def serve(user: EvalUser) -> None:
        nonlocal done
        async with slots:
            with bench.model.account(user_id=user.user_id, purpose=fitting):
                reply = await _fit(bench, arm, user, run)
            with bench.model.account(user_id=user.user_id, purpose=name):
                if reply is not None:
                    await _serve(reply, user, run)
        done += 1
        progress(name, done, len(users))

    progress(name, 0, len(users))
    try:
        async with asyncio.TaskGroup() as group:
            for user in users:
                group.create_task(serve(user))
    except ExceptionGroup as several:  # the first one is what ended the others
        raise several.exceptions[0] from None
    run.fitting = spent(before_fitting, bench.model.usage(purpose=fitting))
    used = run.fitting + spent(before, bench.model.usage(purpose=name))
    run.usage = used.model_copy(update={"seconds": time.perf_counter() - begin})
    return run


async def _fit(bench: Bench, arm: Arm, user: EvalUser, run: ArmRun) -> Answerer | None:
    """Fit an arm to a user; where that fails, none of the user's queries has an answer."""
    try:
        return await arm(bench, user)
    except (BudgetExceededError, ModelCallsBlockedError):
        raise
    except ModelError as error:
        keys = [(user.user_id, query.query_id) for query in user.queries]
        run.answers.update(dict.fromkeys(keys))
        run.errors.update(dict.fromkeys(keys, str(error)))
        return None


async def _serve(reply: Answerer, user: EvalUser, run: ArmRun) -> None:
    results = await asyncio.gather(*(_one(reply, query) for query in user.queries))
    for query, (given, problem) in zip(user.queries, results, strict=True):
        key = (user.user_id, query.query_id)
        run.answers[key] = None if given is None else given.text
        if given is not None and given.confidence is not None:
            run.confidences[key] = given.confidence
        if problem:
            run.errors[key] = problem


async def _one(reply: Answerer, query: EvalQuery) -> tuple[Answer | None, str]:
    try:
        return await reply(query), ""
    except (BudgetExceededError, ModelCallsBlockedError):
        raise
    except ModelError as error:
        return None, str(error)
