"""``persona-agent demo``: the whole loop on built-in users, without a key or a network."""

from __future__ import annotations

from argparse import Namespace

from persona_agent.cli.options import Subparsers, common_options


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "demo",
        parents=[common_options()],
        help="see the whole loop on built-in users, without a key or a network",
        description="Replay the interactions of built-in users, draft and optimize their personas, "
        "and answer later, unseen queries: generic, persona, and persona + alignment.",
    )
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="seed (default: 0)")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Run the demo."""
    from persona_agent.evals.demo import run_demo

    return run_demo(arguments)
