"""Failing calls through LiteLLM against a loopback endpoint: retried, raised, told."""

from __future__ import annotations

import logging
import time
import traceback

import pytest

from persona_agent.errors import ModelCallError
from persona_agent.prompts import DECIDE
from tests.llm.endpoint import GOOD, INPUTS, KEY, USER, Endpoint, Maker, failing, text

pytestmark = pytest.mark.slow  # importing LiteLLM takes seconds


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
