"""The command lines that make a report again, told from the results in it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from persona_agent.evals.arms.ablations import ABLATIONS
from persona_agent.evals.arms.catalog import ARMS
from persona_agent.evals.pahf.results import PahfResult
from persona_agent.evals.scores.results import EvalResult
from persona_agent.evals.sweeps import ARMS as SWEPT
from persona_agent.evals.sweeps import SweepResult
from persona_agent.settings import OFFLINE

Input = EvalResult | SweepResult | PahfResult
"""What a file may hold."""

RESULTS = "results/"
"""Folder of result files in the commands: beside the data they might have the same names."""


def commands(inputs: Mapping[str, Input], title: str) -> tuple[str, ...]:
    """Return one line for each file of results, and the line that makes the report of them."""
    lines = [_command(name, one) for name, one in inputs.items()]
    made = ["--title", title, "--out", "report.html", "--markdown", "report.md"]
    files = [RESULTS + name for name in inputs]
    return (*lines, shlex.join(["persona-agent", "eval", "report", *files, *made]))


def _command(name: str, made: Input) -> str:
    if isinstance(made, SweepResult):
        result, words = made.points[0].result, ["sweep", made.sweep]
        values = ",".join(f"{value:g}" for value in sorted({one.value for one in made.points}))
        seeds = ",".join(str(seed) for seed in sorted({one.seed for one in made.points}))
        rest = ["--values", values, "--seeds", seeds]
    else:
        whole = isinstance(made, EvalResult)
        result = made if isinstance(made, EvalResult) else next(iter(made.domains.values())).tests
        own = "prefeval" if result.dataset == "prefeval" else "lamp"
        words, rest = [own if whole else "pahf"], ["--seed", str(result.seed)]
    words = ["persona-agent", "eval", *words, "--data", _data(made, result)]
    words += _arms(made, result)
    if result.model != OFFLINE:
        words += ["--model", result.model]
    for option in ("task", "users", "queries"):
        if option in result.settings:
            words += [f"--{option}", str(result.settings[option])]
    return shlex.join([*words, *rest, "--json", RESULTS + name])


def _data(made: Input, result: EvalResult) -> str:
    if isinstance(made, PahfResult):
        return "pahf"
    usual = result.dataset if result.dataset == "prefeval" else f"{result.dataset}.json"
    return str(result.settings.get("data", usual))


def _arms(made: Input, result: EvalResult) -> list[str]:
    usual = list(SWEPT if isinstance(made, SweepResult) else ARMS)
    if isinstance(made, EvalResult) and list(result.arms) == [*usual, *ABLATIONS]:
        return ["--ablations"]
    return [] if list(result.arms) == usual else ["--arms", ",".join(result.arms)]
