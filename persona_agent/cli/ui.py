"""``persona-agent ui``: the Streamlit demo, in a process of its own."""

from __future__ import annotations

from argparse import Namespace

from persona_agent.cli.options import Subparsers, at_least, common_options


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "ui",
        parents=[common_options(json=False)],
        help="open the demo in a browser",
        description="Open the demo in a browser. It listens on this machine only.",
    )
    parser.add_argument("--port", metavar="N", type=at_least(1), default=8501, help="default: 8501")
    parser.add_argument("--headless", action="store_true", help="do not open a browser")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Start Streamlit and wait for it."""
    import os
    import subprocess
    import sys
    from importlib.util import find_spec
    from pathlib import Path

    from persona_agent.errors import MissingExtraError

    if find_spec("streamlit") is None:
        raise MissingExtraError("streamlit", "ui")
    package = find_spec("persona_agent.ui")
    places = list(package.submodule_search_locations or ()) if package else []
    script = Path(places[0] if places else "ui") / "app.py"
    options = {
        "--server.port": str(arguments.port),
        "--server.address": "127.0.0.1",
        "--server.headless": str(arguments.headless).lower(),
        "--browser.gatherUsageStats": "false",
    }
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    command += [part for option in options.items() for part in option]
    return subprocess.run(command, env=os.environ | _settings(arguments), check=False).returncode


def _settings(arguments: Namespace) -> dict[str, str]:
    given = {
        "PERSONA_AGENT_DATA_DIR": arguments.data_dir,
        "PERSONA_AGENT_MODEL": arguments.model,
        "PERSONA_AGENT_API_BASE": arguments.api_base,
    }
    return {name: value for name, value in given.items() if value}
