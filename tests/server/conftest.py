"""A server in a thread, in front of a scripted model or of a model server that tests script."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.llm import create_model
from persona_agent.memory import open_memory
from persona_agent.protocols import LanguageModel
from persona_agent.server.app import create_app
from persona_agent.server.config import ServerConfig
from persona_agent.server.run import Address, GracefulServer, listen, server
from persona_agent.settings import Settings


@dataclass
class Running:
    """A server that listens."""

    url: str
    agent: PersonaAgent
    server: GracefulServer
    thread: threading.Thread

    def client(self, key: str = "", user: str | None = None) -> httpx.Client:
        """Return an HTTP client, for one user if one is named."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(
            base_url=self.url, headers=headers, params={"user": user} if user else {}, timeout=20
        )

    def stop(self) -> None:
        """End as a signal would."""
        self.server.should_exit = True
        self.thread.join(timeout=30)
        assert not self.thread.is_alive(), "the server did not end"


Start = Callable[..., Running]


@contextmanager
def running(agent: PersonaAgent, config: ServerConfig) -> Iterator[Running]:
    """Run a server until the end of the block."""
    listening = listen(Address(port=0))
    made = server(create_app(agent, config), seconds_to_finish=10)
    thread = threading.Thread(target=lambda: asyncio.run(made.serve(sockets=[listening])))
    thread.start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    found = Running(url, agent, made, thread)
    try:
        with httpx.Client(base_url=url) as client:
            while client.get("/ready").status_code != 200:
                pass
        yield found
    finally:
        if thread.is_alive():
            found.stop()
        listening.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a server: over a model that is given, or over the one that settings name."""
    opened: list[Any] = []

    def begin(
        answering: LanguageModel | None = None,
        config: ServerConfig | None = None,
        **settings: Any,
    ) -> Running:
        loaded = Settings.load(data_dir=tmp_path / "data", embedder="hash", **settings)
        memory = open_memory(loaded)
        used = answering or create_model(loaded, memory.embedder)
        agent = PersonaAgent(memory, used, loaded)
        block = running(agent, config or ServerConfig(anonymous=True, turns_per_minute=0))
        found = block.__enter__()
        opened.append((block, agent))
        return found

    yield begin
    for block, agent in reversed(opened):
        block.__exit__(None, None, None)
        agent.close()


@pytest.fixture
def offline(start: Start) -> Running:
    """A server over the offline model, open to this machine."""
    return start()


# --- a model server that a test scripts ---------------------------------------------------------


@dataclass
class Reply:
    """What the model server answers: a body, or the data of events, then it may hang up."""

    body: Any = None
    status: int = 200
    events: list[Any] | None = None
    raw: bytes | None = None
    cut: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None


class ModelServer(ThreadingHTTPServer):
    """Answers with what stands in ``replies``, in order; keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies: list[Reply] = []
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    @property
    def base(self) -> str:
        """Base URL of its API."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that gave up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        self.server.requests.append(json.loads(self.rfile.read(length)))
        self.server.headers.append({k.lower(): v for k, v in self.headers.items()})
        reply = self.server.replies.pop(0)
        if reply.wait is not None:
            reply.wait.wait(20)
        if reply.events is not None:
            self._stream(reply)
            return
        raw = reply.raw if reply.raw is not None else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw[: len(raw) // 2] if reply.cut else raw)
        if reply.cut:
            self.close_connection = True

    def _stream(self, reply: Reply) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for event in reply.events or ():
            data = event if isinstance(event, str) else json.dumps(event)
            self.wfile.write(f"data: {data}\n\n".encode())
            self.wfile.flush()
        if not reply.cut:
            self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[ModelServer]:
    """A model server of this test's own; the name lets model calls through."""
    made = ModelServer()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def told(text: str | None, **message: Any) -> dict[str, Any]:
    """Return a complete response with a text, or with tool calls."""
    said = {"role": "assistant", "content": text} | message
    reason = "tool_calls" if "tool_calls" in message else "stop"
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": said, "finish_reason": reason}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }


def piece(delta: dict[str, Any] | None, reason: str | None = None) -> dict[str, Any]:
    """Return one chunk of a streamed response; None is the one with the usage."""
    frame = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    if delta is None:
        usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
        return frame | {"choices": [], "usage": usage}
    return frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def asked(text: str, user: Any = "ana", **more: Any) -> dict[str, Any]:
    """Return a chat request for the offline model."""
    body = {"model": "offline", "messages": [{"role": "user", "content": text}]} | more
    return body | {"user": user} if user is not None else body


def turn(api: httpx.Client, text: str = "I like jazz", **more: Any) -> dict[str, Any]:
    answer = api.post("/v1/chat/completions", json=asked(text, **more))
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def client(running: Running, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0, **options)


@pytest.fixture
def front(start: Start, endpoint: ModelServer) -> Running:
    """A server in front of the model server of this test."""
    return start(model="openai/m", api_base=endpoint.base, api_key="sk-upstream")
