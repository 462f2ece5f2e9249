"""A model server that fails, breaks off or is late, as the official client sees it."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.server.conftest import ModelServer, Reply, Running, Start, client, piece, told

FAILURES = [
    (Reply({"error": {"message": "slow down"}}, 429, headers={"retry-after": "7"}), 429),
    (Reply({"error": {"message": "boom"}}, 500), 502),
    (Reply({"error": {"message": "bad key sk-upstream"}}, 401), 502),
    (Reply({"error": {"message": "too long"}}, 400), 400),
    (Reply(raw=b"\xff<html>"), 502),
    (Reply({"choices": []}), 502),
    (Reply({"choices": 3}), 502),
    (Reply([1]), 502),
    (Reply(told("half"), cut=True), 502),
]


@pytest.mark.parametrize(("reply", "status"), FAILURES)
def test_a_failure_of_the_upstream_is_a_proper_error(
    front: Running, endpoint: ModelServer, reply: Reply, status: int
) -> None:
    endpoint.replies = [reply]
    with client(front) as api, pytest.raises(openai.APIStatusError) as caught:
        api.chat.completions.create(
            model="m", user="ana", messages=[{"role": "user", "content": "Hello"}]
        )
    assert caught.value.status_code == status
    assert isinstance(caught.value.body, dict)
    assert set(caught.value.body) == {"message", "type", "param", "code"}
    assert "sk-upstream" not in str(caught.value)
    if status == 429:
        assert caught.value.response.headers["retry-after"] == "7"
    assert front.agent.episodes_sync("ana") == []


STREAMS = [
    [piece({"content": "Half a "})],
    [piece({"content": "Half a "}), "{not json"],
    [piece({"content": "Half a "}), {"error": {"message": "overloaded"}}],
    [piece({"content": "Half a "}), {"choices": [7]}],
]


@pytest.mark.parametrize("events", STREAMS)
def test_a_stream_that_breaks_ends_in_an_error_and_leaves_nothing(
    front: Running, endpoint: ModelServer, events: list[Any]
) -> None:
    endpoint.replies = [Reply(events=events, cut=True)]
    text = ""
    with client(front) as api, pytest.raises(openai.APIError):
        for chunk in api.chat.completions.create(
            model="m",
            user="ana",
            messages=[{"role": "user", "content": "Hello"}],
            stream=True,
        ):
            text += chunk.choices[0].delta.content or ""
    assert text == "Half a "
    assert front.agent.episodes_sync("ana") == []


def test_a_stream_that_fails_at_once_is_an_ordinary_error(
    front: Running, endpoint: ModelServer
) -> None:
    endpoint.replies = [Reply({"error": {"message": "slow down"}}, 429)]
    with client(front) as api, pytest.raises(openai.RateLimitError):
        api.chat.completions.create(
            model="m", user="ana", messages=[{"role": "user", "content": "Hi"}], stream=True
        )


def test_an_upstream_that_takes_too_long_is_a_time_out(start: Start, endpoint: ModelServer) -> None:
    import threading

    never = threading.Event()
    endpoint.replies = [Reply(told("late"), wait=never), Reply(told("late"), wait=never)]
    running = start(model="openai/m", api_base=endpoint.base, api_key="k", timeout=0.3)
    with client(running) as api:
        for stream in (False, True):
            with pytest.raises(openai.APIStatusError) as caught:
                api.chat.completions.create(
                    model="m",
                    user="ana",
                    messages=[{"role": "user", "content": "Hi"}],
                    stream=stream,
                )
            assert caught.value.status_code == 504
    never.set()
