"""An OpenAI-compatible endpoint on this machine that plays what a test scripts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from persona_agent.llm.litellm_model import LiteLLMModel
from persona_agent.prompts import DecideInputs
from persona_agent.protocols import ChatMessage, Tool
from persona_agent.schema import Query

KEY = "sk-loopback-0123456789"
INPUTS = DecideInputs(query=Query(text="which?", options=("a", "b")))
USER = [ChatMessage(role="user", content="hi")]
SEARCH = Tool(
    name="search",
    description="Search.",
    parameters={"type": "object", "properties": {"q": {"type": "string"}}},
)
GOOD = '{"choice": 2}'
HEAD = {"id": "x", "created": 1, "model": "m"}
USAGE = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        step = self.server.take(body)
        try:
            step(self)
        finally:
            self.server.done()

    def send(self, status: int, body: dict[str, Any], headers: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(data)


Step = Callable[[Handler], None]


class Endpoint(ThreadingHTTPServer):
    """An OpenAI-compatible endpoint that plays ``steps`` in order and repeats the last one."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.steps: list[Step] = []
        self.bodies: list[dict[str, Any]] = []
        self.busy = self.most_busy = 0
        self._lock = threading.Lock()

    def take(self, body: dict[str, Any]) -> Step:
        with self._lock:
            self.bodies.append(body)
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
            return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]

    def done(self) -> None:
        with self._lock:
            self.busy -= 1

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that gave up waiting


def text(content: str | None, finish: str = "stop", *, delay: float = 0.0, **message: Any) -> Step:
    def step(handler: Handler) -> None:
        time.sleep(delay)
        said = {"role": "assistant", "content": content, **message}
        choices = [{"index": 0, "message": said, "finish_reason": finish}]
        body = HEAD | {"object": "chat.completion", "choices": choices, "usage": USAGE}
        handler.send(200, body, {})

    return step


def failing(status: int, message: str = "boom", **headers: str) -> Step:
    def step(handler: Handler) -> None:
        said = message.replace("KEY", handler.headers["Authorization"])
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        handler.send(status, {"error": {"message": said, "type": "x"}}, named)

    return step


def streaming(*deltas: dict[str, Any], end: str | None = "stop") -> Step:
    def step(handler: Handler) -> None:
        def send(choices: list[dict[str, Any]], **more: Any) -> None:
            chunk = HEAD | {"object": "chat.completion.chunk", "choices": choices} | more
            handler.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for delta in deltas:
            send([{"index": 0, "delta": delta, "finish_reason": None}])
        if end is not None:
            send([{"index": 0, "delta": {}, "finish_reason": end}])
            send([], usage=USAGE)
            handler.wfile.write(b"data: [DONE]\n\n")

    return step


def calling(arguments: str) -> dict[str, Any]:
    function = {"name": "search", "arguments": arguments}
    return {"tool_calls": [{"id": "c1", "type": "function", "function": function}]}


Maker = Callable[..., LiteLLMModel]
