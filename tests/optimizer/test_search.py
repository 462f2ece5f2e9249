"""The search on the toy of :mod:`tests.optimizer.toy`: which edits are kept, and what is asked."""

from __future__ import annotations

from collections.abc import Sequence

from persona_agent.optimizer import OptimizerConfig, Search
from persona_agent.optimizer.watch import Simulated, watched
from persona_agent.prompts import DraftInputs, ProposeInputs, VerifyInputs
from persona_agent.protocols import LanguageModel
from persona_agent.schema import Claim, Episode, Fact, Persona, Section, Trial
from persona_agent.testing import ScriptedModel
from tests.optimizer.toy import all_support, evaluate, history, proposals, total


def search(
    model: ScriptedModel, targets: Sequence[int], *, current: Persona | None = None, epochs: int = 3
) -> Search:
    return Search(
        "ann",
        history(targets),
        evaluate=evaluate,
        model=model,
        config=OptimizerConfig(epochs=epochs, patience=3),
        current=current,
    )


async def test_edits_that_help_are_kept() -> None:
    run = search(proposals(3, 4), [7] * 20)
    persona = await run.run()
    assert total(persona) == 7
    assert [edit.text for edit in run.accepted] == ["weight=3", "weight=4"]
    assert all(claim.evidence for claim in persona.claims)


async def test_an_edit_that_hurts_is_turned_down_and_remembered() -> None:
    model = proposals(-5, 6)
    run = search(model, [6] * 20)
    assert total(await run.run()) == 6
    assert [edit.text for edit in run.rejected] == ["weight=-5"]
    last = [inputs for name, inputs in _requests(model) if name == "propose_edits"][-1]
    assert isinstance(last, ProposeInputs)
    assert last.rejected == ("add: weight=-5",)


async def test_an_edit_that_fits_the_batch_but_not_what_came_later_is_turned_down() -> None:
    # the earlier 60 % want 8, the later 40 % that only judge want 0
    run = search(proposals(8), [8] * 18 + [0] * 12)
    assert total(await run.run()) == 0
    assert run.rejected and not run.accepted
    assert any(gate.gate.startswith("validation") and not gate.passed for gate in run.gates)


async def test_a_persona_that_is_worse_than_generic_is_not_served() -> None:
    bad = Persona(
        user_id="ann",
        claims=(Claim(section=Section.PREFERENCES, text="weight=9", evidence=("e000",)),),
    )
    persona = await search(proposals(), [0] * 20, current=bad).run()
    assert total(persona) == 0


async def test_more_rounds_never_end_worse() -> None:
    weights = [2, -3, 5, 9, -1, 1, 4, -7, 2, 3]
    one = await search(proposals(*weights), [6] * 30, epochs=1).run()
    ten = await search(proposals(*weights), [6] * 30, epochs=10).run()
    assert abs(total(ten) - 6) <= abs(total(one) - 6)


async def test_what_the_user_fixed_is_never_changed() -> None:
    own = Claim(section=Section.VALUES, text="weight=5", origin="user")
    model = ScriptedModel(
        {
            "draft_persona": {"claims": []},
            "critique": {"critique": "too high", "preference": "", "misleading": ["C1"]},
            "propose_edits": {
                "edits": [
                    {"operation": "delete", "claims": ["C1"], "reason": "toy"},
                    {"operation": "update", "claims": ["C1"], "text": "weight=0"},
                ]
            },
        }
    )
    current = Persona(user_id="ann", claims=(own,))
    persona = await search(model, [0] * 20, current=current).run()
    assert [claim.text for claim in persona.claims] == ["weight=5"]


async def test_a_new_wording_is_checked_beside_the_one_that_it_replaces() -> None:
    narrower = {"operation": "update", "claims": ["C1"], "text": "weight=6", "evidence": ["E1"]}
    model = ScriptedModel(
        {
            "draft_persona": {"claims": []},
            "critique": {"critique": "too high", "misleading": ["C1"]},
            "propose_edits": {"edits": [narrower]},
            "verify_claims": all_support,
        }
    )
    old = Claim(section=Section.PREFERENCES, text="weight=9", evidence=("e000", "e001"))
    current = Persona(user_id="ann", claims=(old,))
    run = search(model, [6] * 40, current=current, epochs=1)
    await run.run()
    (asked,) = [
        asked
        for _, asked in _requests(model)
        if isinstance(asked, VerifyInputs) and "weight=6" in asked.claims
    ]
    assert asked.claims == ("weight=6", "weight=9")
    proposed = next(asked for _, asked in _requests(model) if isinstance(asked, ProposeInputs))
    missed = {one.case.episode_id for one in proposed.failures}
    shown = {case.episode_id for case in asked.cases}
    assert missed & shown, "cases in which the old wording was wrong are among those asked about"


async def test_a_claim_that_stays_tells_the_cases_in_which_it_misled() -> None:
    model = ScriptedModel(
        {
            "draft_persona": {"claims": []},
            "critique": {"critique": "too low", "misleading": ["C1"], "stretched": ["C2"]},
            "propose_edits": {"edits": []},
            "verify_claims": {"verdicts": [{"claim": "C2", "supports": ["E1"]}]},
        }
    )
    claims = [
        Claim(section=Section.PREFERENCES, text=f"weight={n}", evidence=("e000",)) for n in (1, 2)
    ]
    current = Persona(user_id="ann", claims=tuple(claims))
    config = OptimizerConfig(epochs=1, batch_size=2, verify_cases=1)
    run = Search(
        "ann", history([6] * 20), evaluate=evaluate, model=model, config=config, current=current
    )
    misled, stretched = (await run.run()).claims
    assert misled.contrary == ("e010", "e011"), "the batch, which it answered wrongly"
    assert (stretched.evidence, stretched.contrary) == (("e000", "e019"), ())
    assert (misled.harmful, stretched.harmful) == (2, 0)


async def test_right_answers_are_not_critiqued() -> None:
    model = proposals(1)
    await search(model, [0] * 20).run()
    assert not [name for name, _ in _requests(model) if name == "critique"]


async def test_errors_are_looked_for_first_where_no_claim_was_written_from() -> None:
    episodes = history([3] * 20)
    config = OptimizerConfig(epochs=1, batch_size=3, validation_share=0.4)
    cited = tuple(one.id for one in episodes[8:11])  # of the 12 that are learned from
    claim = Claim(section=Section.PREFERENCES, text="weight=1", evidence=cited)
    seen: list[Simulated] = []
    with watched(lambda event: seen.append(event) if isinstance(event, Simulated) else None):
        await Search(
            "ann",
            episodes,
            evaluate=evaluate,
            model=proposals(),
            config=config,
            current=Persona(user_id="ann", claims=(claim,)),
        ).run()
    (batch,) = [event for event in seen if event.what == "batch 1"]
    assert [one.id for one in batch.episodes] == ["e006", "e007", "e011"]


async def test_a_draft_knows_facts_as_they_stood_then() -> None:
    episodes = history([3] * 20)
    end = episodes[11].at  # of what is learned from
    facts = [
        Fact(user_id="ann", text="early", sources=("e001", "e015"), valid_from=episodes[1].at),
        Fact(user_id="ann", text="late", sources=("e001", "e015"), valid_from=episodes[15].at),
        Fact(user_id="ann", text="The user said: hi", sources=("turn",), valid_from=end),
    ]
    model = proposals()
    run = Search(
        "ann", episodes, evaluate=evaluate, model=model, config=OptimizerConfig(), facts=facts
    )
    await run.run()
    (first, *_) = [asked for name, asked in _requests(model) if name == "draft_persona"]
    assert isinstance(first, DraftInputs)
    known = {fact.text: fact.sources for fact in first.facts}
    assert known == {"early": ("e001",), "The user said: hi": ("turn",)}


async def test_little_history_asks_nothing() -> None:
    model = proposals(3)
    await search(model, [3] * 3).run()
    assert _requests(model) == []


async def test_failed_answers_teach_nothing() -> None:
    async def failing(
        persona: Persona, episodes: Sequence[Episode], model: LanguageModel
    ) -> list[Trial]:
        return [Trial(episode_id=e.id, answer=None, loss=1.0, error="time-out") for e in episodes]

    model = proposals(3)
    run = Search("ann", history([3] * 20), evaluate=failing, model=model, config=OptimizerConfig())
    await run.run()
    assert not run.accepted
    assert not [name for name, _ in _requests(model) if name == "critique"]


def _requests(model: ScriptedModel) -> list[tuple[str, object]]:
    return list(model.requests)
