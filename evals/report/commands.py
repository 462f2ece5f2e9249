"""The command lines that make a report again, told from the results in it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from persona_agent.evals.arms.ablations import ABLATIONS
from persona_agent.evals.arms.catalog import ARMS
from persona_agent.evals.pahf.results import PahfResult
from persona_agent.evals.pahf.run import PAHF_ARMS
from persona_agent.evals.prefeval.arms import PREFEVAL_ARMS
from persona_agent.evals.report.inputs import Input, evaluations
from persona_agent.evals.scores.results import EvalResult
from persona_agent.evals.sweeps import ARMS as SWEPT
from persona_agent.evals.sweeps import SweepResult
from persona_agent.settings import OFFLINE

RESULTS = "results/"
"""Folder of result files in the commands: beside the data they might have the same names."""


def commands(inputs: Mapping[str, Input], title: str) -> tuple[str, ...]:
    """Return one line for each file of results, and the line that makes the report of them."""
    lines = [_command(name, one) for name, one in inputs.items()]
    made = ["--title", title, "--out", "report.html", "--markdown", "report.md"]
    files = [RESULTS + name for name in inputs]
    return (*lines, shlex.join(["persona-agent", "eval", "report", *files, *made]))


def _command(name: str, made: Input) -> str:
    result, rest = evaluations(made)[0], []
    if isinstance(made, SweepResult):
        values = ",".join(f"{value:g}" for value in sorted({one.value for one in made.points}))
        seeds = ",".join(str(seed) for seed in sorted({one.seed for one in made.points}))
        words, rest = ["sweep", made.sweep], ["--values", values, "--seeds", seeds]
    elif isinstance(made, PahfResult):
        only = ["--domain", *made.domains] if len(made.domains) == 1 else []
        words, rest = ["pahf"], [*only, "--seed", str(result.seed)]
    else:
        words, rest = ["prefeval" if _spoken(result) else "lamp"], ["--seed", str(result.seed)]
    words = ["persona-agent", "eval", *words, "--data", _data(made, result)]
    words += _arms(made, result)
    if result.model != OFFLINE:
        words += ["--model", result.model]
    for option in ("task", "users", "queries", "topics", "turns", "orders"):
        if option in result.settings:
            words += [f"--{option}", str(result.settings[option])]
    if result.settings.get("may_decline"):
        words.append("--may-decline")
    return shlex.join([*words, *rest, "--json", RESULTS + name])


def _spoken(result: EvalResult) -> bool:
    return result.dataset == "prefeval"


def _data(made: Input, result: EvalResult) -> str:
    usual = "pahf" if isinstance(made, PahfResult) else result.dataset
    usual += "" if isinstance(made, PahfResult) or _spoken(result) else ".json"
    return str(result.settings.get("data", usual))


def _arms(made: Input, result: EvalResult) -> list[str]:
    """Return what names the arms, where they are not those that are run anyway."""
    given = list(result.arms)
    usual = list(ARMS)
    if isinstance(made, SweepResult):
        usual = list(SWEPT)
    elif isinstance(made, PahfResult):
        usual = list(PAHF_ARMS)
    elif _spoken(result):
        usual = list(PREFEVAL_ARMS)
    elif given == [*usual, *ABLATIONS]:
        return ["--ablations"]
    return [] if given == usual else ["--arms", ",".join(given)]
