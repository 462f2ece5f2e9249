"""The user's hand on the persona and the memory: state, correct, pin, delete, search, take out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.errors import InputError, NotFoundError
from persona_agent.persona import apply_edits
from persona_agent.persona.curation import MOST_FIXED
from persona_agent.schema import Claim, Edit, EditOperation, Persona, Section

START = datetime(2026, 1, 1, 9, tzinfo=UTC)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[PersonaAgent]:
    with PersonaAgent.open(tmp_path / "data", embedder="hash") as opened:
        yield opened


def suppers(agent: PersonaAgent, user: str, count: int = 12) -> None:
    for number in range(count):
        query, outcome = [("supper after sport", "salad"), ("supper on Sunday", "roast")][
            number % 2
        ]
        agent.record_sync(
            user,
            f"{query} {number}",
            outcome,
            options=["salad", "roast"],
            at=START + timedelta(days=number),
        )


def test_a_stated_claim_is_shown_before_anything_was_learned(agent: PersonaAgent) -> None:
    version = agent.state_claim_sync("ana", "eats no meat", section="values and constraints")
    (claim,) = version.claims
    assert claim.origin == "user" and claim.evidence == ()
    assert "eats no meat" in agent.persona_text_sync("ana")
    assert agent.decide_sync("ana", "Supper?", ["salad", "roast"]).persona_version


def test_a_claim_by_hand_bears_its_day_and_outlives_an_optimization(agent: PersonaAgent) -> None:
    day = datetime.now(UTC).date().isoformat()
    (claim,) = agent.state_claim_sync("ana", "eats no meat").claims
    assert f"eats no meat (user's own words, {day})" in agent.persona_text_sync("ana")
    old = claim.model_copy(update={"stated_at": START})
    version = agent.persona_sync("ana")
    before = version.model_copy(update={"version": "old", "claims": (old,)})
    agent.memory.personas.put(before, expected=version.version)
    assert "(user's own words, 2026-01-01)" in agent.persona_text_sync("ana")
    agent.correct_claim_sync("ana", claim.id, "eats fish")
    suppers(agent, "ana")
    agent.optimize_sync("ana")
    assert f"eats fish (user's own words, {day})" in agent.persona_text_sync("ana")


def test_stating_before_learning_does_not_keep_from_learning(agent: PersonaAgent) -> None:
    suppers(agent, "ana")
    agent.state_claim_sync("ana", "eats no meat")
    agent.optimize_sync("ana")
    persona = agent.persona_sync("ana")
    assert [c.text for c in persona.claims if c.origin == "user"] == ["eats no meat"]
    drafts = [one for one in agent.history_sync("ana") if one.cause == "draft"]
    assert drafts and any(claim.origin == "learned" for claim in drafts[0].claims)


def test_a_corrected_claim_keeps_its_place_and_is_the_users(agent: PersonaAgent) -> None:
    first = agent.state_claim_sync("ana", "eats meat", scope="on Sundays").claims[0]
    mended = agent.correct_claim_sync("ana", first.id, "eats fish").claims[0]
    assert (mended.id, mended.text, mended.scope) == (first.id, "eats fish", "on Sundays")
    assert mended.protected


def test_a_pinned_claim_is_never_edited_and_a_released_one_is(agent: PersonaAgent) -> None:
    suppers(agent, "ana")
    agent.optimize_sync("ana")
    drafted = agent.history_sync("ana")[0]
    assert drafted.claims, "the draft of a clear habit holds claims"
    agent.rollback_sync("ana", drafted.version)
    claim = drafted.claims[0]
    gone = Edit(
        operation=EditOperation.DELETE, claim_ids=(claim.id,), section=claim.section, reason="test"
    )
    pinned = agent.pin_claim_sync("ana", claim.id)
    assert apply_edits(pinned, [gone], cause="test").claim(claim.id)
    released = agent.pin_claim_sync("ana", claim.id, False)
    assert apply_edits(released, [gone], cause="test").claim(claim.id) is None


def test_a_deleted_claim_is_not_brought_back(agent: PersonaAgent) -> None:
    claim = agent.state_claim_sync("ana", "loves crowds").claims[0]
    version = agent.delete_claim_sync("ana", claim.id)
    again = Edit(
        operation=EditOperation.ADD,
        section=Section.PREFERENCES,
        text="Loves crowds",
        reason="seen twice",
        evidence=("one", "two"),
    )
    assert version.claims == () and apply_edits(version, [again], cause="test").claims == ()


def test_a_draft_does_not_bring_back_what_was_deleted(agent: PersonaAgent) -> None:
    suppers(agent, "ana")
    agent.optimize_sync("ana")
    drafted = agent.history_sync("ana")[0]
    agent.rollback_sync("ana", drafted.version)
    for claim in drafted.claims:
        agent.delete_claim_sync("ana", claim.id)
    agent.optimize_sync("ana")
    wordings = {claim.statement for claim in drafted.claims}
    assert not wordings & {claim.statement for claim in agent.persona_sync("ana").claims}


def test_every_change_is_a_version_that_can_be_taken_back(agent: PersonaAgent) -> None:
    first = agent.state_claim_sync("ana", "likes tea")
    agent.delete_claim_sync("ana", first.claims[0].id)
    agent.rollback_sync("ana", first.version)
    assert [one.text for one in agent.persona_sync("ana").claims] == ["likes tea"]
    assert len(agent.history_sync("ana")) == 3


def test_what_is_not_valid_is_said_and_changes_nothing(agent: PersonaAgent) -> None:
    with pytest.raises(InputError, match="section"):
        agent.state_claim_sync("ana", "x", section="hobbies")
    with pytest.raises(InputError, match="text"):
        agent.state_claim_sync("ana", "")
    with pytest.raises(NotFoundError, match="nope"):
        agent.correct_claim_sync("ana", "nope", "x")
    assert agent.history_sync("ana") == []


def test_a_search_finds_what_would_be_recalled_and_nothing_of_others(agent: PersonaAgent) -> None:
    suppers(agent, "ana")
    suppers(agent, "ben", 3)
    found = agent.search_sync("ana", "supper after sport", limit=3)
    assert found and {one.episode.user_id for one in found} == {"ana"}
    with pytest.raises(InputError, match="blank"):
        agent.search_sync("ana", "  ")
    with pytest.raises(InputError, match="limit"):
        agent.search_sync("ana", "supper", limit=0)


def test_an_export_opens_in_another_place(agent: PersonaAgent, tmp_path: Path) -> None:
    suppers(agent, "ana")
    agent.optimize_sync("ana")
    lines = agent.export_sync("ana")
    with PersonaAgent.open(tmp_path / "other", embedder="hash") as other:
        counts = other.import_lines_sync(lines)
        assert counts["episode"] == 12 and other.export_sync("ana") == lines
        assert other.persona_sync("ana") == agent.persona_sync("ana")
        assert other.facts_sync("ana") == agent.facts_sync("ana")


def test_single_episodes_can_be_deleted(agent: PersonaAgent) -> None:
    suppers(agent, "ana", 2)
    ids = [one.id for one in agent.episodes_sync("ana")]
    assert agent.delete_episodes_sync("ben", ids) == 0
    assert agent.delete_episodes_sync("ana", ids[:1]) == 1
    assert [one.id for one in agent.episodes_sync("ana")] == ids[1:]
    with pytest.raises(InputError, match="list"):
        agent.delete_episodes_sync("ana", ids[1])


def test_options_must_be_a_list_and_a_query_not_blank(agent: PersonaAgent) -> None:
    with pytest.raises(InputError, match="options"):
        agent.record_sync("ana", "x", "a", options="ab")
    with pytest.raises(InputError, match="options"):
        agent.decide_sync("ana", "x", None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="blank"):
        agent.record_sync("ana", "  ")


def test_the_users_claims_are_bounded(agent: PersonaAgent) -> None:
    many = [
        Claim(section=Section.VALUES, text=f"number {n}", origin="user") for n in range(MOST_FIXED)
    ]
    learned = Claim(section=Section.VALUES, text="learned", evidence=("e",))
    full = Persona(user_id="ana", claims=(*many, learned))
    agent.memory.personas.put(full, expected=None)
    refused = "200 claims that its user stated.* delete or release some first"
    with pytest.raises(InputError, match=refused):
        agent.state_claim_sync("ana", "one more")
    with pytest.raises(InputError, match=refused):
        agent.pin_claim_sync("ana", learned.id)
    with pytest.raises(InputError, match=refused):
        agent.correct_claim_sync("ana", learned.id, "corrected")
    assert agent.persona_sync("ana").version == full.version
    agent.correct_claim_sync("ana", many[0].id, "of the same number")
    agent.pin_claim_sync("ana", many[1].id)
    agent.delete_claim_sync("ana", many[2].id)
    assert agent.pin_claim_sync("ana", learned.id).claim(learned.id)


def test_a_persona_with_more_can_still_be_mended(agent: PersonaAgent) -> None:
    claims = [
        Claim(section=Section.VALUES, text=f"number {n}", origin="user")
        for n in range(MOST_FIXED + 3)
    ]
    agent.memory.personas.put(Persona(user_id="ana", claims=tuple(claims)), expected=None)
    mended = agent.correct_claim_sync("ana", claims[0].id, "mended")
    assert mended.claims[0].text == "mended"
    assert len(agent.delete_claim_sync("ana", claims[1].id).claims) == MOST_FIXED + 2
