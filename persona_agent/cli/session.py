"""Opening the agent that a command works on."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from persona_agent.agent import PersonaAgent
from persona_agent.agent.show import one_line
from persona_agent.cli.output import Output
from persona_agent.errors import NotFoundError
from persona_agent.schema import Episode
from persona_agent.settings import Settings


def load_settings(arguments: Namespace) -> Settings:
    """Return the settings of the environment with the command's options on top."""
    return Settings.load(
        data_dir=Path(arguments.data_dir) if arguments.data_dir else None,
        model=arguments.model,
        api_base=arguments.api_base,
    )


def open_agent(arguments: Namespace, output: Output, *, existing: bool = False) -> PersonaAgent:
    """Open the agent; with ``existing`` a data directory that is not there is an error.

    Raises:
        NotFoundError: there is no such data directory; none was made.
        SettingsError, StoreError: it cannot be opened.
    """
    settings = load_settings(arguments)
    if existing and not settings.data_dir.is_dir():
        raise NotFoundError(
            f"there is no data in {str(settings.data_dir)!r}: import some "
            "(persona-agent import FILE) or name its folder with --data-dir"
        )
    with output.progress("opening the memory"):
        return PersonaAgent.open(
            settings.data_dir, model=settings.model, api_base=settings.api_base
        )


def require_user(agent: PersonaAgent, user: str) -> None:
    """Raise NotFoundError, naming the users there are, unless something is known of the user."""
    known = known_users(agent)
    if user in known:
        return
    shown = ", ".join(one_line(name, 40) for name in known[:10])
    more = f" and {len(known) - 10} more" if len(known) > 10 else ""
    raise NotFoundError(
        f"there is no user {one_line(user, 60)!r}: "
        + (f"the users are {shown}{more}" if known else "nobody is known yet; import some data")
    )


def known_users(agent: PersonaAgent) -> list[str]:
    """Return the ids of all users with an episode or a persona, sorted."""
    return sorted({*agent.memory.episodes.users(), *agent.memory.personas.users()})


def lookup(agent: PersonaAgent, user: str, ids: list[str]) -> dict[str, Episode]:
    """Return the episodes that are still stored, by id."""
    return {episode.id: episode for episode in agent.memory.episodes.get(user, ids)}
