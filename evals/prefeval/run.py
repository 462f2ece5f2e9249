"""The PrefEval evaluation from a folder to a result."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from persona_agent.evals.arms.arm import Bench
from persona_agent.evals.data.eval_data import EvalDataset
from persona_agent.evals.evaluation import evaluate_on
from persona_agent.evals.prefeval.arms import SpokenMemory, prefeval_arms
from persona_agent.evals.prefeval.dataset import TURNS, load_prefeval
from persona_agent.evals.runner import Progress, make_bench, silent
from persona_agent.evals.scores.results import EvalResult, Setting
from persona_agent.protocols import Embedder, LanguageModel
from persona_agent.settings import Settings


def evaluate_prefeval(
    folder: Path,
    settings: Settings,
    *,
    topics: Sequence[str] | None = None,
    arms: Sequence[str] | None = None,
    turns: int = TURNS,
    orders: int = 1,
    seed: int = 0,
    progress: Progress = silent,
) -> EvalResult:
    """Run arms on the questions of some topics and score them.

    Args:
        folder: with the data of PrefEval.
        settings: the model, the embedder and their caches.
        topics: all by default.
        arms: names of arms; :data:`persona_agent.evals.prefeval.arms.PREFEVAL_ARMS` by default.
        turns: unrelated turns between the statement and the question.
        orders: how often each question is asked, each time with its options in another order.
        seed: of turns, orders and the bootstrap.
        progress: told how far it is.

    Raises:
        InputError: a file, a topic or an arm is not valid; the message names the record.
        ModelError: a budget is spent or model calls are blocked.
    """
    chosen = prefeval_arms(arms)
    dataset = load_prefeval(folder, topics=topics, turns=turns, orders=orders, seed=seed)
    bench = spoken_bench(dataset, settings, progress=progress)
    asked: dict[str, Setting] = {"data": folder.name, "turns": turns, "orders": orders}
    if topics:
        asked["topics"] = ",".join(topics)
    return evaluate_on(bench, chosen, seed=seed, asked=asked, progress=progress)


def spoken_bench(
    dataset: EvalDataset,
    settings: Settings,
    *,
    model: LanguageModel | None = None,
    embedder: Embedder | None = None,
    progress: Progress = silent,
) -> Bench:
    """Return a bench whose memory recalls what was said, see :class:`SpokenMemory`."""
    bench = make_bench(dataset, settings, model=model, embedder=embedder, progress=progress)
    memory = SpokenMemory()
    for user in dataset.users:
        ids = [turn.id for turn in user.history]
        memory.add(user.history, bench.episodes.vectors(user.user_id, ids))
    return dataclasses.replace(bench, episodes=memory)
