"""A run of the lab: each experiment in turn, with what it cost, and what it could not do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from persona_agent.errors import ModelAnswerError, ModelCallError, ModelCannotError
from persona_agent.evals.lab.bench import Experiment, LabBench
from persona_agent.evals.lab.results import Findings, LabReport, LabResult
from persona_agent.llm import account, limit
from persona_agent.settings import OFFLINE

ACCOUNT = "lab"


async def run_lab(bench: LabBench, experiments: Sequence[Experiment]) -> LabReport:
    """Run experiments one after the other.

    What the models cannot do, what needs public data that is not there, and what a failing call
    ended is said in the result of its experiment; the others go on.

    Raises:
        BudgetExceededError, ModelCallsBlockedError: a limit is reached; nothing more can be asked.
    """
    begin = time.perf_counter()
    results = []
    for done, experiment in enumerate(experiments):
        bench.progress("lab", done, len(experiments))
        results.append(await run_experiment(bench, experiment))
    bench.progress("lab", len(experiments), len(experiments))
    return LabReport(
        at=datetime.now(UTC),
        model=bench.actor.name,
        critic=bench.critic.name,
        judges=tuple(model.name for model in bench.models),
        reader=bench.judges.reader.name if bench.judges.reader else "",
        in_loss=tuple(sorted({name for card in bench.cards for name in card.in_loss})),
        embedder=bench.embedder.name,
        personas=tuple(card.user_id for card in bench.cards),
        seed=bench.seed,
        results=tuple(results),
        seconds=time.perf_counter() - begin,
    )


async def run_experiment(bench: LabBench, experiment: Experiment) -> LabResult:
    """Run one experiment; see :func:`run_lab`."""
    with account(user_id=ACCOUNT, purpose=f"lab {experiment.name}"), limit() as spent:
        reason = _unmet(bench, experiment)
        try:
            findings = Findings(cannot=reason) if reason else await experiment.measure(bench)
        except ModelCannotError as error:
            findings = Findings(cannot=str(error))
        except (ModelAnswerError, ModelCallError) as error:
            findings = Findings(cannot=f"ended by a failure: {error}")
    return LabResult(
        name=experiment.name,
        title=experiment.title,
        findings=findings,
        usage=spent.used,
    )


def _unmet(bench: LabBench, experiment: Experiment) -> str:
    if "sampling" in experiment.needs and bench.actor.deterministic:
        return (
            f"{bench.actor.name} gives equal answers to equal requests, so regenerating shows "
            "nothing: set PERSONA_AGENT_MODEL to a model that samples"
        )
    if "chat" in experiment.needs and bench.actor.name == OFFLINE:
        return (
            "the offline model lists what it knows and does not converse: set PERSONA_AGENT_MODEL "
            "to a real model"
        )
    if "data" in experiment.needs and bench.data is None:
        return "it runs on public data: name their folder with --data"
    if "episodes" in experiment.needs and not any(card.episodes for card in bench.cards):
        return "it needs interactions of these personas: choose a user with --user"
    return ""
