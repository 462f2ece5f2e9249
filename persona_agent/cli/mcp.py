"""``persona-agent mcp``: the memory and the persona as tools for an MCP host."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from persona_agent.cli.options import Subparsers, at_least, common_options

if TYPE_CHECKING:
    from persona_agent.integrations.mcp import McpServer
    from persona_agent.server.keys import KeyRing

LOOPBACK = ("127.0.0.1", "localhost", "::1")

_ABOUT = """\
Serve the tools recall, remember, read_persona, give_feedback and optimize to a host of the Model
Context Protocol: over standard input and output, or over HTTP with --http. The user is fixed here,
so that nothing a model writes can reach another user's memory.
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "mcp",
        parents=[common_options(json=False)],
        help="serve memory and persona to an MCP host",
        description=_ABOUT,
    )
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--user", metavar="ID", help="whose memory this is")
    whose.add_argument(
        "--multi-user",
        action="store_true",
        help="let every call name its user: only for hosts that may see all users",
    )
    parser.add_argument("--http", action="store_true", help="serve over HTTP, at /mcp")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen; default: 127.0.0.1")
    parser.add_argument("--port", metavar="N", type=at_least(0), default=8322, help="default: 8322")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Serve until the host ends it."""
    import asyncio
    import logging
    import signal
    import sys

    from persona_agent.cli.output import Output
    from persona_agent.cli.session import open_agent
    from persona_agent.integrations.mcp import create_mcp_server, serve_stdio

    logging.basicConfig(level=logging.WARNING)  # to standard error: output belongs to the protocol
    output = Output(arguments)
    with open_agent(arguments, output) as agent:
        server = create_mcp_server(agent, user=arguments.user)
        if arguments.http:
            _serve_http(server, arguments, output)
        else:
            if sys.stdin.isatty():
                output.note("waiting for an MCP host on standard input; Ctrl-C ends this")
            # A thread that waits for input cannot be cancelled, so an interrupt ends the process
            # as a host's SIGTERM does. What was answered is stored.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            asyncio.run(serve_stdio(server))
    return 0


def _serve_http(server: McpServer, arguments: Namespace, output: object) -> None:
    """Serve over HTTP; with API keys in the data directory, only who has one."""
    import socket

    import uvicorn

    from persona_agent.cli.output import Output
    from persona_agent.cli.session import load_settings
    from persona_agent.errors import SettingsError
    from persona_agent.integrations.mcp import PATH, guarded
    from persona_agent.server.keys import KeyRing

    assert isinstance(output, Output)
    ring = KeyRing(load_settings(arguments).data_dir)
    try:
        if arguments.host not in LOOPBACK and ring.empty():
            raise SettingsError(
                f"listening on {arguments.host} would open everything to everybody, because there "
                "is no API key: make one (persona-agent serve keys add), or listen on 127.0.0.1"
            )
        app = guarded(
            server.streamable_http_app(streamable_http_path=PATH, host=arguments.host),
            lambda token: _allowed(ring, token),
        )
        kind = socket.AF_INET6 if ":" in arguments.host else socket.AF_INET
        with socket.socket(kind, socket.SOCK_STREAM) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listening.bind((arguments.host, arguments.port))
                listening.listen()
            except OSError as error:
                raise SettingsError(
                    f"cannot listen on {arguments.host}:{arguments.port} ({error}): choose another "
                    "--port, or stop what listens there"
                ) from error
            place = listening.getsockname()
            host = f"[{place[0]}]" if ":" in place[0] else place[0]
            output.note(f"serving MCP at http://{host}:{place[1]}{PATH}")
            config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
            uvicorn.Server(config).run(sockets=[listening])
    finally:
        ring.close()


def _allowed(ring: KeyRing, token: str | None) -> bool:
    """Tell whether a request may be served: all its tools are open to whoever gets in."""
    from persona_agent.server.keys import Scope

    if ring.empty():
        return True
    needed = {
        Scope.MEMORY_READ, Scope.MEMORY_WRITE, Scope.PERSONA_READ, Scope.FEEDBACK, Scope.OPTIMIZE,
    }  # fmt: skip
    key = ring.check(token) if token else None
    # A tenant's key is for that tenant's users, and this server is not bound to a tenant.
    return key is not None and not key.tenant and needed <= key.scopes
