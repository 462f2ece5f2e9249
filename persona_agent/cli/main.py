"""``persona-agent``: parser, dispatch, and how errors end."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from persona_agent import __version__
from persona_agent.cli import (
    bench,
    chat,
    clusters,
    data,
    decide,
    demo,
    lab,
    mcp,
    memory,
    optimize,
    persona,
    serve,
    trace,
    ui,
)
from persona_agent.cli import eval as evaluation
from persona_agent.errors import PersonaAgentError, UsageError

COMMANDS = (
    demo,
    data,
    decide,
    chat,
    optimize,
    persona,
    memory,
    evaluation,
    lab,
    clusters,
    bench,
    ui,
    serve,
    mcp,
    trace,
)

_EPILOG = """\
Every setting can also come from the environment as PERSONA_AGENT_<NAME>, for example
PERSONA_AGENT_MODEL=openai/gpt-4.1-mini. Without a model the offline one is used: no key needed.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="persona-agent",
        description="An assistant that becomes its user's own, and can prove that it helps.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"persona-agent {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status.

    0: done. 1: it failed. 2: the caller can mend it (a wrong argument, setting or file, an unknown
    user, a missing extra). 130: interrupted.
    """
    _never_fail_on_characters()
    arguments = build_parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except PersonaAgentError as error:
        from persona_agent.cli.output import show_error

        show_error(str(error))
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        from persona_agent.cli.output import show_error

        then = getattr(arguments, "interrupted", "")
        show_error(f"interrupted: {then}" if then else "interrupted")
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone; what is still buffered must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _never_fail_on_characters() -> None:
    """Show what the terminal's encoding lacks as a question mark instead of failing."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
