"""``persona-agent eval pahf`` and ``eval prefeval``: preferences that change, or were said once."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from persona_agent.cli.eval_output import finish
from persona_agent.cli.options import Subparsers, at_least, common_options, names, results_option

if TYPE_CHECKING:
    from persona_agent.evals.pahf.dataset import DomainName

BOTH = "both"


def add_parsers(actions: Subparsers) -> None:
    """Add the commands."""
    pahf = _parser(
        actions,
        "pahf",
        "learn while being used, through a change of preferences (PAHF)",
        "Run the arms through the four phases of PAHF: learn, test, learn again after everybody's "
        "preferences changed, test. Each answer is given before its outcome is remembered.",
    )
    pahf.add_argument("--domain", choices=("shopping", "embodied", BOTH), default=BOTH)
    pahf.add_argument("--users", metavar="N", type=at_least(1), help="of each domain; default: all")
    pahf.add_argument(
        "--may-decline",
        action="store_true",
        help="shopping: buying nothing is an option, right where no product is acceptable",
    )
    pahf.set_defaults(run=_pahf)

    prefeval = _parser(
        actions,
        "prefeval",
        "answer by a preference that was stated long ago (PrefEval)",
        "Ask the questions of PrefEval as choices among four options, some turns of other topics "
        "after the preference was stated.",
    )
    prefeval.add_argument(
        "--topics", metavar="A,B", type=names, help="comma-separated (default: all)"
    )
    prefeval.add_argument(
        "--turns", metavar="N", type=at_least(0), default=100, help="turns between; default: 100"
    )
    prefeval.add_argument(
        "--orders",
        metavar="N",
        type=at_least(1),
        default=1,
        help="ask each question with its options in N orders; default: 1",
    )
    prefeval.set_defaults(run=_prefeval)


def _parser(actions: Subparsers, name: str, summary: str, description: str) -> ArgumentParser:
    parser: ArgumentParser = actions.add_parser(
        name, parents=[common_options(json=False)], help=summary, description=description
    )
    parser.add_argument("--data", metavar="DIR", type=Path, required=True)
    parser.add_argument(
        "--arms", metavar="A,B", type=names, help="comma-separated (default: a selection)"
    )
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="default: 0")
    results_option(parser)
    return parser


def _pahf(arguments: Namespace) -> int:
    from persona_agent.cli.output import Output
    from persona_agent.cli.session import load_settings
    from persona_agent.evals.pahf.dataset import DOMAINS
    from persona_agent.evals.pahf.run import evaluate_pahf

    output = Output(arguments)
    chosen: list[DomainName] = [one for one in DOMAINS if arguments.domain in (one, BOTH)]
    with output.steps() as progress:
        result = evaluate_pahf(
            arguments.data,
            load_settings(arguments).with_default_cache(),
            domains=chosen,
            arms=arguments.arms,
            users=arguments.users,
            may_decline=arguments.may_decline,
            seed=arguments.seed,
            progress=progress,
        )
    return finish(result, arguments, output)


def _prefeval(arguments: Namespace) -> int:
    from persona_agent.cli.output import Output
    from persona_agent.cli.session import load_settings
    from persona_agent.evals.prefeval.run import evaluate_prefeval

    output = Output(arguments)
    with output.steps() as progress:
        result = evaluate_prefeval(
            arguments.data,
            load_settings(arguments).with_default_cache(),
            topics=arguments.topics,
            arms=arguments.arms,
            turns=arguments.turns,
            orders=arguments.orders,
            seed=arguments.seed,
            progress=progress,
        )
    return finish(result, arguments, output)
