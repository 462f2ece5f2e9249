"""A loopback endpoint, and models that call it through LiteLLM."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from persona_agent.llm.failures import Backoff
from persona_agent.llm.litellm_model import LiteLLMModel
from persona_agent.settings import Settings
from tests.llm.endpoint import KEY, USER, Endpoint, Maker, Step, text


@contextmanager
def serving() -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def first_call() -> None:
    """Have one call made: the first one loads LiteLLM, for seconds that no test should measure."""

    async def call(model: LiteLLMModel) -> None:
        await model.chat(USER)
        await model.aclose()

    with serving() as server:
        server.steps = [text("hey")]
        base = f"http://127.0.0.1:{server.server_address[1]}/v1"
        loaded = Settings.load(
            model="openai/desk", api_base=base, api_key=SecretStr(KEY), allow_model_calls=True
        )
        asyncio.run(call(LiteLLMModel(loaded)))


@pytest.fixture
def endpoint(first_call: None) -> Iterator[Endpoint]:
    with serving() as server:
        yield server


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
