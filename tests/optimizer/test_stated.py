"""What a user stated becomes a claim: word for word, dated, taken back when it no longer holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from persona_agent import PersonaAgent
from persona_agent.errors import NotFoundError
from persona_agent.memory import open_memory
from persona_agent.memory.facts import Learned
from persona_agent.optimizer import OptimizerConfig
from persona_agent.optimizer.draft import draft_persona, stated_claims, with_stated
from persona_agent.persona import render
from persona_agent.persona.curation import correct_claim, delete_claim, pin_claim
from persona_agent.prompts import DraftInputs
from persona_agent.schema import ContextPolicy, Episode, Fact, Persona, Query
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel

AT = datetime(2026, 1, 1, tzinfo=UTC)


def fact(text: str, *sources: str, said: bool = True) -> Fact:
    words = f"The user said: {text}" if said else text
    return Fact(user_id="ann", text=words, sources=sources or ("turn-1",), valid_from=AT)


def texts(persona: Persona) -> list[str]:
    return [claim.text for claim in persona.claims]


def test_one_source_is_enough_for_what_the_user_said() -> None:
    (claim,) = stated_claims([fact("I hate jazz."), fact("Owns a boat.", said=False)])
    assert (claim.text, claim.evidence, claim.origin) == ("I hate jazz.", ("turn-1",), "user")
    assert claim.since == AT


def test_a_statement_that_was_replaced_is_taken_back() -> None:
    before = with_stated(Persona(user_id="ann"), [fact("I hate jazz.")])
    after = with_stated(before, [fact("I love jazz.")])
    assert (texts(before), texts(after)) == (["I hate jazz."], ["I love jazz."])


def test_what_the_user_made_of_a_statement_stays() -> None:
    facts = [fact("I hate jazz.")]
    persona = with_stated(Persona(user_id="ann"), facts)
    (claim,) = persona.claims
    assert texts(with_stated(delete_claim(persona, claim.id), facts)) == []
    corrected = correct_claim(persona, claim.id, "I hate free jazz.")
    assert texts(with_stated(corrected, facts)) == ["I hate free jazz."]
    assert texts(with_stated(pin_claim(persona, claim.id), [])) == ["I hate jazz."]


def test_own_words_are_shown_by_every_policy_but_the_one_that_shows_nothing() -> None:
    persona = with_stated(Persona(user_id="ann"), [fact("I hate jazz.")])
    quiet = persona.model_copy(update={"policy": ContextPolicy(show_claims=False)})
    assert "I hate jazz. (user's own words, 2026-01-01)" in render(quiet)
    assert not render(persona.model_copy(update={"policy": ContextPolicy.generic()}))


def history(count: int) -> list[Episode]:
    return [
        Episode(
            id=f"e{n}",
            user_id="ann",
            query=Query(text=f"q{n}", options=("tea", "milk")),
            outcome="tea",
            at=AT + timedelta(days=n),
        )
        for n in range(count)
    ]


async def drafted(evidence: Sequence[str], facts: Sequence[Fact]) -> Persona:
    written: dict[str, Any] = {"text": "drinks tea", "evidence": list(evidence)}
    model = ScriptedModel({"draft_persona": {"claims": [written]}})
    return await draft_persona("ann", history(3), model, OptimizerConfig(), facts=facts)


async def test_a_claim_may_rest_on_the_sources_of_a_fact() -> None:
    known = fact("Drinks tea.", "e0", "e1", said=False)
    (claim,) = (await drafted(["F1"], [known])).claims
    assert (claim.evidence, claim.origin) == (("e0", "e1"), "learned")
    assert (await drafted(["F2"], [known])).claims == ()


async def test_a_model_needs_two_sources_even_beside_the_users_word() -> None:
    persona = await drafted(["F1"], [fact("I like tea.")])
    assert texts(persona) == ["I like tea."]
    assert texts(await drafted(["F1", "E1"], [fact("I like tea.")])) == [
        "I like tea.",
        "drinks tea",
    ]


def opened(folder: Path) -> PersonaAgent:
    return PersonaAgent.open(data_dir=folder, model="offline", embedder="hash")


def test_what_is_said_in_a_chat_governs_a_later_decision(tmp_path: Path) -> None:
    options = ["a concert of loud jazz", "a walk along quiet trails"]
    with opened(tmp_path) as agent:
        with pytest.raises(NotFoundError, match="stated nothing"):
            agent.optimize_sync("ann")
        before = agent.decide_sync("ann", "A concert of loud jazz?", options)
        agent.chat_sync("ann", "I hate loud jazz.")
        agent.optimize_sync("ann")
        after = agent.decide_sync("ann", "A concert of loud jazz?", options)
        assert texts(agent.persona_sync("ann")) == ["I hate loud jazz."]
    assert (before.answer, after.answer) == (options[0], options[1])


def test_a_draft_is_judged_with_what_was_known_and_served_with_what_holds(tmp_path: Path) -> None:
    """A statement that was taken back after all that was decided: the draft knows the first one."""
    answers: dict[str, Any] = {
        "distil_facts": {"facts": []},
        "draft_persona": {"claims": []},
        "decide": {"choice": 2, "confidence": 0.5},
        "critique": {"critique": "?"},
        "propose_edits": {"edits": []},
    }
    settings = Settings(data_dir=tmp_path, embedder="hash")
    model = ScriptedModel(answers)
    old = fact("I like tea.")
    new = fact("I hate tea.").model_copy(update={"valid_from": AT + timedelta(days=99)})
    with PersonaAgent(open_memory(settings), model, settings) as agent:
        agent.record_episodes_sync(history(20))
        agent.memory.facts.add([old])
        agent.memory.facts.learn("ann", [Learned(new, (old.id,))], [])
        agent.optimize_sync("ann")
        assert texts(agent.history_sync("ann")[-1]) == ["I hate tea."]
    first = next(asked for name, asked in model.requests if name == "draft_persona")
    assert isinstance(first, DraftInputs)
    assert [one.stated for one in first.facts] == ["I like tea."]
