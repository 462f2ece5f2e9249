"""The real LiteLLM path against a loopback endpoint: what is sent, retried, booked and raised."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from persona_agent.errors import (
    BudgetExceededError,
    ModelAnswerError,
    ModelCallError,
    ModelCallsBlockedError,
    ModelRefusalError,
)
from persona_agent.llm import limit
from persona_agent.llm.failures import Backoff
from persona_agent.llm.litellm_model import LiteLLMModel
from persona_agent.prompts import DECIDE, DecideInputs
from persona_agent.protocols import ChatMessage, ChatReply, Tool
from persona_agent.schema import Query
from persona_agent.settings import Settings

pytestmark = pytest.mark.slow  # importing LiteLLM takes seconds

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


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


Maker = Callable[..., LiteLLMModel]


@pytest.fixture
async def make(endpoint: Endpoint) -> AsyncIterator[Maker]:
    """Make a model at the endpoint, with quick retries; ``steps`` is what the endpoint does."""
    made: list[LiteLLMModel] = []

    def make(*steps: Step, **overrides: Any) -> LiteLLMModel:
        endpoint.steps = list(steps)
        settings: dict[str, Any] = {
            "model": "openai/desk",
            "api_base": f"http://127.0.0.1:{endpoint.server_address[1]}/v1",
            "api_key": SecretStr(KEY),
            "retries": 2,
            **overrides,
        }
        backoff = Backoff(retries=settings["retries"], first=0.001)
        made.append(LiteLLMModel(Settings.load(**settings), backoff=backoff))
        return made[-1]

    yield make
    for model in made:
        await model.aclose()


# --- typed prompts ----------------------------------------------------------------------------


async def test_a_good_answer_is_booked_to_its_user_and_purpose(
    make: Maker, endpoint: Endpoint
) -> None:
    model = make(text(GOOD), temperature=0.5)
    with model.account(user_id="u1", purpose="decide"):
        assert (await model.ask(DECIDE, INPUTS)).choice == 2
    used = model.usage(user_id="u1", purpose="decide")
    assert (used.calls, used.prompt_tokens, used.completion_tokens) == (1, 11, 3)
    assert used.seconds > 0 and used.cost_usd == 0
    assert model.usage(user_id="u2").calls == 0
    (body,) = endpoint.bodies
    assert body["messages"] == [
        {"role": message.role, "content": message.content} for message in DECIDE.render(INPUTS)
    ]
    assert (body["model"], body["temperature"]) == ("desk", 0.5)
    assert body["response_format"]["json_schema"]["strict"] is True


async def test_a_listed_model_has_its_price(make: Maker) -> None:
    model = make(text(GOOD), model="openai/gpt-4o-mini")
    await model.ask(DECIDE, INPUTS)
    assert model.usage().cost_usd == pytest.approx(11 * 0.15e-6 + 3 * 0.6e-6)


async def test_prose_around_the_json_is_no_problem(make: Maker) -> None:
    model = make(text(f"Sure:\n```json\n{GOOD}\n```\nAnything else?"))
    assert (await model.ask(DECIDE, INPUTS)).choice == 2
    assert model.usage().calls == 1


@pytest.mark.parametrize("broken", ['{"choice": 2', '{"choice": 5}', "", None])
async def test_an_unusable_answer_is_repaired_once(
    make: Maker, endpoint: Endpoint, broken: str | None
) -> None:
    model = make(text(broken), text(GOOD))
    assert (await model.ask(DECIDE, INPUTS)).choice == 2
    assert model.usage().calls == 2
    remark = endpoint.bodies[1]["messages"][-1]
    assert remark["role"] == "user" and "could not be used" in remark["content"]

    model = make(text(broken))
    with pytest.raises(ModelAnswerError):
        await model.ask(DECIDE, INPUTS)
    assert model.usage().calls == 2


@pytest.mark.parametrize(
    "step",
    [
        text("I'm sorry, but I can't help with that."),
        text(None, refusal="I can't help with that."),
        text("", finish="content_filter"),
    ],
)
async def test_a_refusal_is_not_asked_again(make: Maker, step: Step) -> None:
    model = make(step)
    with pytest.raises(ModelRefusalError):
        await model.ask(DECIDE, INPUTS)
    assert model.usage().calls == 1


async def test_a_rejected_format_falls_back_and_is_remembered(
    make: Maker, endpoint: Endpoint
) -> None:
    model = make(
        failing(400, "'response_format' of type 'json_schema' is not supported"),
        failing(400, "json_object is not supported"),
        text(GOOD),
    )
    for _ in range(2):
        assert (await model.ask(DECIDE, INPUTS)).choice == 2
    forms = [body.get("response_format", {}).get("type") for body in endpoint.bodies]
    assert forms == ["json_schema", "json_object", None, None]


# --- failures ---------------------------------------------------------------------------------


async def test_a_slow_provider_times_out(make: Maker) -> None:
    model = make(text(GOOD, delay=0.5), timeout=0.1, retries=0)
    begin = time.perf_counter()
    with pytest.raises(ModelCallError) as caught:
        await model.ask(DECIDE, INPUTS)
    assert caught.value.transient and time.perf_counter() - begin < 0.45
    assert model.usage().calls == 1 and model.usage().prompt_tokens > 0


async def test_a_rate_limit_is_waited_for_as_long_as_asked(make: Maker) -> None:
    model = make(failing(429, Retry_After="0.2"), text(GOOD))
    begin = time.perf_counter()
    assert (await model.ask(DECIDE, INPUTS)).choice == 2
    assert time.perf_counter() - begin >= 0.2
    assert model.usage().calls == 2


async def test_server_errors_are_tried_again_and_then_raised(
    make: Maker, endpoint: Endpoint
) -> None:
    model = make(failing(500))
    with pytest.raises(ModelCallError) as caught:
        await model.ask(DECIDE, INPUTS)
    assert caught.value.transient
    assert model.usage().calls == len(endpoint.bodies) == 3
    assert model.usage().prompt_tokens == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_the_callers_mistakes_are_not_tried_again(
    make: Maker, endpoint: Endpoint, status: int
) -> None:
    model = make(failing(status))
    with pytest.raises(ModelCallError) as caught:
        await model.ask(DECIDE, INPUTS)
    assert not caught.value.transient and len(endpoint.bodies) == 1


async def test_a_missing_key_and_an_unknown_provider_are_explained(
    make: Maker, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for model in (make(text(GOOD), api_key=None), make(text(GOOD), model="nobody/knows")):
        with pytest.raises(ModelCallError) as caught:
            await model.ask(DECIDE, INPUTS)
        assert not caught.value.transient
    assert "PERSONA_AGENT_MODEL" in str(caught.value)
    assert not endpoint.bodies


async def test_no_connection_is_transient(make: Maker) -> None:
    model = make(text(GOOD), api_base="http://127.0.0.1:9/v1", retries=1)
    with pytest.raises(ModelCallError) as caught:
        await model.chat(USER)
    assert caught.value.transient and model.usage().calls == 2


async def test_the_key_is_in_no_error_and_no_log(
    make: Maker, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    model = make(failing(401, "Incorrect API key provided: KEY"))
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(ModelCallError) as caught:
            await model.ask(DECIDE, INPUTS)
        with pytest.raises(ModelCallError) as streamed:
            [piece async for piece in model.stream(USER)]
    out = capfd.readouterr()
    for error in (caught.value, streamed.value):
        assert error.__context__ is None and error.__cause__ is None
        assert KEY not in "".join(traceback.format_exception(error))
    assert KEY not in caplog.text and KEY not in out.out + out.err
    assert KEY not in repr(model.__dict__)


# --- limits -----------------------------------------------------------------------------------


async def test_budgets_stop_before_sending(make: Maker, endpoint: Endpoint) -> None:
    model = make(text(GOOD), max_calls=2)
    with limit(max_calls=1):
        await model.ask(DECIDE, INPUTS)
        with pytest.raises(BudgetExceededError):
            await model.ask(DECIDE, INPUTS)
    await model.ask(DECIDE, INPUTS)
    with pytest.raises(BudgetExceededError):
        await model.chat(USER)
    with pytest.raises(BudgetExceededError):
        [piece async for piece in model.stream(USER)]
    assert len(endpoint.bodies) == model.usage().calls == 2


async def test_retries_count_against_the_budget(make: Maker, endpoint: Endpoint) -> None:
    model = make(failing(500), max_calls=2)
    with pytest.raises(BudgetExceededError):
        await model.ask(DECIDE, INPUTS)
    assert len(endpoint.bodies) == 2


async def test_no_more_calls_at_once_than_allowed(make: Maker, endpoint: Endpoint) -> None:
    model = make(text(GOOD, delay=0.02), concurrency=2)
    await asyncio.gather(*(model.ask(DECIDE, INPUTS) for _ in range(8)))
    assert endpoint.most_busy == 2


async def test_a_cached_answer_costs_nothing(
    make: Maker, endpoint: Endpoint, tmp_path: Path
) -> None:
    for _ in range(2):
        model = make(text("so so"), text(GOOD), cache_dir=tmp_path)
        with model.account(user_id="u1", purpose="decide"):
            for _ in range(2):
                assert (await model.ask(DECIDE, INPUTS)).choice == 2
    assert len(endpoint.bodies) == 2  # the first answer had to be repaired
    assert model.usage().calls == 0
    assert model.meter.hits(user_id="u1", purpose="decide") == 2
    assert (model.forget("u2"), model.forget("u1")) == (0, 1)
    await model.ask(DECIDE, INPUTS)
    assert model.usage().calls > 0


async def test_the_kill_switch_stops_calls_and_not_the_cache(make: Maker, tmp_path: Path) -> None:
    await make(text(GOOD), cache_dir=tmp_path).ask(DECIDE, INPUTS)
    blocked = make(text(GOOD), cache_dir=tmp_path, allow_model_calls=False)
    assert (await blocked.ask(DECIDE, INPUTS)).choice == 2
    with pytest.raises(ModelCallsBlockedError):
        await blocked.chat(USER)


async def test_a_cancelled_call_is_booked_and_gives_its_slot_back(make: Maker) -> None:
    model = make(text("late", delay=0.3), text("next"), concurrency=1)
    task = asyncio.create_task(model.chat(USER))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.usage().calls == 1 and model.usage().prompt_tokens > 0
    assert (await model.chat(USER)).content == "next"


async def test_errors_are_not_cached(make: Maker, endpoint: Endpoint, tmp_path: Path) -> None:
    model = make(failing(401), text(GOOD), cache_dir=tmp_path)
    with pytest.raises(ModelCallError):
        await model.ask(DECIDE, INPUTS)
    assert (await model.ask(DECIDE, INPUTS)).choice == 2


# --- chat and streams -------------------------------------------------------------------------


async def test_a_tool_call_comes_parsed(make: Maker, endpoint: Endpoint) -> None:
    model = make(text(None, "tool_calls", **calling('{"q": "x"}')))
    reply = await model.chat(USER, tools=[SEARCH])
    assert [(call.id, call.name, call.arguments) for call in reply.tool_calls] == [
        ("c1", "search", {"q": "x"})
    ]
    assert endpoint.bodies[0]["tools"][0]["function"] == SEARCH.model_dump()
    turn = ChatMessage(role="assistant", tool_calls=reply.tool_calls)
    result = ChatMessage(role="tool", content="found", tool_call_id="c1")
    model = make(text("It is x."))
    assert (await model.chat([*USER, turn, result], tools=[SEARCH])).content == "It is x."


async def test_broken_tool_arguments_are_repaired_once(make: Maker) -> None:
    broken = text(None, "tool_calls", **calling('{"q": '))
    model = make(broken, text(None, "tool_calls", **calling('{"q": "y"}')))
    reply = await model.chat(USER, tools=[SEARCH])
    assert reply.tool_calls[0].arguments == {"q": "y"}
    model = make(broken)
    with pytest.raises(ModelAnswerError, match="'search' are not JSON"):
        await model.chat(USER, tools=[SEARCH])
    assert model.usage().calls == 2


async def test_a_stream_yields_pieces_and_then_the_reply(make: Maker) -> None:
    model = make(
        streaming({"role": "assistant", "content": ""}, {"content": "he"}, {"content": "y"})
    )
    pieces = [piece async for piece in model.stream(USER)]
    assert pieces == ["he", "y", ChatReply(content="hey")]
    used = model.usage()
    assert (used.calls, used.prompt_tokens, used.completion_tokens) == (1, 11, 3)


async def test_a_streamed_tool_call_is_put_together(make: Maker) -> None:
    first = {"index": 0, **calling('{"q"')["tool_calls"][0]}
    rest = {"index": 0, "function": {"arguments": ': "x"}'}}
    model = make(streaming({"tool_calls": [first]}, {"tool_calls": [rest]}, end="tool_calls"))
    (reply,) = [piece async for piece in model.stream(USER, tools=[SEARCH])]
    assert isinstance(reply, ChatReply)
    assert reply.tool_calls[0].arguments == {"q": "x"}


async def test_a_cut_stream_is_an_error(make: Maker) -> None:
    model = make(streaming({"content": "half an "}, {"content": "ans"}, end=None))
    pieces: list[str | ChatReply] = []
    with pytest.raises(ModelCallError, match="before the reply was complete"):
        async for piece in model.stream(USER):
            pieces.append(piece)
    assert pieces == ["half an ", "ans"]
    assert model.usage().calls == 1 and model.usage().completion_tokens > 0


async def test_a_stream_that_fails_to_open_is_tried_again(make: Maker) -> None:
    model = make(failing(503), streaming({"content": "hey"}))
    assert [piece async for piece in model.stream(USER)] == ["hey", ChatReply(content="hey")]
    assert model.usage().calls == 2


async def test_broken_arguments_in_a_stream_are_repaired(make: Maker) -> None:
    first = {"index": 0, **calling('{"q"')["tool_calls"][0]}
    model = make(
        streaming({"tool_calls": [first]}, end="tool_calls"),
        text(None, "tool_calls", **calling('{"q": "y"}')),
    )
    (reply,) = [piece async for piece in model.stream(USER, tools=[SEARCH])]
    assert isinstance(reply, ChatReply) and reply.tool_calls[0].arguments == {"q": "y"}


async def test_an_abandoned_stream_gives_its_slot_back(make: Maker) -> None:
    model = make(streaming({"content": "a"}, {"content": "b"}), concurrency=1)
    stream = model.stream(USER)
    assert await anext(stream) == "a"
    await stream.aclose()  # type: ignore[attr-defined]
    model_reply = [piece async for piece in model.stream(USER)][-1]
    assert model_reply == ChatReply(content="ab")
    assert model.usage().calls == 2


async def test_one_model_can_be_closed_while_another_goes_on(make: Maker) -> None:
    first, second = make(text("one")), make(text("two"))
    await first.chat(USER)
    await second.chat(USER)
    await first.aclose()
    assert (await second.chat(USER)).content == "two"
    await second.aclose()
    assert (await second.chat(USER)).content == "two"


def test_a_model_outlives_an_event_loop(endpoint: Endpoint) -> None:
    endpoint.steps = [text("hey")]
    base = f"http://127.0.0.1:{endpoint.server_address[1]}/v1"
    settings = Settings.load(model="openai/desk", api_base=base, api_key=SecretStr(KEY))
    model = LiteLLMModel(settings)

    async def chat() -> str:
        replies = await asyncio.gather(*(model.chat(USER) for _ in range(3)))
        await model.aclose()
        return replies[0].content

    assert [asyncio.run(chat()), asyncio.run(chat())] == ["hey", "hey"]
