"""``persona-agent serve``: the endpoint, and the keys to it."""

from __future__ import annotations

import argparse
from argparse import Namespace
from typing import TYPE_CHECKING

from persona_agent.cli.options import PORTS, Subparsers, at_least, common_options

if TYPE_CHECKING:
    from persona_agent.server.config import ServerConfig
    from persona_agent.server.keys import KeyRing

LOOPBACK = ("127.0.0.1", "localhost", "::1")

_ABOUT = """\
Serve an OpenAI-compatible chat endpoint that knows its users, and a REST API beside it. Point an
OpenAI client at http://HOST:PORT/v1 and name the user of each call in its field "user". The REST
API is described at /docs. Without API keys only this machine is served.
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "serve",
        parents=[common_options(json=False)],
        help="serve an OpenAI-compatible endpoint that knows its users",
        description=_ABOUT,
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen; default: 127.0.0.1")
    parser.add_argument(
        "--port", metavar="N", type=at_least(0, most=PORTS), default=8321, help="default: 8321"
    )
    parser.add_argument(
        "--turns-per-minute", metavar="N", type=at_least(0), default=120,
        help="limit of chat turns of one user; 0: none (default: 120)",
    )  # fmt: skip
    parser.add_argument(
        "--max-body-mib", metavar="N", type=at_least(1), default=4,
        help="largest body of a request in MiB (default: 4)",
    )  # fmt: skip
    parser.add_argument(
        "--log-text", action="store_true", help="let logs hold user ids and what was said"
    )
    parser.add_argument(
        "--without-keys",
        action="store_true",
        help="serve other machines without API keys: anyone who reaches the port reads everything",
    )
    parser.set_defaults(run=run)
    _add_keys(parser)


def _add_keys(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_subparsers(title="parts", metavar="keys")
    keys = parts.add_parser(
        "keys", help="add, list or revoke API keys", description="Manage API keys."
    )
    actions = keys.add_subparsers(title="actions", metavar="ACTION", required=True)
    add = actions.add_parser(
        "add", parents=[common_options()], help="make a key", description="Make a key; it is "
        "shown this once, and only its hash is stored.",
    )  # fmt: skip
    add.add_argument("--tenant", metavar="NAME", default="", help="whose users it reaches")
    add.add_argument(
        "--scope", metavar="NAME", action="append", default=[],
        help="what it may be used for (repeat; default: everything): chat, persona:read, "
        "persona:write, memory:read, memory:write, forget, feedback, optimize, metrics",
    )  # fmt: skip
    add.add_argument("--label", metavar="TEXT", default="", help="to recognize it by")
    add.set_defaults(run=add_key)
    listing = actions.add_parser(
        "list", parents=[common_options()], help="show all keys", description="Show all keys, "
        "without their secrets.",
    )  # fmt: skip
    listing.set_defaults(run=list_keys)
    revoke = actions.add_parser(
        "revoke", parents=[common_options()], help="make a key invalid",
        description="Make a key invalid; a server that runs refuses it within a second.",
    )  # fmt: skip
    revoke.add_argument("id", metavar="ID", help="the key's id, as shown by 'list'")
    revoke.set_defaults(run=revoke_key)


def run(arguments: Namespace) -> int:
    """Serve until a signal ends it."""
    _one_thread_for_small_matrices()
    _require_packages()
    import socket

    from persona_agent.cli.output import Output
    from persona_agent.cli.session import open_agent
    from persona_agent.server.app import create_app
    from persona_agent.server.logs import log_to_stderr
    from persona_agent.server.run import Address, listen
    from persona_agent.server.run import run as run_server

    output = Output(arguments)
    config = _config(arguments)
    listening: socket.socket = listen(Address(arguments.host, arguments.port))
    with listening, open_agent(arguments, output) as agent:
        log_to_stderr(text=config.log_text)
        place = listening.getsockname()
        host = f"[{place[0]}]" if ":" in place[0] else place[0]
        output.note(f"serving {agent.model.name} at http://{host}:{place[1]}/v1 (API: /docs)")
        run_server(create_app(agent, config), listening)
    return 0


def add_key(arguments: Namespace) -> int:
    """Make a key and show it."""
    from persona_agent.cli.output import Output

    output = Output(arguments)
    ring = _ring(arguments)
    try:
        key, text = ring.add(tenant=arguments.tenant, scopes=arguments.scope, label=arguments.label)
    finally:
        ring.close()
    if output.json:
        output.data({"id": key.id, "key": text, "tenant": key.tenant, "scopes": sorted(key.scopes)})
    else:
        output.show(text)
        output.note(f"key {key.id}; this is the only time that it is shown")
    return 0


def list_keys(arguments: Namespace) -> int:
    """Show all keys."""
    from rich.table import Table
    from rich.text import Text

    from persona_agent.cli.output import Output

    output = Output(arguments)
    ring = _ring(arguments)
    try:
        keys = ring.list()
    finally:
        ring.close()
    if output.json:
        output.data([key.model_dump(mode="json") | {"scopes": sorted(key.scopes)} for key in keys])
        return 0
    table = Table("id", "tenant", "scopes", "label", "made", box=None)
    for key in keys:
        made = key.created_at.strftime("%Y-%m-%d %H:%M")
        scopes = ", ".join(sorted(key.scopes))
        table.add_row(key.id, key.tenant or "-", scopes, Text(key.label), made)
    output.show(table if keys else "there are no keys: persona-agent serve keys add")
    return 0


def revoke_key(arguments: Namespace) -> int:
    """Make a key invalid."""
    from persona_agent.cli.output import Output

    output = Output(arguments)
    ring = _ring(arguments)
    try:
        ring.revoke(arguments.id)
    finally:
        ring.close()
    if output.json:
        output.data({"revoked": arguments.id})
    else:
        output.show(f"revoked {arguments.id}")
    return 0


def _ring(arguments: Namespace) -> KeyRing:
    from persona_agent.cli.session import load_settings
    from persona_agent.server.keys import KeyRing

    return KeyRing(load_settings(arguments).data_dir)


def _config(arguments: Namespace) -> ServerConfig:
    """Return the limits. Raises SettingsError for a server that would be open to everybody."""
    from persona_agent.errors import SettingsError
    from persona_agent.server.config import ServerConfig

    loopback = arguments.host in LOOPBACK
    ring = _ring(arguments)
    try:
        keyless = ring.empty()
    finally:
        ring.close()
    if keyless and not loopback and not arguments.without_keys:
        raise SettingsError(
            f"listening on {arguments.host} would open everything to everybody, because there is "
            "no API key: make one (persona-agent serve keys add), or listen on 127.0.0.1"
        )
    return ServerConfig(
        turns_per_minute=arguments.turns_per_minute,
        max_body_bytes=arguments.max_body_mib * 1024 * 1024,
        anonymous=keyless,
        loopback=loopback,
        log_text=arguments.log_text,
    )


def _require_packages() -> None:
    from importlib.util import find_spec

    from persona_agent.errors import MissingExtraError

    for package in ("fastapi", "uvicorn"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "server")


def _one_thread_for_small_matrices() -> None:
    """Keep OpenBLAS from spreading a recall over all cores, before NumPy is loaded.

    The matrices of one user are small: waking the threads takes many times as long as the work.
    """
    import os

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
