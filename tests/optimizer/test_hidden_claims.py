"""A draft whose claims are not shown: what an edit of it is compared with, and what it is told."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from persona_agent.optimizer import OptimizerConfig
from persona_agent.optimizer.edit_search import EditSearch
from persona_agent.optimizer.gradient import critique_errors
from persona_agent.optimizer.imagined import Imagination
from persona_agent.optimizer.judging import Judge, Slices
from persona_agent.optimizer.pool import Candidate, merged
from persona_agent.optimizer.trials import Trials, acts
from persona_agent.prompts import CritiqueInputs
from persona_agent.schema import (
    Claim,
    ContextPolicy,
    Edit,
    EditOperation,
    Episode,
    Persona,
    Section,
)
from persona_agent.testing import ScriptedModel
from tests.optimizer.toy import START, evaluate, history, proposals

HIDDEN = ContextPolicy(show_claims=False)


def claim(weight: int, number: int = 1) -> Claim:
    return Claim(
        id=f"c{number}",
        section=Section.PREFERENCES,
        text=f"weight={weight}",
        evidence=("e000", "e001"),
    )


def persona(*weights: int, policy: ContextPolicy = HIDDEN) -> Persona:
    claims = tuple(claim(weight, number) for number, weight in enumerate(weights, 1))
    return Persona(user_id="ann", cause="draft", claims=claims, policy=policy)


def edits(start: Persona, *weights: int, targets: Sequence[int]) -> EditSearch:
    config = OptimizerConfig(epochs=1)
    slices = Slices.of(history(targets), config)
    model = proposals(*weights)
    judge = Judge("ann", slices, Trials(evaluate, model), config)
    return EditSearch(Candidate(start), judge, model, Imagination(slices.train, START, model))


async def test_an_edit_is_not_credited_with_the_claims_that_were_hidden() -> None:
    # Shown, the draft alone is right; the edit makes it worse.
    found = edits(persona(5), 2, targets=[5] * 20)
    await found.rounds()
    assert not found.best.edits
    (minibatch,) = found._judge.gates
    assert minibatch.gate.startswith("minibatch") and not minibatch.passed
    assert minibatch.incumbent_loss == pytest.approx(0.0)
    assert minibatch.candidate_loss == pytest.approx(0.2)


async def test_an_edit_that_helps_a_hidden_draft_is_served_with_it() -> None:
    found = edits(persona(3), 2, targets=[5] * 20)
    await found.rounds()
    assert [one.text for one in found.best.persona.claims] == ["weight=3", "weight=2"]
    assert found.best.persona.policy.show_claims


async def test_a_merger_is_judged_with_its_claims_shown() -> None:
    found = edits(persona(3), targets=[5] * 20)
    add = Edit(operation=EditOperation.ADD, text="weight=2", evidence=("e000", "e001"))
    other = merged(Candidate(persona(3)), Candidate(persona(3), (add,)), START)
    found._pool.add(found.best, {"e1": 0.2, "e2": 0.5})
    found._pool.add(other, {"e1": 0.5, "e2": 0.2})
    await found.merge()
    assert [gate.passed for gate in found._judge.gates] == [True, True]
    assert found.best.persona.policy.show_claims and len(found.best.persona.claims) == 2


async def test_a_merger_is_not_judged_that_acts_like_what_was_turned_down() -> None:
    # The edit gains on the batch, and loses on what came later.
    found = edits(persona(5, policy=ContextPolicy()), 2, targets=[7] * 12 + [5] * 8)
    await found.rounds()
    judged = [gate.gate for gate in found._judge.gates]
    assert judged == ["minibatch: add: weight=2", "validation: add: weight=2"]
    assert found._pool.partner(found.best) is not None
    await found.merge()
    assert [gate.gate for gate in found._judge.gates] == judged
    assert not found.best.edits


@pytest.mark.parametrize(
    ("weight", "judged"), [(2, ["minibatch", "validation"]), (-2, ["minibatch"])]
)
async def test_an_edit_that_comes_again_with_another_reason_is_judged_once(
    weight: int, judged: list[str]
) -> None:
    found = edits(persona(5, policy=ContextPolicy()), targets=[7] * 12 + [5] * 8)
    edit = {"operation": "add", "text": f"weight={weight}", "evidence": ["E1", "E2"]}
    twice = {"edits": [edit | {"reason": reason} for reason in ("one", "another")]}
    found._model = ScriptedModel(proposals()._answers | {"propose_edits": twice})
    await found.rounds()
    assert [gate.gate.partition(":")[0] for gate in found._judge.gates] == judged
    assert [one.reason for one in found.rejected] == ["one", "another"]
    assert found._validated == judged.count("validation")


@pytest.mark.parametrize("shown", [True, False])
async def test_a_critic_is_told_which_claims_were_not_shown(shown: bool) -> None:
    model = ScriptedModel({"critique": {"critique": "x"}})
    episodes: list[Episode] = history([5])
    start = persona(3, policy=ContextPolicy(show_claims=shown))
    trials = await evaluate(start, episodes, model)
    await critique_errors(start, trials, episodes, episodes, model)
    (_, inputs) = model.requests[0]
    assert isinstance(inputs, CritiqueInputs)
    assert (inputs.claims, inputs.unused) == (start.claims, () if shown else ("c1",))


def test_blame_that_only_sorts_claims_asks_nothing_again() -> None:
    shown = persona(3, 4, policy=ContextPolicy(show_claims=True))
    first, second = shown.claims
    blamed = shown.model_copy(update={"claims": (first.model_copy(update={"harmful": 9}), second)})
    assert acts(blamed) == acts(shown)
    assert acts(persona(4, policy=shown.policy)) != acts(shown)
