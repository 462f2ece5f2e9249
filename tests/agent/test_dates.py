"""Whoever reads a claim "since" a day is told the day that the question is of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from persona_agent import PersonaAgent
from persona_agent.agent.answer import answer
from persona_agent.agent.context import Context
from persona_agent.agent.proxy import Proxy
from persona_agent.prompts import DECIDE, DECIDE_BRIEF, RESPOND, VERIFY_CLAIMS, TypedPrompt
from persona_agent.schema import Query
from persona_agent.testing import ScriptedModel

TOLD = Context(persona_version="v", persona_text="- since 2026-03-05 is brief", date="2026-03-01")


@pytest.mark.parametrize(
    ("prompt", "brief", "options", "said"),
    [
        (RESPOND, False, (), {"answer": "Yes."}),
        (DECIDE, False, ("tea", "milk"), {"choice": 1}),
        (DECIDE_BRIEF, True, ("tea", "milk"), {"choice": 1}),
    ],
)
async def test_a_query_is_shown_with_its_day(
    prompt: TypedPrompt[Any, Any], brief: bool, options: tuple[str, ...], said: dict[str, object]
) -> None:
    query = Query(text="A drink?", options=options, task="notes")
    model = ScriptedModel({prompt.name: said})
    await answer(model, query, TOLD.model_copy(update={"brief": brief}))
    ((_, inputs),) = model.requests
    assert "<query>\n2026-03-01 (notes) A drink?" in prompt.render(inputs)[1].content


@pytest.mark.parametrize("prompt", [DECIDE, DECIDE_BRIEF, RESPOND, VERIFY_CLAIMS])
def test_who_reads_claims_is_told_what_since_means(prompt: TypedPrompt[Any, Any]) -> None:
    assert '"since"' in prompt.text


async def test_who_answers_for_a_host_is_told_the_day(agent: PersonaAgent) -> None:
    proxy = Proxy(agent)
    turn = await proxy.prepare("ana", [{"role": "user", "content": "Hello"}])
    await proxy.aclose()
    day = datetime.now(UTC).date().isoformat()
    assert f"(today is {day})" in turn.messages[0]["content"]
