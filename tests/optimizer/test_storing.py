"""What a run of the optimizer leaves behind, on the toy: versions, revisions, the journal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from persona_agent.errors import (
    BudgetExceededError,
    ConflictError,
    ModelAnswerError,
    ModelCallError,
)
from persona_agent.memory.personas import SQLPersonaStore
from persona_agent.optimizer import OptimizerConfig, PersonaOptimizer
from persona_agent.optimizer.journal import (
    JournaledModel,
    journal_path,
    mark_booked,
    unbooked,
)
from persona_agent.prompts import DRAFT_PERSONA, Case, DraftInputs
from persona_agent.protocols import LanguageModel
from persona_agent.schema import Episode, Persona, Trial, Usage
from persona_agent.testing import ScriptedModel
from tests.optimizer.toy import evaluate, history, proposals


def optimizer(model: LanguageModel, folder: Path) -> PersonaOptimizer:
    return PersonaOptimizer(
        simulator=lambda: evaluate,
        model=model,
        personas=SQLPersonaStore(folder / "personas.db"),
        journal_dir=folder / "journal",
        config=OptimizerConfig(patience=3),
    )


async def test_draft_and_result_are_versions_with_a_revision(tmp_path: Path) -> None:
    engine = optimizer(proposals(3, 4), tmp_path)
    revision = await engine.optimize("ann", history([7] * 20))
    versions = engine._personas.history("ann")
    assert [version.cause for version in versions] == ["draft", "optimize"]
    assert versions[1].parent == versions[0].version == revision.from_version
    assert revision.accepted and revision.to_version == versions[1].version
    assert engine._personas.revisions("ann") == [revision]
    assert set(revision.prompts) >= {"decide", "critique", "propose_edits"}


async def test_nothing_gained_keeps_the_version_and_says_so(tmp_path: Path) -> None:
    engine = optimizer(proposals(3, 4, -9), tmp_path)
    first = await engine.optimize("ann", history([7] * 20))
    again = await engine.optimize("ann", history([7] * 20))
    assert not again.accepted and again.reason
    latest = engine._personas.latest("ann")
    assert latest is not None and latest.version == first.to_version


async def test_a_write_in_between_is_not_overwritten(tmp_path: Path) -> None:
    engine = optimizer(proposals(3), tmp_path)

    async def meddling(
        persona: Persona, episodes: Sequence[Episode], model: LanguageModel
    ) -> list[Trial]:
        if engine._personas.latest("ann") is None:
            engine._personas.put(Persona(user_id="ann", cause="host"), expected=None)
        return await evaluate(persona, episodes, model)

    engine._simulator = lambda: meddling
    with pytest.raises(ConflictError):
        await engine.optimize("ann", history([3] * 20))
    latest = engine._personas.latest("ann")
    assert latest is not None and latest.cause == "host"


# --- the journal --------------------------------------------------------------------------------


class Paid(ScriptedModel):
    """A scripted model that cannot be trusted to answer twice alike, as real ones."""

    @property
    def deterministic(self) -> bool:
        return False


def paid(*weights: int) -> Paid:
    scripted = proposals(*weights)
    return Paid(scripted._answers)


async def test_a_run_that_was_cut_off_resumes_without_paying_again(tmp_path: Path) -> None:
    whole = paid(3, 4)
    expected = await optimizer(whole, tmp_path / "whole").optimize("ann", history([7] * 20))

    class Dies(Paid):
        async def ask(self, prompt, inputs):  # type: ignore[no-untyped-def]
            if len(self.requests) == 4:
                raise ModelCallError("killed")
            return await super().ask(prompt, inputs)

    answers = proposals(3, 4)._answers
    first = Dies(answers)
    with pytest.raises(ModelCallError):
        await optimizer(first, tmp_path / "cut").optimize("ann", history([7] * 20))
    second = Paid(answers)
    resumed = await optimizer(second, tmp_path / "cut").optimize("ann", history([7] * 20))
    assert [edit.text for edit in resumed.edits] == [edit.text for edit in expected.edits]
    assert len(first.requests) + len(second.requests) == len(whole.requests)
    assert not journal_path(tmp_path / "cut" / "journal", "ann").exists()


async def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    inner = ScriptedModel({"draft_persona": {"claims": []}})
    inputs = DraftInputs(cases=(Case(query="q", outcome="o", episode_id="e"),))
    await JournaledModel(inner, path).ask(DRAFT_PERSONA, inputs)
    path.write_text(path.read_text(encoding="utf-8") + '{"key": "ab', encoding="utf-8")
    again = JournaledModel(inner, path)
    await again.ask(DRAFT_PERSONA, inputs)
    assert len(inner.requests) == 1
    other = DraftInputs(cases=(Case(query="another", outcome="o", episode_id="e"),))
    await again.ask(DRAFT_PERSONA, other)
    await JournaledModel(inner, path).ask(DRAFT_PERSONA, other)
    assert len(inner.requests) == 2, "what came after the cut is on record too"


async def test_the_journal_tells_what_is_not_booked_yet(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    mark_booked(path)
    assert unbooked(path) == (Usage(), None) and not path.exists()
    model = JournaledModel(ScriptedModel({"draft_persona": ["prose", {"claims": []}]}), path)
    inputs = DraftInputs(cases=(Case(query="q", outcome="o", episode_id="e"),))
    with pytest.raises(ModelAnswerError):
        await model.ask(DRAFT_PERSONA, inputs)
    paid, at = unbooked(path)
    assert paid.calls > 0 and paid.prompt_tokens > 0 and at is not None, "it was paid all the same"
    mark_booked(path)
    assert unbooked(path) == (Usage(), None)
    await model.ask(DRAFT_PERSONA, inputs)
    await model.ask(DRAFT_PERSONA, inputs)
    assert unbooked(path)[0].calls == 1, "an answer from the journal costs nothing"


async def test_a_spent_budget_stops_the_run_and_stores_nothing(tmp_path: Path) -> None:
    model = ScriptedModel({"draft_persona": BudgetExceededError("the budget is used up")})
    engine = optimizer(model, tmp_path)
    with pytest.raises(BudgetExceededError):
        await engine.optimize("ann", history([3] * 20))
    assert engine._personas.latest("ann") is None
