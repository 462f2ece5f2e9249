"""A toy in which a persona is a number and the score a formula.

A claim ``weight=3`` says 3; every episode's outcome is a target number; the loss of an answer is
how far the sum of the claims is from it. Nothing of language is involved, so what the search does
can be computed by hand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from persona_agent.prompts import ProposeInputs, VerifyInputs
from persona_agent.prompts.admit import AdmitInputs
from persona_agent.protocols import LanguageModel
from persona_agent.schema import Episode, Persona, Query, Trial
from persona_agent.testing import ScriptedModel

SCALE = 10.0
START = datetime(2026, 1, 1, tzinfo=UTC)


def history(targets: Sequence[int], user: str = "ann") -> list[Episode]:
    return [
        Episode(
            id=f"e{n:03d}",
            user_id=user,
            query=Query(text=f"case {n}", options=tuple(map(str, range(11)))),
            outcome=str(target),
            at=START + timedelta(days=n),
        )
        for n, target in enumerate(targets)
    ]


def total(persona: Persona) -> int:
    if not persona.policy.show_claims:
        return 0
    return sum(int(n) for c in persona.claims for n in re.findall(r"weight=(-?\d+)", c.text))


async def evaluate(
    persona: Persona, episodes: Sequence[Episode], model: LanguageModel
) -> list[Trial]:
    return [
        Trial(
            episode_id=episode.id,
            answer=str(total(persona)),
            loss=min(1.0, abs(total(persona) - int(episode.outcome or 0)) / SCALE),
        )
        for episode in episodes
    ]


def all_support(inputs: VerifyInputs) -> dict[str, object]:
    return {
        "verdicts": [
            {"claim": f"C{number}", "supports": ["E1"]}
            for number in range(1, len(inputs.claims) + 1)
        ]
    }


def all_describe(inputs: AdmitInputs) -> dict[str, object]:
    every = range(1, len(inputs.statements) + 1)
    return {"verdicts": [{"statement": f"S{number}", "does": "describes"} for number in every]}


def proposals(*weights: int) -> ScriptedModel:
    """A model that drafts nothing and then proposes to add these weights, one a round."""
    left = list(weights)

    def propose(inputs: ProposeInputs) -> dict[str, object]:
        edits = []
        if left:
            text = f"weight={left.pop(0)}"
            edits = [{"operation": "add", "text": text, "evidence": ["E1", "E2"], "reason": "toy"}]
        return {"edits": edits}

    return ScriptedModel(
        {
            "draft_persona": {"claims": []},
            "verify_claims": all_support,
            "admit": all_describe,
            "critique": {"critique": "too low", "preference": "", "misleading": []},
            "propose_edits": propose,
        }
    )
