"""``persona-agent import``: interactions from a file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from persona_agent.cli.options import Subparsers, common_options

if TYPE_CHECKING:
    from persona_agent.agent import PersonaAgent
    from persona_agent.schema import Episode


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
        late, other = _told_later(agent, episodes)
        new = agent.record_episodes_sync(episodes)
        for episode in late:
            agent.feedback_sync(episode.id, user=episode.user_id, outcome=episode.outcome)
    users = sorted({episode.user_id for episode in episodes})
    if other:
        output.note(f"{other} have another outcome than the one that is stored, which stays")
    if output.json:
        output.data({"read": len(episodes), "new": new, "outcomes": len(late), "users": users})
        return 0
    known = len(episodes) - new
    output.show(
        f"{_count(new, 'new interaction')} of {_count(len(users), 'user')}"
        + (f"; {_count(len(late), 'outcome')} of earlier ones" if late else "")
        + (f"; {known} {'was' if known == 1 else 'were'} there already" if known else "")
    )
    return 0


def _told_later(agent: PersonaAgent, episodes: list[Episode]) -> tuple[list[Episode], int]:
    """Return those whose outcome is new to a stored episode, and how many tell another one."""
    by_user: dict[str, list[str]] = {}
    for episode in episodes:
        by_user.setdefault(episode.user_id, []).append(episode.id)
    stored = {
        (user, one.id): one.outcome
        for user, ids in by_user.items()
        for one in agent.memory.episodes.get(user, ids)
    }
    told = [one for one in episodes if one.outcome and (one.user_id, one.id) in stored]
    late = [one for one in told if stored[one.user_id, one.id] is None]
    other = [one for one in told if stored[one.user_id, one.id] not in (None, one.outcome)]
    return late, len(other)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
