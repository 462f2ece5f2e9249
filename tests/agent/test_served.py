"""What a user states holds for the next answer, before any optimization takes it up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.agent.proxy import Proxy
from persona_agent.errors import NotFoundError
from persona_agent.memory import open_memory
from persona_agent.memory.facts import Learned
from persona_agent.prompts import DecideInputs
from persona_agent.prompts.clarify import ClarifyInputs
from persona_agent.schema import ContextPolicy, Fact
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel

START = datetime(2026, 1, 1, tzinfo=UTC)
OPTIONS = ["a trout", "a salad"]
FISH, NONE = "I eat fish again.", "I eat nothing that had a face."
GENERIC = ContextPolicy.generic()


def opened(folder: Path) -> PersonaAgent:
    chosen = Settings(data_dir=folder, embedder="hash")
    asks = {"question": "Trout or salad?", "between": [1, 2]}
    answers: dict[str, Any] = {"decide": {"choice": 1, "confidence": 0.3}, "clarify": asks}
    return PersonaAgent(open_memory(chosen), ScriptedModel(answers, chat="Trout."), chosen)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[PersonaAgent]:
    with opened(tmp_path) as found:
        yield found


def fact(text: str, *, day: int = 0, user: str = "ann") -> Fact:
    at = START + timedelta(days=day)
    return Fact(user_id=user, text=f"The user said: {text}", sources=("turn",), valid_from=at)


def decided(agent: PersonaAgent, user: str = "ann") -> str:
    return agent.decide_sync(user, "Lunch?", OPTIONS, remember=False).persona_text


def served(agent: PersonaAgent, policy: ContextPolicy | None = None) -> str:
    """Store a version that took up NONE, and have it replaced; return the version."""
    old = fact(NONE)
    agent.memory.facts.add([old])
    agent.pin_claim_sync("ann", old.id)
    made = agent.pin_claim_sync("ann", old.id, False)
    if policy is not None:
        version = made.model_copy(update={"version": "policy", "policy": policy})
        agent.memory.personas.put(version, expected=made.version)
        made = version
    agent.memory.facts.learn("ann", [Learned(fact(FISH, day=9), (old.id,))], [])
    return made.version


def test_a_reply_to_a_question_settles_the_next_decision_and_question(agent: PersonaAgent) -> None:
    first = agent.decide_sync("ann", "Lunch?", OPTIONS, may_ask=True)
    assert first.question and first.persona_text == ""
    agent.feedback_sync(first.episode_id, user="ann", comment="With trout I can live.")
    said = 'when asked about "Lunch?": With trout I can live. (user\'s own words'
    assert said in agent.decide_sync("ann", "A starter?", OPTIONS, may_ask=True).persona_text
    assert isinstance(agent.model, ScriptedModel)
    (_, asked), (_, doubted) = agent.model.requests[-2:]
    assert isinstance(asked, DecideInputs) and said in asked.persona
    assert isinstance(doubted, ClarifyInputs) and said in doubted.persona


def test_what_was_replaced_since_is_not_shown(agent: PersonaAgent) -> None:
    version = served(agent)
    assert [one.text for one in agent.memory.personas.get("ann", version).claims] == [NONE]
    text = decided(agent)
    assert f"{FISH} (user's own words, 2026-01-10)" in text and NONE not in text
    assert text == agent.persona_text_sync("ann"), "what is shown of it is what answers"
    assert agent.persona_sync("ann").version == version
    assert decided(agent, "ben") == ""


def test_a_generic_policy_shows_none(agent: PersonaAgent) -> None:
    served(agent, GENERIC)
    assert decided(agent) == ""


def test_what_a_version_holds_is_not_doubled(agent: PersonaAgent) -> None:
    agent.memory.facts.add([fact(FISH)])
    agent.optimize_sync("ann")
    assert decided(agent).count(FISH) == 1
    assert agent.persona_sync("ann") == agent.history_sync("ann")[-1]
    agent.state_claim_sync("ann", NONE)
    agent.memory.facts.add([fact(NONE, day=1)])
    assert decided(agent).count(NONE) == 1


def test_what_was_stated_can_be_corrected_and_deleted_at_once(agent: PersonaAgent) -> None:
    first, second = fact(FISH), fact(NONE, day=1)
    agent.memory.facts.add([first, second])
    agent.correct_claim_sync("ann", first.id, "I eat trout.")
    agent.delete_claim_sync("ann", second.id)
    text = decided(agent)
    assert "I eat trout." in text and FISH not in text and NONE not in text


def test_deleting_what_it_was_said_in_takes_it_back(agent: PersonaAgent) -> None:
    agent.memory.facts.add([fact(FISH)])
    assert FISH in decided(agent)
    agent.memory.delete("ann", ["turn"])
    assert decided(agent) == ""
    agent.memory.facts.add([fact(FISH)])
    agent.forget_sync("ann")
    assert decided(agent) == ""


def test_what_another_process_keeps_is_seen_at_once(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as other:
        assert decided(one) == ""
        other.memory.facts.add([fact(FISH)])
        assert FISH in decided(one)


def test_facts_are_read_again_only_when_they_changed(
    agent: PersonaAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.memory.facts.add([fact(FISH)])
    shown = decided(agent)
    monkeypatch.setattr(agent.memory.facts, "profile", None)
    assert decided(agent) == shown


def test_the_chat_goes_by_it_too(agent: PersonaAgent) -> None:
    agent.memory.facts.add([fact(FISH)])
    agent.chat_sync("ann", "Lunch?")
    assert isinstance(agent.model, ScriptedModel)
    assert FISH in agent.model.chats[-1][0].content


async def test_the_endpoint_goes_by_it_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as agent:
        agent.memory.facts.add([fact(FISH)])
        proxy = Proxy(agent)
        turn = await proxy.prepare("ann", [{"role": "user", "content": "Lunch?"}])
        await proxy.aclose()
        assert FISH in str(turn.messages[0]["content"])
        assert turn.claims == (agent.memory.facts.current("ann")[0].id,)


def test_statements_without_a_version_are_the_persona_that_answers(agent: PersonaAgent) -> None:
    with pytest.raises(NotFoundError):
        agent.persona_sync("ann")
    agent.memory.facts.add([fact(FISH)])
    shown = agent.persona_sync("ann")
    assert (shown.version, [one.text for one in shown.claims]) == ("", [FISH])
    assert agent.persona_text_sync("ann") == decided(agent) != ""
    assert agent.history_sync("ann") == []
