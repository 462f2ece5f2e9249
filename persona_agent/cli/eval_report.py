"""``persona-agent eval sweep`` and ``eval report``: vary one thing; show what results say."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from persona_agent.cli.eval_output import finish
from persona_agent.cli.options import (
    Subparsers,
    at_least,
    common_options,
    names,
    out_file,
    results_option,
)

T = TypeVar("T")


def add_parsers(actions: Subparsers) -> None:
    """Add the commands."""
    sweep = actions.add_parser(
        "sweep",
        parents=[common_options(json=False)],
        help="run arms again and again while one thing varies",
        description="Run arms again and again while one thing varies: batch, iterations, memories "
        "(recalled), history (length), or noise (share of outcomes that are flipped).",
    )
    sweep.add_argument("name", metavar="WHAT", help="batch, iterations, memories, history, noise")
    sweep.add_argument("--data", metavar="FILE", type=Path, required=True)
    sweep.add_argument("--values", metavar="A,B", type=_listed(float), help="what it varies over")
    sweep.add_argument(
        "--seeds", metavar="A,B", type=_listed(int), help="default: 0; for noise 0,1,2"
    )
    sweep.add_argument("--task", metavar="NAME", default="auto", help="default: told from the data")
    sweep.add_argument(
        "--arms", metavar="A,B", type=names, help="comma-separated (default: four telling ones)"
    )
    sweep.add_argument("--users", metavar="N", type=at_least(1), help="default: all")
    sweep.add_argument("--queries", metavar="N", type=at_least(1), help="for each user")
    results_option(sweep)
    sweep.set_defaults(run=_sweep)

    report = actions.add_parser(
        "report",
        help="show results of evaluations and sweeps as a page and as Markdown",
        description="Show results of evaluations and sweeps as one self-contained page with "
        "tables and plots, and the same tables as Markdown. Results of several data sets are "
        "compared set by set and pooled.",
    )
    report.add_argument("files", metavar="RESULT", type=Path, nargs="+")
    report.add_argument("--out", metavar="HTML", type=out_file, help="write the page to this file")
    report.add_argument(
        "--markdown", metavar="MD", type=out_file, help="write the tables to this file"
    )
    report.add_argument("--title", metavar="TEXT", default="Evaluation", help="heading")
    report.set_defaults(run=_report)


def _listed(kind: Callable[[str], T]) -> Callable[[str], list[T]]:
    def parse(text: str) -> list[T]:
        try:
            return [kind(part) for part in text.split(",")]
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers") from None

    return parse


def _sweep(arguments: Namespace) -> int:
    from persona_agent.cli.output import Output
    from persona_agent.cli.session import load_settings
    from persona_agent.evals.sweeps import run_sweep

    output = Output(Namespace(no_progress=arguments.no_progress))
    settings = load_settings(arguments).with_default_cache()
    with output.steps() as progress:
        found = run_sweep(
            arguments.name,
            arguments.data,
            settings,
            values=arguments.values,
            seeds=arguments.seeds,
            task=arguments.task,
            arms=arguments.arms,
            users=arguments.users,
            queries=arguments.queries,
            progress=progress,
        )
    return finish(found, arguments, output)


def _report(arguments: Namespace) -> int:
    from persona_agent.cli.output import Output
    from persona_agent.errors import InputError
    from persona_agent.evals.report.build import build_report
    from persona_agent.evals.report.inputs import load_inputs
    from persona_agent.evals.report.markdown import markdown
    from persona_agent.evals.report.page import page
    from persona_agent.evals.scores.results import write_text

    if not (arguments.out or arguments.markdown):
        raise InputError("where should the report go? Give --out FILE.html, --markdown FILE.md")
    output = Output(Namespace(no_progress=True))
    report = build_report(load_inputs(arguments.files), title=arguments.title)
    for path, write in ((arguments.out, page), (arguments.markdown, markdown)):
        if path:
            write_text(path, write(report))
            output.note(f"report written to {path}")
    return 0
