"""Asking the user: only where it is allowed and the evidence is divided, and the reply is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from persona_agent.agent import PersonaAgent
from persona_agent.errors import BudgetExceededError, ModelCallError
from persona_agent.llm.offline import OfflineModel
from persona_agent.memory import open_memory
from persona_agent.prompts import Case
from persona_agent.prompts.clarify import CLARIFY, ClarifyInputs, ClarifyOutput
from persona_agent.schema import Query
from persona_agent.settings import Settings
from persona_agent.testing import HashEmbedder, ScriptedModel

START = datetime(2026, 1, 1, tzinfo=UTC)
DRINKS = ("tea", "coffee", "juice")
QUERY = "A drink for breakfast?"
ABOUT = f'when asked about "{QUERY}":'


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[PersonaAgent]:
    with PersonaAgent.open(tmp_path, embedder="hash") as opened:
        yield opened


def scripted(folder: Path, clarify: Any, confidence: float = 0.3, **settings: Any) -> PersonaAgent:
    chosen = Settings(data_dir=folder, embedder="hash", **settings)
    answers = {"decide": {"choice": 1, "confidence": confidence}, "clarify": clarify}
    return PersonaAgent(open_memory(chosen), ScriptedModel(answers), chosen)


def breakfasts(agent: PersonaAgent, outcomes: Sequence[str]) -> None:
    for day, outcome in enumerate(outcomes):
        at = START + timedelta(days=day)
        agent.record_sync("ann", QUERY, outcome, options=DRINKS, task="drink", at=at)


def decided(agent: PersonaAgent, **options: Any) -> Any:
    return agent.decide_sync("ann", QUERY, DRINKS, task="drink", **options)


# --- when ---------------------------------------------------------------------------------------


def test_a_first_change_is_asked_about_and_both_options_are_named(agent: PersonaAgent) -> None:
    breakfasts(agent, ["tea", "tea", "tea", "coffee"])
    question = decided(agent, may_ask=True).question
    assert '"tea" or "coffee"?' in question or '"coffee" or "tea"?' in question
    assert "juice" not in question


def test_nothing_is_asked_unless_it_is_allowed(agent: PersonaAgent, tmp_path: Path) -> None:
    breakfasts(agent, ["tea", "tea", "tea", "coffee"])
    assert decided(agent).question == ""
    asks = {"question": "Tea or coffee?", "between": [1, 2]}
    with scripted(tmp_path / "on", asks, ask_when_unsure=True) as other:
        assert decided(other).question == "Tea or coffee?"
        assert decided(other, may_ask=False).question == ""


def test_agreeing_evidence_and_no_evidence_leave_nothing_to_ask(agent: PersonaAgent) -> None:
    assert decided(agent, may_ask=True).question == ""
    breakfasts(agent, ["tea"] * 5)
    assert decided(agent, may_ask=True).question == ""


def test_a_change_that_lasts_is_settled(tmp_path: Path) -> None:
    with scripted(tmp_path, {"question": "Which?", "between": [1, 2]}, confidence=0.8) as agent:
        breakfasts(agent, ["tea", "tea", "tea", "coffee"])
        assert decided(agent, may_ask=True).question == "Which?"
        agent.record_sync("ann", QUERY, "coffee", options=DRINKS, task="drink")
        assert decided(agent, may_ask=True).question == ""


def test_a_sure_decision_costs_no_further_call(tmp_path: Path) -> None:
    with scripted(tmp_path, AssertionError("not to be asked"), confidence=0.9) as agent:
        assert decided(agent, may_ask=True).question == ""


def test_a_question_that_cannot_be_used_does_not_cost_the_decision(tmp_path: Path) -> None:
    with scripted(tmp_path / "prose", "hm, I wonder") as agent:
        decision = decided(agent, may_ask=True)
        assert (decision.answer, decision.question) == ("tea", "")
    with scripted(tmp_path / "down", ModelCallError("time-out")) as agent:
        decision = decided(agent, may_ask=True)
        assert (decision.answer, decision.question) == ("tea", "")
        assert agent.episodes_sync("ann")[-1].response == "tea"
    spent = BudgetExceededError("spent")
    with scripted(tmp_path / "spent", spent) as agent, pytest.raises(BudgetExceededError):
        decided(agent, may_ask=True)


def test_a_question_that_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    asks = {"question": "Tea or coffee?", "between": [1, 2]}
    with scripted(tmp_path, asks) as agent:
        breakfasts(agent, ["tea", "tea", "tea", "coffee"])
        first = decided(agent, may_ask=True)
        assert decided(agent, may_ask=True).question, "no reply yet"
        agent.feedback_sync(first.episode_id, user="ann", comment="Coffee was for the guests.")
        assert decided(agent, may_ask=True).question == ""
        other = agent.decide_sync("ann", "Which shoes?", DRINKS, task="drink", may_ask=True)
        assert other.question, "another situation"
        agent.record_sync("ann", QUERY, "juice", options=DRINKS, task="drink")
        assert decided(agent, may_ask=True).question, "the situation came again since"


# --- what ---------------------------------------------------------------------------------------


async def offline(persona: str, *outcomes: str) -> ClarifyOutput:
    cases = tuple(Case(query=QUERY, outcome=one, options=DRINKS) for one in outcomes)
    query = Query(text=QUERY, options=DRINKS, task="drink")
    inputs = ClarifyInputs(query=query, persona=persona, recalled=cases)
    return await OfflineModel(HashEmbedder()).ask(CLARIFY, inputs)


async def test_the_offline_model_asks_from_contradicting_evidence_alone() -> None:
    claim = 'Preferences\n- A drink for breakfast: chooses "coffee" (seen 4x)'
    against = await offline(claim, "tea", "tea")
    assert against.between == (1, 2) and "coffee" in against.question
    assert (await offline(claim, "coffee")).question == ""
    assert (await offline("", "tea", "tea", "tea", "tea", "coffee")).question == ""
    assert (await offline("", "tea", "coffee")).between == (1, 2)
    assert (await offline("")).question == ""


def test_a_question_names_two_different_options() -> None:
    inputs = ClarifyInputs(query=Query(text=QUERY, options=DRINKS))
    CLARIFY.check(inputs, ClarifyOutput())
    CLARIFY.check(inputs, ClarifyOutput(question="Which?", between=(1, 3)))
    for between in ((), (1,), (2, 2), (1, 4), (1, 2, 3)):
        with pytest.raises((ValueError, ValidationError)):
            CLARIFY.check(inputs, ClarifyOutput(question="Which?", between=between))


# --- the reply ----------------------------------------------------------------------------------


def asked(agent: PersonaAgent) -> str:
    breakfasts(agent, ["tea", "tea", "tea", "coffee"])
    decision = decided(agent, may_ask=True)
    assert decision.question
    return str(decision.episode_id)


def stated(agent: PersonaAgent) -> list[str]:
    return [fact.stated for fact in agent.facts_sync("ann")]


def test_a_bare_choice_states_which_option_goes_before_which(agent: PersonaAgent) -> None:
    episode = asked(agent)
    agent.feedback_sync(episode, user="ann", outcome="tea")
    assert stated(agent) == [f'{ABOUT} "tea" rather than "coffee"']
    agent.feedback_sync(episode, user="ann", outcome="juice")
    assert stated(agent) == [f'{ABOUT} "juice"']


def test_a_comment_is_kept_in_the_users_words_and_becomes_a_claim(agent: PersonaAgent) -> None:
    episode = asked(agent)
    agent.feedback_sync(episode, user="ann", comment="I had guests, so coffee.")
    assert stated(agent) == [f"{ABOUT} I had guests, so coffee."]
    agent.optimize_sync("ann")
    (claim,) = [one for one in agent.persona_sync("ann").claims if one.origin == "user"]
    assert claim.text == f"{ABOUT} I had guests, so coffee.", "and not once more by itself"
    assert claim.evidence == (episode,)


def test_choice_and_comment_are_both_kept(agent: PersonaAgent) -> None:
    episode = asked(agent)
    agent.feedback_sync(episode, user="ann", outcome="tea", comment="Coffee was for the guests.")
    assert stated(agent) == [f'{ABOUT} "tea" rather than "coffee". Coffee was for the guests.']


def test_a_reply_on_long_options_is_kept_short(agent: PersonaAgent) -> None:
    long = [f"{word} " * 500 for word in ("tea", "coffee")]
    agent.record_sync(
        "ann",
        QUERY * 50,
        long[0],
        options=long,
        metadata={"question": "Which?", "question_first": long[0], "question_second": long[1]},
    )
    assert len(stated(agent)[0]) < 1_000


def test_a_host_that_asks_by_itself_may_record_the_reply(agent: PersonaAgent) -> None:
    agent.record_sync(
        "ann",
        QUERY,
        "tea",
        options=DRINKS,
        metadata={
            "question": "Tea or coffee?",
            "question_first": "tea",
            "question_second": "coffee",
        },
    )
    assert stated(agent) == [f'{ABOUT} "tea" rather than "coffee"']


def test_secrets_in_a_reply_are_not_kept(agent: PersonaAgent) -> None:
    episode = asked(agent)
    agent.feedback_sync(episode, user="ann", comment="my card is 4111 1111 1111 1111")
    assert "4111" not in stated(agent)[0]


def test_feedback_on_a_decision_without_a_question_states_nothing(agent: PersonaAgent) -> None:
    breakfasts(agent, ["tea"] * 3)
    agent.feedback_sync(decided(agent).episode_id, user="ann", outcome="tea")
    assert stated(agent) == []
