"""``persona-agent eval``: compare methods on data, and score the records again."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from persona_agent.cli import eval_preferences, eval_report
from persona_agent.cli.eval_output import finish
from persona_agent.cli.options import Subparsers, at_least, common_options, names, results_option


def add_parser(commands: Subparsers) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "eval",
        help="compare methods on data of your own or of LaMP",
        description="Compare methods on data of your own or of LaMP.",
    )
    actions = parser.add_subparsers(title="evaluations", metavar="EVALUATION", required=True)
    common = common_options(json=False)

    lamp = actions.add_parser(
        "lamp",
        parents=[common],
        help="run the arms on interactions of your own, or on files in the shape of LaMP",
        description="Run the arms on a file that 'import' reads, whose latest fifth of each user "
        "are the queries, or on user-grouped or official LaMP files. Memory holds only what is "
        "strictly before each query.",
    )
    lamp.add_argument("--data", metavar="FILE", type=Path, required=True)
    lamp.add_argument("--task", metavar="NAME", default="auto", help="default: told from the data")
    lamp.add_argument("--arms", metavar="A,B", type=names, help="comma-separated (default: all)")
    lamp.add_argument(
        "--ablations", action="store_true", help="also persona+alignment without each of its parts"
    )
    lamp.add_argument("--users", metavar="N", type=at_least(1), help="default: all")
    lamp.add_argument("--queries", metavar="N", type=at_least(1), help="for each user")
    lamp.add_argument("--seed", metavar="S", type=int, default=0, help="default: 0")
    results_option(lamp)
    lamp.set_defaults(run=_lamp)

    rescore = actions.add_parser(
        "rescore",
        parents=[common],
        help="score the records of a results file again, without a model",
    )
    rescore.add_argument("file", metavar="FILE", type=Path)
    results_option(rescore)
    rescore.set_defaults(run=_rescore)

    eval_preferences.add_parsers(actions)
    eval_report.add_parsers(actions)


def _lamp(arguments: Namespace) -> int:
    from persona_agent.cli.output import Output
    from persona_agent.cli.session import load_settings
    from persona_agent.evals.evaluation import evaluate_file

    output = Output(arguments)
    settings = load_settings(arguments).with_default_cache()
    with output.steps() as progress:
        result = evaluate_file(
            arguments.data,
            settings,
            task=arguments.task,
            arms=arguments.arms,
            ablations=arguments.ablations,
            users=arguments.users,
            queries=arguments.queries,
            seed=arguments.seed,
            progress=progress,
        )
    return finish(result, arguments, output)


def _rescore(arguments: Namespace) -> int:
    from persona_agent.cli.output import Output
    from persona_agent.evals.report.inputs import load_input, rescored_input

    return finish(rescored_input(load_input(arguments.file)), arguments, Output(arguments))
