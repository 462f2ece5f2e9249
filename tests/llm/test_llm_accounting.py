"""Usage is booked to whoever it was for, and budgets stop before a call, not after."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor

import pytest

from persona_agent.errors import BudgetExceededError
from persona_agent.llm.accounting import AccountedModel, Budget, UsageMeter, account, limit


def spend(meter: UsageMeter, *, tokens: int = 0, cost: float = 0.0) -> None:
    with meter.call(prompt_tokens=tokens) as call:
        call.prompt_tokens = tokens
        call.cost_usd = cost


def test_usage_is_booked_to_the_innermost_account_and_adds_up() -> None:
    meter = UsageMeter()
    spend(meter, tokens=1)
    with account(user_id="u1", purpose="decide"):
        spend(meter, tokens=10)
        with account(user_id="u1", purpose="critique"):
            spend(meter, tokens=100, cost=0.5)
        spend(meter, tokens=10)
    assert meter.usage().prompt_tokens == 121
    assert meter.usage(user_id="u1").prompt_tokens == 120
    assert meter.usage(user_id="u1", purpose="decide").calls == 2
    assert meter.usage(purpose="critique").cost_usd == 0.5
    assert meter.usage(user_id="u2").calls == 0
    assert meter.usage(user_id="").prompt_tokens == 1


async def test_tasks_do_not_see_each_others_account() -> None:
    meter = UsageMeter()

    async def work(user: str) -> None:
        with account(user_id=user, purpose="p"):
            await asyncio.sleep(0)
            spend(meter, tokens=1)
            await asyncio.to_thread(spend, meter, tokens=1)

    await asyncio.gather(*(work(f"u{n}") for n in range(20)))
    assert [meter.usage(user_id=f"u{n}").prompt_tokens for n in range(20)] == [2] * 20


def test_threads_lose_no_booking() -> None:
    meter = UsageMeter()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: spend(meter, tokens=1), range(400)))
    assert meter.usage().calls == meter.usage().prompt_tokens == 400


def test_a_failed_call_is_booked() -> None:
    meter = UsageMeter()
    with pytest.raises(RuntimeError), meter.call() as call:
        call.prompt_tokens = 7
        raise RuntimeError
    assert (meter.usage().calls, meter.usage().prompt_tokens) == (1, 7)


@pytest.mark.parametrize(
    ("budget", "allowed"),
    [
        (Budget(max_calls=2), 2),
        (Budget(max_calls=0), 0),
        (Budget(max_tokens=25), 2),
        (Budget(max_tokens=20), 2),
        (Budget(max_tokens=9), 0),
        (Budget(max_cost_usd=0.15), 2),
        (Budget(max_cost_usd=0), 0),
        (Budget(), 5),
    ],
)
def test_a_budget_stops_before_the_call(budget: Budget, allowed: int) -> None:
    meter = UsageMeter(budget)
    done = 0
    for _ in range(5):
        try:
            spend(meter, tokens=10, cost=0.1)
        except BudgetExceededError as error:
            assert "nothing sent" in str(error)
            break
        done += 1
    assert done == allowed == meter.usage().calls


def test_concurrent_calls_do_not_overshoot_the_number_of_calls() -> None:
    meter = UsageMeter(Budget(max_calls=3))
    refused = 0
    with meter.call(), meter.call(), meter.call():
        try:
            spend(meter)
        except BudgetExceededError:
            refused += 1
    assert (refused, meter.usage().calls) == (1, 3)


async def test_nested_limits_all_hold_and_end_with_their_block() -> None:
    meter = UsageMeter()
    with limit(max_calls=3) as outer:
        with limit(max_calls=1) as inner:
            spend(meter)
            with pytest.raises(BudgetExceededError):
                spend(meter)
            assert inner.used.calls == 1
        # A limit covers the tasks that are started inside it.
        await asyncio.gather(*(asyncio.to_thread(spend, meter) for _ in range(2)))
        with pytest.raises(BudgetExceededError, match="this run"):
            spend(meter)
        assert outer.used.calls == 3
    spend(meter)
    assert meter.usage().calls == 4


def test_a_refused_call_leaves_no_trace_in_the_other_ledgers() -> None:
    meter = UsageMeter(Budget(max_calls=2))
    with limit(max_calls=0), pytest.raises(BudgetExceededError):
        spend(meter)
    spend(meter)
    spend(meter)
    assert meter.usage().calls == 2


def test_calls_without_a_price_pass_a_limit_of_money() -> None:
    meter = UsageMeter()
    with limit(max_cost_usd=0), meter.call(free=True):
        pass
    assert meter.usage().calls == 1


def test_a_limit_does_not_reach_other_threads() -> None:
    meter = UsageMeter()
    with limit(max_calls=0):
        thread = threading.Thread(target=spend, args=(meter,))
        thread.start()
        thread.join()
    assert meter.usage().calls == 1


async def test_an_account_in_an_abandoned_generator_ends_quietly() -> None:
    async def pieces() -> AsyncGenerator[int, None]:
        with account(user_id="u", purpose="p"):
            yield 1
            yield 2

    generator = pieces()
    await anext(generator)
    await asyncio.create_task(generator.aclose())


async def test_the_shared_base_has_a_name_and_accounts() -> None:
    model = AccountedModel("toy", meter=UsageMeter())
    with model.account(user_id="u", purpose="p"):
        spend(model.meter, tokens=3)
    assert (model.name, model.deterministic) == ("toy", True)
    assert model.usage(user_id="u", purpose="p").prompt_tokens == 3
    await model.aclose()


def test_users_long_gone_are_no_longer_told_apart_but_still_counted() -> None:
    meter = UsageMeter(most_accounts=3)
    for number in range(10):
        purpose = "chat" if number % 2 else "optimize"
        with account(user_id=f"u{number}", purpose=purpose), meter.call() as call:
            call.prompt_tokens = 1
    assert meter.usage().calls == 10
    assert meter.usage(purpose="chat").prompt_tokens == 5
    assert meter.usage(user_id="u9").calls == 1
    assert meter.usage(user_id="u0").calls == 0
