"""Optimizing: what it makes, its record, the versions of a persona, the way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.errors import InputError, NotFoundError
from persona_agent.schema import Persona
from tests.agent.films import BAD_IDS, claim, films, put


def test_optimize_makes_a_persona_with_a_record_of_how(agent: PersonaAgent) -> None:
    films(agent, "ana", 24)
    made = agent.optimize_sync("ana")
    assert made.accepted
    assert made.gates
    assert made.model == "offline"
    assert made.usage.calls > 0
    assert made.usage.prompt_tokens > 0
    persona = agent.persona_sync("ana")
    assert persona.version == made.to_version
    assert persona.user_id == "ana"
    known = {one.id for one in agent.memory.episodes.timeline("ana")}
    assert persona.claims
    assert all(set(one.evidence) <= known for one in persona.claims)
    assert agent.revisions_sync("ana") == [made]
    history = agent.history_sync("ana")
    assert history[-1] == persona
    change = agent.diff_sync("ana", None, persona.version)
    assert [one.after for one in change.claims] == list(persona.claims)
    assert agent.persona_text_sync("ana")


def test_optimize_is_deterministic(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        with PersonaAgent.open(tmp_path / name, embedder="hash") as agent:
            films(agent, "ana", 15)
            made = agent.optimize_sync("ana")
            text = agent.persona_text_sync("ana")
            policy = agent.persona_sync("ana").policy
            gates = [(gate.gate, gate.difference, gate.passed) for gate in made.gates]
            found.append((text, policy, gates, [edit.text for edit in made.edits]))
    assert found[0] == found[1]


def test_a_second_optimization_goes_on_from_the_first(agent: PersonaAgent) -> None:
    films(agent, "ana")
    first = agent.optimize_sync("ana")
    second = agent.optimize_sync("ana")
    assert second.from_version == first.to_version
    assert [one.id for one in agent.revisions_sync("ana")] == [first.id, second.id]
    if not second.accepted:
        assert agent.persona_sync("ana").version == first.to_version
        assert second.to_version == first.to_version


def test_rollback_makes_a_new_version_of_an_old_one(agent: PersonaAgent) -> None:
    old = put(agent, claim("likes jokes", id="c1"))
    new = Persona(user_id="ana", version="v2", parent="v1", claims=(claim("hates jokes", id="c1"),))
    agent.memory.personas.put(new, expected="v1")
    restored = agent.rollback_sync("ana", "v1")
    assert agent.persona_sync("ana") == restored
    assert (restored.parent, restored.cause) == ("v2", "rollback to v1")
    assert restored.version not in ("v1", "v2")
    assert restored.claims == old.claims
    assert [one.version for one in agent.history_sync("ana")] == ["v1", "v2", restored.version]
    assert agent.diff_sync("ana", "v1", restored.version).empty
    (changed,) = agent.diff_sync("ana", "v1", "v2").claims
    assert changed.change == "changed"


def test_what_is_not_there_is_said(agent: PersonaAgent) -> None:
    put(agent, claim(), user="ben")
    agent.record_sync("idle", "no outcome yet")
    for call in (
        lambda: agent.persona_sync("ana"),
        lambda: agent.persona_text_sync("ana"),
        lambda: agent.optimize_sync("ana"),
        lambda: agent.optimize_sync("idle"),
        lambda: agent.rollback_sync("ana", "v1"),
        lambda: agent.rollback_sync("ben", "v2"),
        lambda: agent.diff_sync("ana", None, "v1"),
        lambda: agent.diff_sync("ben", "v2", "v1"),
    ):
        with pytest.raises(NotFoundError):
            call()
    assert agent.history_sync("ana") == []
    assert agent.revisions_sync("ana") == []
    assert not any(agent.forget_sync("ana").values())
    assert agent.history_sync("idle") == []


@pytest.mark.parametrize("method", ["persona", "history", "revisions", "optimize", "forget"])
@pytest.mark.parametrize("name", [one for one in BAD_IDS if one != "\ud800"])
def test_a_bad_user_id_is_nobody(agent: PersonaAgent, method: str, name: str) -> None:
    try:
        found = getattr(agent, f"{method}_sync")(name)
    except (InputError, NotFoundError):
        return
    assert not (any(found.values()) if isinstance(found, dict) else found)


@pytest.mark.parametrize("method", ["persona", "optimize", "forget"])
def test_a_user_id_that_is_no_text_is_an_input_error(agent: PersonaAgent, method: str) -> None:
    with pytest.raises((InputError, NotFoundError)):
        getattr(agent, f"{method}_sync")("\ud800")


def test_a_few_cases_are_no_ground_for_claims(agent: PersonaAgent) -> None:
    films(agent, "ana", 3)
    agent.optimize_sync("ana")
    assert agent.persona_sync("ana").claims == ()


@pytest.mark.parametrize("odd", ["nan", "inf"])
def test_a_label_that_reads_as_no_finite_number_is_a_label(agent: PersonaAgent, odd: str) -> None:
    for number in range(8):
        agent.record_sync(
            "ana", f"query {number}", [odd, "1"][number % 2], options=("1", odd), id=f"e{number}"
        )
    agent.optimize_sync("ana")
