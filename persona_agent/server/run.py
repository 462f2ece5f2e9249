"""Running the server: signals, and an end that lets everyone finish."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from persona_agent.errors import SettingsError
from persona_agent.server.app import begin_to_stop

SECONDS_TO_FINISH = 30
SECONDS_BETWEEN_THREADS = 0.0005
"""How long a thread that prepares turns may keep the interpreter while the event loop waits.

Python's 5 ms would be added to a turn again and again: the loop lets go with every piece it sends.
"""
COLLECT_AFTER = (20_000, 20, 50)
"""Objects that come before Python looks for cycles, so that it does so seldom in a turn."""
BACKLOG = 2048
LARGE_BLOCK = 32 * 1024
"""Bytes from which on memory is taken from the system piece by piece, and given back when freed.

A user's vectors should be: they grow and move, and what they leave behind in the heap stays there.
"""
KEPT_FREE = 4 * 1024 * 1024
"""Free bytes at the end of the heap from which on they are given back."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h


@dataclass(frozen=True)
class Address:
    """Where to listen; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 8321


class GracefulServer(uvicorn.Server):
    """Ends on SIGTERM and SIGINT: takes no new connection, lets the turns under way finish.

    What would not finish by itself (optimizations, and those who watch them) is told first.
    """

    alone = False
    """Whether the process is the server's."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        app = self.config.app
        if self.alone and isinstance(app, FastAPI):
            self._settling = asyncio.create_task(_settle(app))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what is under way, within the time that the configuration gives."""
        app = self.config.app
        if isinstance(app, FastAPI):
            await begin_to_stop(app)
        await super().shutdown(sockets)


async def _settle(app: FastAPI) -> None:
    """Once everything is loaded, keep Python from looking through it for cycles ever again."""
    while not app.state.services.ready:
        await asyncio.sleep(0.1)
    gc.collect()
    gc.freeze()


def _give_memory_back() -> None:
    """Keep arrays that grow and move from leaving holes in the heap, where the C library is glibc.

    By itself it takes ever larger blocks from the heap, as large as the largest that was freed,
    and gives each thread a heap of its own, with holes of its own; threads take turns anyway.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK)
        mallopt(_M_TRIM_THRESHOLD, KEPT_FREE)
        mallopt(_M_ARENA_MAX, 1)


def listen(address: Address) -> socket.socket:
    """Return a socket that listens. Raises SettingsError when it cannot be had."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address.host, address.port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"cannot listen on {address.host}:{address.port} ({error}): choose another --port, "
            "or stop what listens there"
        ) from error
    return listening


def server(app: FastAPI, *, seconds_to_finish: int = SECONDS_TO_FINISH) -> GracefulServer:
    """Return the server, not yet running; give its ``run`` or ``serve`` the socket."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=seconds_to_finish,
        server_header=False,
        proxy_headers=False,
    )
    return GracefulServer(config)


def run(app: FastAPI, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, and return when all is finished; the process is the server's.

    It is tuned for that: how threads take turns, how often Python looks for cycles, and how memory
    is given back.
    """
    ends = (signal.SIGTERM, signal.SIGINT)
    # Uvicorn takes these signals, and at its end sends them once more to whoever had them before:
    # that must not kill the process while the stores are still open.
    before = {one: signal.signal(one, signal.SIG_IGN) for one in ends}
    sys.setswitchinterval(SECONDS_BETWEEN_THREADS)
    gc.set_threshold(*COLLECT_AFTER)
    _give_memory_back()
    try:
        made = server(app)
        made.alone = True
        made.run(sockets=[listening])
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
