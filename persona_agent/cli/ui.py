"""``persona-agent ui``: the Streamlit app, in this command's own process."""

from __future__ import annotations

from argparse import Namespace

from persona_agent.cli.options import PORTS, Subparsers, at_least, common_options

BLUE, SKY = "#0072B2", "#2A86C7"
"""Accents on light and dark ground: both are legible on it, and white is legible on both."""
HEADINGS = '["2rem", "1.35rem", "1.1rem"]'
MEGABYTES = 20


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "ui",
        parents=[common_options(json=False)],
        help="open the app in a browser",
        description="Open the app in a browser. It listens on this machine only.",
    )
    parser.add_argument(
        "--port", metavar="N", type=at_least(1, most=PORTS), default=8501, help="default: 8501"
    )
    parser.add_argument("--headless", action="store_true", help="do not open a browser")
    parser.add_argument(
        "--visitors",
        action="store_true",
        help="give every browser tab a memory of its own, for several people at once",
    )
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Become Streamlit: with no process between, a signal to this one ends the app."""
    import os
    import sys
    from importlib.util import find_spec
    from pathlib import Path

    from persona_agent.errors import MissingExtraError

    if find_spec("streamlit") is None:
        raise MissingExtraError("streamlit", "ui")
    package = find_spec("persona_agent.ui")
    places = list(package.submodule_search_locations or ()) if package else []
    script = Path(places[0] if places else "ui") / "app.py"
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    command += [part for option in _options(arguments).items() for part in option]
    command += ["--", "--visitors"] if arguments.visitors else []
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, command, os.environ | _settings(arguments))


def _options(arguments: Namespace) -> dict[str, str]:
    return {
        "--server.port": str(arguments.port),
        "--server.address": "127.0.0.1",
        "--server.headless": str(arguments.headless).lower(),
        "--server.showEmailPrompt": "false",
        "--server.maxUploadSize": str(MEGABYTES),
        "--browser.gatherUsageStats": "false",
        "--logger.level": "warning",
        "--client.toolbarMode": "viewer",
        "--client.showErrorDetails": "type",
        "--theme.headingFontSizes": HEADINGS,
        "--theme.metricValueFontSize": "1.35rem",
        "--theme.light.primaryColor": BLUE,
        "--theme.dark.primaryColor": SKY,
    }


def _settings(arguments: Namespace) -> dict[str, str]:
    given = {
        "PERSONA_AGENT_DATA_DIR": arguments.data_dir,
        "PERSONA_AGENT_MODEL": arguments.model,
        "PERSONA_AGENT_API_BASE": arguments.api_base,
    }
    return {name: value for name, value in given.items() if value}
