"""``persona-agent lab``: measure whether a persona holds, and show what was found."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from persona_agent.cli.options import (
    Subparsers,
    at_least,
    common_options,
    names,
    out_file,
    results_option,
)

if TYPE_CHECKING:
    from persona_agent.cli.output import Output
    from persona_agent.evals.lab.bench import Card
    from persona_agent.evals.lab.results import LabReport


def add_parser(commands: Subparsers) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "lab",
        help="measure whether a persona holds: drift, contradiction, stability, pressure, truth",
        description="The consistency lab: measure whether a persona holds.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_run(actions)
    report = actions.add_parser("report", help="show a report", description="Show a report.")
    report.add_argument("file", metavar="FILE", type=Path, help="of lab run --json")
    report.add_argument("--markdown", metavar="OUT", type=out_file, help="write it as Markdown too")
    report.add_argument("--out", metavar="OUT", type=out_file, help="write it as an HTML page too")
    report.set_defaults(run=_report)


def _add_run(actions: Subparsers) -> None:
    run = actions.add_parser(
        "run",
        parents=[common_options(json=False)],
        help="run experiments on the built-in people, a user, or a persona of your own",
        description="Run experiments. What a model cannot do is said in the result.",
    )
    run.add_argument(
        "--only", metavar="A,B", type=names, help="comma-separated experiments (default: all)"
    )
    whose = run.add_mutually_exclusive_group()
    whose.add_argument(
        "--persona", metavar="FILE", type=Path, help="a text with a statement a line, or JSON"
    )
    whose.add_argument("--user", metavar="ID", help="the persona in use of a stored user")
    run.add_argument(
        "--judge",
        metavar="NAME",
        action="append",
        default=[],
        help="a model that judges; repeat for more (default: the model itself)",
    )
    run.add_argument(
        "--critic",
        metavar="NAME",
        default="",
        help="the model inside repairs; none of the judges (default: the model)",
    )
    run.add_argument(
        "--single-model",
        action="store_true",
        help="there is no second model: let the model judge its own repairs, and say so",
    )
    run.add_argument(
        "--votes",
        metavar="N",
        type=at_least(1),
        default=0,
        help="votes of each judge (default: 3, offline 1)",
    )
    number = at_least(1)
    run.add_argument("--turns", metavar="N", type=number, default=10, help="of a conversation")
    run.add_argument("--runs", metavar="N", type=at_least(2), default=3, help="of equal requests")
    run.add_argument("--items", metavar="N", type=number, default=6, help="questions for each test")
    run.add_argument("--personas", metavar="N", type=number, help="only the first (default: all)")
    run.add_argument("--seed", metavar="S", type=int, default=0, help="default: 0")
    run.add_argument(
        "--nli", metavar="NAME", default="", help="an inference model that relates statements"
    )
    run.add_argument("--data", metavar="DIR", type=Path, help="folder of the public data")
    results_option(run, "the report")
    run.set_defaults(run=_run)


def _run(arguments: Namespace) -> int:
    import asyncio

    from persona_agent.cli.output import Output
    from persona_agent.cli.session import load_settings
    from persona_agent.evals.lab.registry import choose
    from persona_agent.evals.lab.results import save_report
    from persona_agent.evals.lab.run import run_lab
    from persona_agent.evals.lab.setup import LabOptions, close_models, make_lab

    output = Output(arguments)
    experiments = choose(arguments.only)
    options = LabOptions(
        judges=tuple(arguments.judge),
        critic=arguments.critic,
        votes=arguments.votes,
        turns=arguments.turns,
        runs=arguments.runs,
        items=arguments.items,
        personas=arguments.personas,
        seed=arguments.seed,
        data=arguments.data,
        nli=arguments.nli,
        single_model=arguments.single_model,
    )
    settings = load_settings(arguments).with_default_cache()
    with output.steps() as progress:
        bench = make_lab(settings, options, _cards(arguments, output), progress=progress)

        async def run() -> LabReport:
            try:
                return await run_lab(bench, experiments)
            finally:
                await close_models(bench)

        report = asyncio.run(run())
    _show(report, output)
    if arguments.json:
        save_report(report, arguments.json)
        output.note(f"report written to {arguments.json}")
    return 0


def _cards(arguments: Namespace, output: Output) -> list[Card] | None:
    if arguments.persona:
        from persona_agent.evals.lab.cards import read_cards

        return read_cards(arguments.persona)
    if not arguments.user:
        return None
    from persona_agent.cli.session import open_agent, require_user
    from persona_agent.errors import InputError
    from persona_agent.evals.lab.cards import persona_card
    from persona_agent.settings import OFFLINE

    with open_agent(arguments, output, existing=True) as agent:
        require_user(agent, arguments.user)
        persona = agent.memory.personas.latest(arguments.user)
        if persona is None:
            raise InputError(
                f"{arguments.user!r} has no persona yet: persona-agent optimize "
                f"--user {arguments.user}"
            )
        episodes = agent.memory.episodes.timeline(arguments.user)
        revisions = agent.memory.personas.revisions(arguments.user)
        # The objective of an optimization reads texts by the offline model's rules, and asks the
        # critic where it is set to.
        judged = [one.critic for one in revisions if one.accepted]
        in_loss = tuple(dict.fromkeys([OFFLINE, *filter(None, judged)])) if judged else ()
        return [persona_card(arguments.user, persona, episodes, in_loss=in_loss)]


def _report(arguments: Namespace) -> int:
    from persona_agent.cli.output import Output
    from persona_agent.evals.lab.page import markdown_report
    from persona_agent.evals.lab.results import load_report
    from persona_agent.evals.scores.results import write_text

    output = Output(arguments)
    report = load_report(arguments.file)
    _show(report, output)
    if arguments.markdown:
        write_text(arguments.markdown, markdown_report(report))
        output.note(f"report written to {arguments.markdown}")
    if arguments.out:
        from persona_agent.evals.lab.html_page import html_report

        write_text(arguments.out, html_report(report))
        output.note(f"page written to {arguments.out}")
    return 0


def _show(report: LabReport, output: Output) -> None:
    from persona_agent.evals.lab.page import render_report

    output.show(*render_report(report))
