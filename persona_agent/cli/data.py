"""``persona-agent import``: interactions from a file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from persona_agent.cli.options import Subparsers, common_options


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "import",
        parents=[common_options()],
        help="import interactions from a file",
        description="Import interactions from a file, all or nothing. Importing it again changes "
        "nothing that is there already.",
    )
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument(
        "--user", metavar="ID", help="whose interactions they are, where a record does not say"
    )
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Import the file."""
    from persona_agent.cli.output import Output
    from persona_agent.cli.session import open_agent
    from persona_agent.evals.data.import_file import read_interactions

    output = Output(arguments)
    episodes = read_interactions(arguments.file, user_id=arguments.user)
    progress = output.progress(f"importing {len(episodes)} interactions")
    with open_agent(arguments, output) as agent, progress:
        new = agent.record_episodes_sync(episodes)
    users = sorted({episode.user_id for episode in episodes})
    if output.json:
        output.data({"read": len(episodes), "new": new, "users": users})
        return 0
    known = len(episodes) - new
    people = "1 user" if len(users) == 1 else f"{len(users)} users"
    output.show(
        f"{new} new interactions of {people}" + (f"; {known} were there already" if known else "")
    )
    return 0
