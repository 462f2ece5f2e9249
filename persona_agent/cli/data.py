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
        description="Import interactions from a file, all or nothing. Importing it again adds what "
        "is new in it: further records, and outcomes of those that had none yet. Nothing else that "
        "is there changes.",
    )
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument(
        "--user", metavar="ID", help="whose interactions they are, where a record does not say"
    )
    parser.set_defaults(run=run, interrupted="nothing was stored")


def run(arguments: Namespace) -> int:
    """Import the file."""
    from persona_agent.cli.output import Output
    from persona_agent.cli.session import open_agent
    from persona_agent.evals.data.import_file import read_interactions
    from persona_agent.persona.plural import counted

    output = Output(arguments)
    episodes = read_interactions(arguments.file, user_id=arguments.user)
    progress = output.progress(f"importing {counted(len(episodes), 'interaction')}")
    with open_agent(arguments, output) as agent, progress:
        # What was handed to the store is stored as a whole, or not at all.
        arguments.interrupted = "run it again; what is stored already is not stored twice"
        done = agent.import_episodes_sync(episodes)
    users = sorted({episode.user_id for episode in episodes})
    new, late = len(done.new), len(done.told)
    if other := len(done.other):
        have = "has" if other == 1 else "have"
        output.note(f"{other} {have} another outcome than the one that is stored, which stays")
    if output.json:
        output.data({"read": len(episodes), "new": new, "outcomes": late, "users": users})
        return 0
    known = len(episodes) - new
    output.show(
        f"{counted(new, 'new interaction')} of {counted(len(users), 'user')}"
        + (f"; {counted(late, 'outcome')} of earlier ones" if late else "")
        + (f"; {known} {'was' if known == 1 else 'were'} there already" if known else "")
    )
    return 0
