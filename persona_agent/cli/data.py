"""``persona-agent import``: interactions from a file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from persona_agent.cli.options import Subparsers, common_options

if TYPE_CHECKING:
    from persona_agent.agent import PersonaAgent
    from persona_agent.schema import Episode

Outcomes = dict[tuple[str, str], str | None]
"""Outcome, where one is known, by user and id."""


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
        stored = _stored(agent, episodes)
        fresh = [one for one in episodes if (one.user_id, one.id) not in stored]
        new = agent.record_episodes_sync(fresh)
        late, other = _told_later(episodes, stored)
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


def _stored(agent: PersonaAgent, episodes: list[Episode]) -> Outcomes:
    """Return the outcomes of those that are stored already."""
    ids: dict[str, list[str]] = {}
    for episode in episodes:
        ids.setdefault(episode.user_id, []).append(episode.id)
    return {
        (user, one.id): one.outcome
        for user, known in ids.items()
        for one in agent.memory.episodes.get(user, known)
    }


def _told_later(episodes: list[Episode], stored: Outcomes) -> tuple[list[Episode], int]:
    """Return those whose outcome is new to a stored episode, and how many tell another one."""
    from persona_agent.agent.secrets import without_secrets

    late, other = [], 0
    for episode in episodes:
        told, key = episode.outcome, (episode.user_id, episode.id)
        if told is None or key not in stored:
            continue
        if stored[key] is None:
            late.append(episode)
        else:
            other += stored[key] not in (told, without_secrets(told))
    return late, other


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
