"""A loopback model server that answers at once, and with faults if asked: for measuring a proxy.

It is a process of its own (``python -m persona_agent.bench.serve_upstream``), speaks just enough
HTTP, and costs as little as Python allows, so that what is measured is the proxy. The first piece
of a stream tells when it was written (``at=SECONDS`` of the system's monotonic clock).
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

FAULTS = ("timeout", "429", "500", "cut", "garbage")
MARK = re.compile(r"mark-(u\d+)-\d+-end")
PIECES = 3


def fault(seed: int, marker: str, share: float) -> str | None:
    """Return what goes wrong with a turn, drawn from the seed and the turn's marker alone."""
    chance = random.Random(f"{seed} {marker}")
    return chance.choice(FAULTS) if chance.random() < share else None


class Upstream(asyncio.Protocol):
    """One connection."""

    crossed = 0
    served = 0
    seed = 0
    share = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = re.search(rb"content-length: (\d+)", head)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < size:
                return
            body, self._buffer = self._buffer[end + 4 : size], self._buffer[size:]
            if head.startswith(b"get /stats"):
                stats = {"crossed": Upstream.crossed, "served": Upstream.served}
                self._send(200, json.dumps(stats).encode())
            else:
                self._answer(from_json(body), body.decode())

    def _answer(self, body: dict[str, Any], text: str) -> None:
        Upstream.served += 1
        marks = [match for match in MARK.finditer(text)]
        user = body.get("user")
        Upstream.crossed += any(match[1] != user for match in marks)
        last = marks[-1][0] if marks else ""
        wrong = fault(self.seed, last, self.share) if self.share and last else None
        answer = f"answer to {last}" if last else "as you like it"
        if wrong == "timeout":
            return  # never answered
        if wrong in ("429", "500"):
            failed = b'{"error": {"message": "drawn by lot", "type": "x", "code": null}}'
            self._send(int(wrong), failed)
        elif body.get("stream"):
            self._stream(answer, wrong)
        else:
            self._whole(answer, wrong)

    def _whole(self, answer: str, wrong: str | None) -> None:
        message = {"role": "assistant", "content": answer}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        reply = _frame("chat.completion") | {"choices": [choice], "usage": _USAGE}
        raw = json.dumps(reply).encode()
        if wrong == "garbage":
            self._send(200, b"\xff\xfe<html>" + raw[:40])
        elif wrong == "cut":
            self._transport.write(_head(200, b"application/json", len(raw)) + raw[: len(raw) // 2])
            self._transport.close()
        else:
            self._send(200, raw)

    def _stream(self, answer: str, wrong: str | None) -> None:
        self._transport.write(_STREAM_HEAD)
        for number, piece in enumerate(_pieces(answer)):
            if wrong == "cut" and number == PIECES - 1:
                self._transport.close()
                return
            if wrong == "garbage" and number == PIECES - 1:
                self._chunk(b'data: {"choices": 7, \xff\n\n')
                break
            self._chunk(b"data: " + json.dumps(piece).encode() + b"\n\n")
        else:
            self._chunk(b"data: [DONE]\n\n")
        self._transport.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        self._transport.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _send(self, status: int, raw: bytes) -> None:
        self._transport.write(_head(status, b"application/json", len(raw)) + raw)


_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_USAGE = {"prompt_tokens": 300, "completion_tokens": 6, "total_tokens": 306}


def _head(status: int, kind: bytes, length: int) -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n" % (
        status,
        kind,
        length,
    )


def _frame(kind: str) -> dict[str, Any]:
    return {"id": "c", "object": kind, "created": 1, "model": "loopback"}


def _pieces(answer: str) -> Iterator[dict[str, Any]]:
    frame = _frame("chat.completion.chunk")
    texts = (f"at={time.monotonic():.6f} ", answer, None)
    for text in texts:
        delta = {"role": "assistant", "content": text} if text else {}
        reason = None if text else "stop"
        yield frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
    yield frame | {"choices": [], "usage": _USAGE}


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    Upstream.seed, Upstream.share = int(sys.argv[2]), float(sys.argv[3])
    asyncio.run(_serve(int(sys.argv[1])))
