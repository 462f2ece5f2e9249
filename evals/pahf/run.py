"""The PAHF evaluation from a folder to a result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from persona_agent.evals.arms.catalog import choose_arms
from persona_agent.evals.arms.sparse import SPARSE
from persona_agent.evals.data.eval_data import select
from persona_agent.evals.evaluation import evaluate_dataset, selection
from persona_agent.evals.pahf.dataset import DomainName, load_domain
from persona_agent.evals.pahf.online import online
from persona_agent.evals.pahf.results import DomainResult, PahfResult, domain_result
from persona_agent.evals.pahf.timeline import online_dataset
from persona_agent.evals.runner import Progress, silent
from persona_agent.settings import Settings

PAHF_ARMS = (
    "generic",
    "majority-user",
    "last",
    "knn",
    "icl",
    "rag",
    "rag+stats",
    "pag",
    "persona",
    "persona+alignment",
    SPARSE,
    "without-drift",
)


def evaluate_pahf(
    folder: Path,
    settings: Settings,
    *,
    domains: Sequence[DomainName],
    arms: Sequence[str] | None = None,
    users: int | None = None,
    may_decline: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> PahfResult:
    """Run arms through the four phases of each domain and score them.

    Args:
        folder: with the files of PAHF.
        settings: the model, the embedder and their caches.
        domains: which to run.
        arms: names of arms or ablations; :data:`PAHF_ARMS` by default.
        users: how many people of each domain, drawn with ``seed``; all by default.
        may_decline: see :func:`persona_agent.evals.pahf.dataset.load_domain`.
        seed: of the draws of users, orders and options, and of the bootstrap.
        progress: told how far it is.

    Raises:
        InputError: a file or an arm is not valid; the message names the record.
        ModelError: a budget is spent or model calls are blocked.
    """
    chosen = {name: online(arm) for name, arm in choose_arms(arms or PAHF_ARMS).items()}
    loaded = [load_domain(folder, domain, may_decline=may_decline, seed=seed) for domain in domains]
    asked = selection(folder, users=users)
    if may_decline:
        asked["may_decline"] = True
    results: dict[str, DomainResult] = {}
    for domain in loaded:
        dataset = select(online_dataset(domain, seed=seed), users=users, seed=seed)
        whole = evaluate_dataset(
            dataset, chosen, settings, seed=seed, asked=asked, progress=progress
        )
        results[domain.name] = domain_result(whole)
    return PahfResult(domains=results)
