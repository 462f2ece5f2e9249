"""Models that fail: what is raised, and that nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from persona_agent.errors import (
    BudgetExceededError,
    ConflictError,
    ModelAnswerError,
    ModelCallError,
    ModelError,
    ModelRefusalError,
)
from persona_agent.prompts import DraftInputs
from persona_agent.testing import ScriptedModel
from tests.agent.films import STEPS, TAGS, PaidModel, claim, fact, films, put, with_model

FAILURES: list[tuple[str | Exception, type[ModelError]]] = [
    ("I would go for the second one.", ModelAnswerError),
    ('{"choice": 2,', ModelAnswerError),
    ("", ModelAnswerError),
    ("[1, 2]", ModelAnswerError),
    ('{"choice": 9}', ModelAnswerError),
    ('{"choice": 0}', ModelAnswerError),
    ('{"choice": "war"}', ModelAnswerError),
    ('{"choice": 1, "confidence": 7}', ModelAnswerError),
    ("I'm sorry, but I can't help with that.", ModelRefusalError),
    (ModelCallError("no answer within 60 s", transient=True), ModelCallError),
    (ModelCallError("HTTP 429: rate limit", transient=True), ModelCallError),
    (ModelCallError("HTTP 500: server error", transient=True), ModelCallError),
    (BudgetExceededError("3 calls"), BudgetExceededError),
]
IDS = [str(said)[:24] or "empty" for said, _ in FAILURES]


@pytest.mark.parametrize(("said", "error"), FAILURES, ids=IDS)
def test_decide_raises_and_loses_nothing(
    tmp_path: Path, said: str | Exception, error: type[ModelError]
) -> None:
    model = ScriptedModel({"decide": [said, {"choice": 3}]})
    with with_model(tmp_path, model) as agent:
        films(agent, "ana", 3)
        persona = put(agent, claim())
        before = agent.memory.episodes.timeline("ana")
        with pytest.raises(error) as caught:
            agent.decide_sync("ana", "q", TAGS, task="films")
        assert type(caught.value) is error
        assert agent.memory.episodes.timeline("ana") == before
        assert agent.persona_sync("ana") == persona
        assert agent.decide_sync("ana", "q", TAGS, task="films").answer == "war"
        assert model.usage(user_id="ana", purpose="answer").calls == 2


@pytest.mark.parametrize("step", ["distil_facts", "propose_edits"])
@pytest.mark.parametrize(
    ("said", "error"),
    [one for one in FAILURES if "choice" not in str(one[0])],
    ids=[name for name in IDS if "choice" not in name],
)
def test_optimize_with_a_failing_model_keeps_persona_and_facts(
    tmp_path: Path, step: str, said: str | Exception, error: type[ModelError]
) -> None:
    model = ScriptedModel(STEPS | {step: said})
    with with_model(tmp_path, model) as agent:
        films(agent, "ana", 9)
        episodes = agent.memory.episodes.timeline("ana")
        fact(agent, "Owns a boat.", episodes[:2])
        facts = agent.memory.facts.current("ana")
        persona = put(agent, claim())
        with pytest.raises(error):
            agent.optimize_sync("ana")
        assert agent.persona_sync("ana") == persona
        assert agent.history_sync("ana") == [persona]
        assert agent.revisions_sync("ana") == []
        assert agent.memory.facts.current("ana") == facts
        assert agent.memory.episodes.timeline("ana") == episodes


def test_a_draft_that_fails_leaves_no_persona(tmp_path: Path) -> None:
    model = ScriptedModel(STEPS | {"draft_persona": ModelCallError("HTTP 500")})
    with with_model(tmp_path, model) as agent:
        films(agent, "ana", 9)
        with pytest.raises(ModelCallError):
            agent.optimize_sync("ana")
        assert agent.history_sync("ana") == []


def test_answers_and_critiques_that_fail_do_not_change_a_persona(tmp_path: Path) -> None:
    for step, said in (("decide", "prose"), ("critique", "prose")):
        model = ScriptedModel(STEPS | {step: said})
        with with_model(tmp_path / step, model) as agent:
            films(agent, "ana", 9)
            persona = put(agent, claim(origin="learned", evidence=("film-0",)))
            made = agent.optimize_sync("ana")
            assert not made.accepted
            assert agent.history_sync("ana") == [persona]


def test_what_was_paid_for_is_not_asked_again_after_a_failure(tmp_path: Path) -> None:
    broken = PaidModel(STEPS | {"propose_edits": ModelCallError("HTTP 500")})
    with with_model(tmp_path, broken) as agent:
        films(agent, "ana", 9)
        with pytest.raises(ModelCallError):
            agent.optimize_sync("ana")
    assert len(list((tmp_path / "journal").glob("*.jsonl"))) == 1
    mended = PaidModel(STEPS)
    with with_model(tmp_path, mended) as agent:
        assert agent.optimize_sync("ana").accepted
    asked = [name for name, _ in mended.requests]
    assert asked[0] == "propose_edits"
    assert not {"distil_facts", "draft_persona", "critique"} & set(asked)
    assert not list((tmp_path / "journal").glob("*.jsonl"))


@pytest.mark.parametrize(
    "edit",
    [
        {"operation": "delete", "claims": ["C1", "C1"]},
        {"operation": "merge", "claims": ["C1", "C2", "C2"], "text": "x", "evidence": ["E1"]},
    ],
)
def test_an_edit_that_names_a_claim_twice_does_not_end_the_run(
    tmp_path: Path, edit: dict[str, Any]
) -> None:
    model = ScriptedModel(STEPS | {"propose_edits": {"edits": [edit]}})
    with with_model(tmp_path, model) as agent:
        ids = films(agent, "ana", 9)
        learned = [
            claim(f"says {n}", id=f"c{n}", origin="learned", evidence=(ids[0],)) for n in range(2)
        ]
        put(agent, *learned)
        agent.optimize_sync("ana")


def test_a_draft_with_a_long_scope_does_not_end_the_run(tmp_path: Path) -> None:
    drafted = {"scope": "s" * 600, "text": "tags it 'war'", "evidence": ["E1", "E2"]}
    model = ScriptedModel(STEPS | {"draft_persona": {"claims": [drafted]}})
    with with_model(tmp_path, model) as agent:
        films(agent, "ana", 9)
        agent.optimize_sync("ana")


def test_a_persona_that_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    def meanwhile(inputs: DraftInputs) -> dict[str, Any]:
        put(opened, claim("said by the user meanwhile"))
        return {"claims": []}

    model = ScriptedModel(STEPS | {"draft_persona": meanwhile})
    with with_model(tmp_path, model) as opened:
        films(opened, "ana", 9)
        with pytest.raises(ConflictError):
            opened.optimize_sync("ana")
        assert opened.persona_sync("ana").claims[0].text == "said by the user meanwhile"
        assert opened.revisions_sync("ana") == []
