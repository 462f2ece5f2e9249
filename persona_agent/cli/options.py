"""Options that commands share."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Subparsers = object

PORTS = 65_535
"""The largest number of a port."""


def common_options(*, json: bool = True) -> argparse.ArgumentParser:
    """Return a parent parser with the options of every command that opens an agent."""
    parent = argparse.ArgumentParser(add_help=False)
    group = parent.add_argument_group("common options")
    group.add_argument("--data-dir", metavar="DIR", help="where the data is kept")
    group.add_argument(
        "--model", metavar="NAME", help="'offline' (default) or a LiteLLM model, provider/name"
    )
    group.add_argument("--api-base", metavar="URL", help="base URL of the model's API")
    if json:
        group.add_argument(
            "--json", action="store_true", help="write JSON, and nothing else, to standard output"
        )
    group.add_argument("--no-progress", action="store_true", help="show no progress")
    return parent


def user_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--user``."""
    parser.add_argument("--user", metavar="ID", required=True, help="whose agent")


def results_option(parser: argparse.ArgumentParser, what: str = "the results") -> None:
    """Add ``--json`` of a command that measures: tables are for people, the file is for good."""
    parser.add_argument("--json", metavar="OUT", type=out_file, help=f"write {what} to this file")


def out_file(text: str) -> Path:
    """Take the file that a command will write: what cannot be one is said before the work."""
    path = Path(text)
    folder = next(one for one in path.absolute().parents if one.exists())
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder: name a file in it")
    if not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written: name another file")
    return path


def names(text: str) -> list[str]:
    """Take names with commas between them."""
    found = [one.strip() for one in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of names, as in: one,another")
    return found


def at_least(minimum: int, *, most: float = math.inf) -> Callable[[str], int]:
    """Return a type for a whole number from ``minimum`` to ``most``."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < minimum:
            raise argparse.ArgumentTypeError(f"{value} is less than {minimum}")
        if value > most:
            raise argparse.ArgumentTypeError(f"{value} is more than {most}")
        return value

    return number
