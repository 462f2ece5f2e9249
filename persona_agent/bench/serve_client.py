"""A load generator for chat endpoints: asyncio and little else, so that it measures the other side.

Each worker has a connection of its own and one turn under way at a time.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic_core import from_json

_AT = re.compile(rb"at=([\d.]+) ")
SECONDS = 60.0


@dataclass(frozen=True)
class Sent:
    """One turn: when it was over, what came, and how late the first piece was.

    ``status`` 0 means that the connection broke. ``error`` tells whether the body was an error in
    OpenAI's shape, ``acknowledged`` the episode that the answer says is stored.
    """

    seconds: float
    status: int
    text: str = ""
    first_piece: float | None = None
    acknowledged: str | None = None
    error: bool = False
    finished: bool = False


class Connection:
    """One connection to an endpoint, opened anew where it broke."""

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._path = f"{parts.path.rstrip('/')}/chat/completions"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def turn(self, body: dict[str, Any], *, key: str = "") -> Sent:
        """Send a turn and read all of its answer; ``key`` makes it a retry of an earlier one."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(SECONDS):
                return await self._turn(body, key, began)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            self.close()
            return Sent(time.perf_counter() - began, 0)

    def close(self) -> None:
        """Let the connection go."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _turn(self, body: dict[str, Any], key: str, began: float) -> Sent:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        raw = json.dumps(body).encode()
        name = f"idempotency-key: {key}\r\n" if key else ""
        head = (
            f"POST {self._path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer x\r\n"
            f"content-type: application/json\r\n{name}content-length: {len(raw)}\r\n\r\n"
        )
        writer.write(head.encode() + raw)
        top = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(top.split(b" ", 2)[1])
        first: float | None = None
        if b"transfer-encoding: chunked" in top:
            content = b""
            while size := int(await reader.readline(), 16):
                piece = await reader.readexactly(size + 2)
                if first is None and (told := _AT.search(piece)):
                    first = time.monotonic() - float(told[1])
                content += piece[:-2]
            await reader.readexactly(2)
        else:
            length = re.search(rb"content-length: (\d+)", top)
            content = await reader.readexactly(int(length[1]) if length else 0)
        if b"connection: close" in top:
            self.close()
        return _read(time.perf_counter() - began, status, content, first)


def _read(seconds: float, status: int, content: bytes, first: float | None) -> Sent:
    text, acknowledged, error, finished = "", None, False, False
    for body in _bodies(content):
        error = error or _is_error(body)
        acknowledged = (body.get("persona") or {}).get("episode_id") or acknowledged
        for choice in body.get("choices") or ():
            said = choice.get("delta") or choice.get("message") or {}
            text += said.get("content") or ""
            finished = finished or bool(choice.get("finish_reason"))
    return Sent(seconds, status, text, first, acknowledged, error, finished)


def _bodies(content: bytes) -> list[dict[str, Any]]:
    if not content.startswith(b"data:"):
        try:
            return [from_json(content)]
        except ValueError:
            return []
    events = [line[5:].strip() for line in content.split(b"\n") if line.startswith(b"data:")]
    return [from_json(event) for event in events if event != b"[DONE]"]


def _is_error(body: dict[str, Any]) -> bool:
    error = body.get("error")
    return isinstance(error, dict) and {"message", "type", "param", "code"} <= error.keys()
