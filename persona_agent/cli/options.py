"""Options that commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Subparsers = object


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


def at_least(minimum: int) -> Callable[[str], int]:
    """Return a type for a whole number that is not smaller than ``minimum``."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < minimum:
            raise argparse.ArgumentTypeError(f"{value} is less than {minimum}")
        return value

    return number
