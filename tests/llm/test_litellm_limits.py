"""Budgets, slots, the cache and the kill switch around calls through LiteLLM."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from persona_agent.errors import BudgetExceededError, ModelCallError, ModelCallsBlockedError
from persona_agent.llm import limit
from persona_agent.prompts import DECIDE
from tests.llm.endpoint import GOOD, INPUTS, USER, Endpoint, Maker, failing, text

pytestmark = pytest.mark.slow  # importing LiteLLM takes seconds


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
    assert (model.forget("u2"), model.forget("u1")) == (0, 1)
    await model.ask(DECIDE, INPUTS)
    assert model.usage().calls > 0


async def test_the_kill_switch_stops_calls_and_not_the_cache(make: Maker, tmp_path: Path) -> None:
    await make(text(GOOD), cache_dir=tmp_path).ask(DECIDE, INPUTS)
    blocked = make(text(GOOD), cache_dir=tmp_path, allow_model_calls=False)
    assert (await blocked.ask(DECIDE, INPUTS)).choice == 2
    with pytest.raises(ModelCallsBlockedError):
        await blocked.chat(USER)


async def test_a_cancelled_call_is_booked_and_gives_its_slot_back(
    make: Maker, endpoint: Endpoint
) -> None:
    model = make(text("late", delay=0.3), text("next"), concurrency=1)
    task = asyncio.create_task(model.chat(USER))
    while not endpoint.bodies:
        await asyncio.sleep(0.01)
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
