"""LiteLLM is loaded late, only when it is allowed, and quietly."""

from __future__ import annotations

import subprocess
import sys

import pytest

from persona_agent.errors import MissingExtraError, ModelCallsBlockedError
from persona_agent.llm import create_model
from persona_agent.llm.litellm_model import LiteLLMModel
from persona_agent.prompts import DECIDE, DecideInputs
from persona_agent.protocols import ChatMessage
from persona_agent.schema import Query
from persona_agent.settings import Settings

INPUTS = DecideInputs(query=Query(text="which?", options=("a", "b")))


class NoEmbedder:
    name, dimension = "none", 1

    def embed(self, texts: object) -> object:
        raise NotImplementedError


async def test_the_kill_switch_refuses_every_way_to_call() -> None:
    settings = Settings.load(model="openai/gpt-4o", allow_model_calls=False)
    model = create_model(settings, NoEmbedder())  # type: ignore[arg-type]
    assert isinstance(model, LiteLLMModel) and model.name == "openai/gpt-4o"
    user = [ChatMessage(role="user", content="hi")]
    with pytest.raises(ModelCallsBlockedError, match="PERSONA_AGENT_ALLOW_MODEL_CALLS"):
        await model.ask(DECIDE, INPUTS)
    with pytest.raises(ModelCallsBlockedError):
        await model.chat(user)
    with pytest.raises(ModelCallsBlockedError):
        [piece async for piece in model.stream(user)]
    assert model.usage().calls == 0
    await model.aclose()


@pytest.mark.usefixtures("allow_model_calls")
async def test_a_missing_package_raises_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("importlib.import_module", missing)
    model = LiteLLMModel(Settings.load(model="openai/gpt-4o"))
    with pytest.raises(MissingExtraError, match=r"pip install .*\[agent\]"):
        await model.ask(DECIDE, INPUTS)
    await model.aclose()


@pytest.mark.slow
def test_litellm_is_neither_imported_by_our_import_nor_by_a_blocked_call() -> None:
    program = """
import asyncio, sys
import persona_agent.llm, persona_agent.llm.litellm_model, persona_agent.testing.models
from persona_agent.errors import ModelCallsBlockedError
from persona_agent.protocols import ChatMessage
from persona_agent.settings import Settings
model = persona_agent.llm.create_model(Settings(model="openai/x", allow_model_calls=False), None)
try:
    asyncio.run(model.chat([ChatMessage(role="user", content="hi")]))
except ModelCallsBlockedError:
    pass
loaded = {"litellm", "openai", "httpx", "torch", "langgraph"} & sys.modules.keys()
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)


@pytest.mark.slow
def test_providers_that_are_imported_late_warn_nobody() -> None:
    program = """
import importlib, os, warnings
from persona_agent.llm import litellm_runtime
user = type("User", (), {})()
litellm_runtime.load(user)
warnings.simplefilter("error")
for name in ("ollama.completion", "cohere.chat"):
    importlib.import_module(f"litellm.llms.{name}.transformation")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
