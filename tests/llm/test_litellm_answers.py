"""Typed prompts through LiteLLM against a loopback endpoint: sent, booked, repaired."""

from __future__ import annotations

import pytest

from persona_agent.errors import ModelAnswerError, ModelRefusalError
from persona_agent.prompts import DECIDE
from tests.llm.endpoint import GOOD, INPUTS, Endpoint, Maker, Step, failing, text

pytestmark = pytest.mark.slow  # importing LiteLLM takes seconds


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
