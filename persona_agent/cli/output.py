"""What a command writes: results to standard output, notes and progress to standard error."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from persona_agent.agent.show import one_line, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

WIDTH_OF_A_PIPE = 200
"""Columns where nobody looks; 80 would break lines that a program reads."""

Json = BaseModel | str | int | float | bool | None | Sequence["Json"] | dict[str, "Json"]


class Output:
    """The two streams of a command. With ``json`` only :meth:`data` writes to standard output."""

    def __init__(self, arguments: Namespace) -> None:
        self.json = bool(getattr(arguments, "json", False))
        self._progress = not getattr(arguments, "no_progress", False)
        self.console = _console()
        self.notes = _console(stderr=True)

    def data(self, value: Json) -> None:
        """Write a value as JSON. It is ASCII, so that nothing in it can drive a terminal."""
        self.console.out(json.dumps(_plain(value), indent=2), highlight=False)

    def record(self, value: Json) -> None:
        """Write a value as JSON on one line."""
        self.console.out(json.dumps(_plain(value)), highlight=False)

    def save(self, value: Json, path: Path | None) -> None:
        """Write a value as JSON to a file, where one is named, and say so. Raises InputError."""
        if path is None:
            return
        from persona_agent.evals.scores.results import write_text

        write_text(path, json.dumps(_plain(value), indent=2) + "\n")
        self.note(f"results written to {path}")

    def show(self, *items: RenderableType | str) -> None:
        """Write renderables, and texts as they are, to standard output."""
        from rich.text import Text

        for item in items:
            if isinstance(item, str):
                self.console.print(Text(printable(item)), soft_wrap=True)
            else:
                self.console.print(item)

    def piece(self, text: str) -> None:
        """Write a piece of a text that is still coming."""
        self.console.out(printable(text), end="", highlight=False)
        self.console.file.flush()

    def note(self, text: str) -> None:
        """Write a remark to standard error."""
        from rich.text import Text

        self.notes.print(Text(printable(text), style="dim"))

    @contextmanager
    def progress(self, text: str) -> Iterator[None]:
        """Show that something is under way, where a person is looking."""
        if not (self._progress and self.notes.is_terminal):
            yield
            return
        from rich.text import Text

        with self.notes.status(Text(one_line(text))):
            yield

    @contextmanager
    def steps(self) -> Iterator[Callable[[str, int, int], None]]:
        """Yield a function that shows how far each step is, where a person is looking."""
        if not (self._progress and self.notes.is_terminal):
            yield lambda what, done, total: None
            return
        from rich.progress import Progress, TaskID

        with Progress(console=self.notes, transient=True) as bar:
            known: dict[str, TaskID] = {}

            def advance(what: str, done: int, total: int) -> None:
                if what not in known:
                    known[what] = bar.add_task(what, total=max(total, 1))
                bar.update(known[what], completed=done if total else 1)

            yield advance


def show_error(message: str) -> None:
    """Write an error to standard error."""
    from rich.text import Text

    _console(stderr=True).print(Text(f"persona-agent: {printable(message)}"), soft_wrap=True)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH_OF_A_PIPE
    return console


def _plain(value: Json) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
