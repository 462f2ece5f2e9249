"""What ``persona-agent memory stats`` counts, and how it is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from persona_agent.cli.output import Json
    from persona_agent.memory import Memory


def of_user(memory: Memory, user: str) -> dict[str, Json]:
    """Return what is stored of a user."""
    episodes = memory.episodes.timeline(user)
    facts = memory.facts.history(user)
    return {
        "user": user,
        "episodes": len(episodes),
        "with outcome": sum(episode.outcome is not None for episode in episodes),
        "first": episodes[0].at.isoformat() if episodes else None,
        "last": episodes[-1].at.isoformat() if episodes else None,
        "tasks": {**Counter(episode.query.task_name for episode in episodes)},
        "not distilled": len(memory.facts.pending(user, episodes)),
        "facts": sum(fact.current for fact in facts),
        "superseded facts": sum(not fact.current for fact in facts),
        "persona versions": len(memory.personas.history(user)),
    }


def of_all(memory: Memory, folder: Path, progress: Callable[[int, int], None]) -> dict[str, Json]:
    """Return what is stored in a data directory."""
    users = memory.episodes.users()
    episodes = 0
    for number, user in enumerate(users, 1):
        episodes += memory.episodes.count(user)
        progress(number, len(users))
    return {
        "users": len({*users, *memory.personas.users(), *memory.facts.users()}),
        "episodes": episodes,
        "users with facts": len(memory.facts.users()),
        "users with a persona": len(memory.personas.users()),
        "bytes on disk": {**_sizes(folder)},
    }


def _sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of each file or folder in the data directory."""
    return {
        part.name: sum(
            file.stat().st_size
            for file in (part.rglob("*") if part.is_dir() else [part])
            if file.is_file()
        )
        for part in sorted(folder.iterdir())
    }


def show(counts: dict[str, Json]) -> Table:
    """Return the counts as a table."""
    from rich.table import Table
    from rich.text import Text

    from persona_agent.agent.show import one_line

    table = Table(show_header=False)
    for name, value in counts.items():
        if isinstance(value, dict):
            for part, count in value.items():
                table.add_row(name, Text(f"{one_line(str(part), 60)}: {count:,}"))
                name = ""
        else:
            text = f"{value:,}" if isinstance(value, int) else str(value or "-")
            table.add_row(name, Text(one_line(text, 80)))
    return table
