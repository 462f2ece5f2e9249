"""What cases say of a claim: the offline answer to the prompt that verifies claims.

A claim is read as the offline model reads it when it answers: its scope is compared with the query
by embedding, and what it quotes is compared with what the user did.
"""

from __future__ import annotations

import numpy as np

from persona_agent.llm.offline import evidence, leaning
from persona_agent.llm.offline.decide import normalized
from persona_agent.llm.offline.reading import Claim, read_claim
from persona_agent.prompts import Case, ClaimVerdict, VerifyInputs, VerifyOutput
from persona_agent.protocols import Embedder

APPLIES = 0.5
"""Least applicability of a claim for its case to say anything of it."""


def verify(inputs: VerifyInputs, embedder: Embedder) -> VerifyOutput:
    """Return which cases support and which contradict each claim."""
    queries = embedder.embed([case.query for case in inputs.cases])
    verdicts = []
    for number, statement in enumerate(inputs.claims, 1):
        claim = read_claim(statement)
        fits = np.ones(len(inputs.cases))
        if claim.scope:
            similarity = queries @ embedder.embed([claim.about])[0]
            fits = evidence.applicability(np.asarray(similarity, dtype=np.float64))
        said = [
            _says(claim, case) if fit >= APPLIES else 0
            for case, fit in zip(inputs.cases, fits, strict=True)
        ]
        verdicts.append(
            ClaimVerdict(
                claim=f"C{number}",
                supports=tuple(f"E{n}" for n, one in enumerate(said, 1) if one > 0),
                contradicts=tuple(f"E{n}" for n, one in enumerate(said, 1) if one < 0),
            )
        )
    return VerifyOutput(verdicts=tuple(verdicts))


def _says(claim: Claim, case: Case) -> int:
    """Return 1 for support, -1 for contradiction, 0 where the case says nothing of the claim.

    A habit without a scope says what is frequent, so another outcome does not contradict it.
    """
    outcome = normalized(case.outcome)
    if outcome in map(normalized, claim.likes):
        return 1
    if outcome in map(normalized, claim.avoids):
        return -1
    offered = {normalized(option) for option in case.options}
    if claim.scope and any(normalized(label) in offered for label in claim.likes):
        return -1
    return _leans(claim, case)


def _leans(claim: Claim, case: Case) -> int:
    """Compare what was chosen with what was turned down, by the phrases that the claim names."""
    if len(case.options) < 2 or case.outcome not in case.options:
        return 0
    scores = leaning.from_claims(case.options, [claim], np.ones(1))
    if np.ptp(scores) == 0:
        return 0
    return 1 if scores[case.options.index(case.outcome)] == scores.max() else -1
