"""A draft that is written again from the whole history: nothing judges it as a whole any more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from persona_agent.optimizer import OptimizerConfig, Search
from persona_agent.persona.left_out import NO_RULE, REFUSED, counting_left_out
from persona_agent.prompts import DraftInputs, ProposeInputs, VerifyInputs
from persona_agent.protocols import LanguageModel
from persona_agent.schema import Episode, Persona, Query, Trial
from persona_agent.testing import ScriptedModel

START = datetime(2026, 1, 1, tzinfo=UTC)
HISTORY = [
    Episode(
        id=f"e{n:02d}",
        user_id="ann",
        query=Query(text=f"case {n}", options=tuple(map(str, range(11)))),
        outcome="4",
        at=START + timedelta(days=n),
    )
    for n in range(20)
]
SUMMED_UP, TRIED, UNTRUE = "weight=3", "weight=-2", "weight=0, by a hair"
NEW = "weight=0, in all"


async def evaluate(
    persona: Persona, episodes: Sequence[Episode], model: LanguageModel
) -> list[Trial]:
    """Answer with the sum of the claims that are shown."""
    weights = (n for one in persona.claims for n in re.findall(r"weight=(-?\d+)", one.text))
    total = sum(map(int, weights)) if persona.policy.show_claims else 0
    loss = min(1.0, abs(total - 4) / 10)
    return [Trial(episode_id=one.id, answer=str(total), loss=loss) for one in episodes]


def draft(inputs: DraftInputs) -> dict[str, object]:
    texts = [SUMMED_UP]
    if len(inputs.cases) == len(HISTORY):
        texts += [TRIED, UNTRUE, NEW]
    return {"claims": [{"text": text, "evidence": ["E1", "E2"]} for text in texts]}


def propose(inputs: ProposeInputs) -> dict[str, object]:
    return {"edits": [{"operation": "add", "text": TRIED, "evidence": ["E1", "E2"]}]}


def verify(inputs: VerifyInputs) -> dict[str, object]:
    """Every case supports every claim but one, against which all are."""
    everything = [f"E{n}" for n in range(1, len(inputs.cases) + 1)]
    return {
        "verdicts": [
            {"claim": f"C{n}", "contradicts" if text == UNTRUE else "supports": everything}
            for n, text in enumerate(inputs.claims, 1)
        ]
    }


async def test_what_was_refused_or_is_refuted_does_not_come_in_with_the_second_draft() -> None:
    model = ScriptedModel(
        {
            "draft_persona": draft,
            "critique": {"critique": "too low"},
            "propose_edits": propose,
            "verify_claims": verify,
        }
    )
    run = Search("ann", HISTORY, evaluate=evaluate, model=model, config=OptimizerConfig())
    with counting_left_out() as left_out:
        persona = await run.run()
    assert [edit.text for edit in run.rejected] == [TRIED] and not run.accepted
    first, second = (asked for name, asked in model.requests if name == "draft_persona")
    assert isinstance(first, DraftInputs) and isinstance(second, DraftInputs)
    assert (first.rejected, second.rejected) == ((), (TRIED,))
    assert [claim.text for claim in persona.claims] == [SUMMED_UP, NEW]
    assert left_out.reasons == {REFUSED: 1, NO_RULE: 1}
    checked = [asked for name, asked in model.requests if name == "verify_claims"][-1]
    assert isinstance(checked, VerifyInputs)
    assert checked.claims == (UNTRUE, NEW), "what was judged is not asked about"
    assert len(persona.claims[1].evidence) > 2, "what was found to support it comes along"


async def test_what_was_left_out_untried_is_not_called_a_failure() -> None:
    """Cases were silent on the edit: no gate has seen it, and the second draft may write it."""
    model = ScriptedModel(
        {
            "draft_persona": draft,
            "critique": {"critique": "too low"},
            "propose_edits": propose,
            "verify_claims": {"verdicts": []},
        }
    )
    run = Search("ann", HISTORY, evaluate=evaluate, model=model, config=OptimizerConfig())
    persona = await run.run()
    assert [edit.text for edit in run.rejected] == [TRIED] and not run.accepted
    assert not [gate for gate in run.gates if TRIED in gate.gate]
    second = [asked for name, asked in model.requests if name == "draft_persona"][-1]
    assert isinstance(second, DraftInputs) and second.rejected == ()
    assert TRIED in [claim.text for claim in persona.claims]
