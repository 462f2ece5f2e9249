"""The offline answer to the prompt that asks: which two options the evidence is divided between.

Evidence is what names an option: past cases by similarity to the query, each counting half of the
next later one, and claims that apply. One later case thus stands against any number of earlier
ones, and two later ones settle it. The question is asked only where the second option has at least
half of the evidence of the first, and it says what speaks for each.
"""

from __future__ import annotations

import numpy as np

from persona_agent.llm.offline import evidence
from persona_agent.llm.offline.decide import normalized
from persona_agent.llm.offline.evidence import Array
from persona_agent.llm.offline.reading import Claim, read
from persona_agent.persona.render import quoted
from persona_agent.prompts.clarify import ClarifyInputs, ClarifyOutput
from persona_agent.prompts.parts import Case, shorten
from persona_agent.protocols import Embedder

APPLIES = 0.5
DIVIDED = 0.5
"""Share of the evidence for the first option that the second must have."""
CLAIM_WEIGHT = 0.5
"""What one claim counts beside all recalled cases together, which count 1."""


def clarify(inputs: ClarifyInputs, embedder: Embedder) -> ClarifyOutput:
    """Return a question about the two best supported options, or none where one stands alone."""
    if inputs.query.kind != "choice":
        return ClarifyOutput()
    options = inputs.query.options
    query = embedder.embed([inputs.query.text])[0]
    cases, near = _cases(inputs, query, embedder)
    claims = _claims(inputs, query, embedder)
    weight = np.zeros(len(options))
    reasons: dict[int, str] = {}
    for place, option in enumerate(options):
        agreeing = [n for n, case in enumerate(cases) if _same(case.outcome, option)]
        naming = [claim for claim in claims if any(_same(one, option) for one in claim.likes)]
        weight[place] = near[agreeing].sum() + CLAIM_WEIGHT * len(naming)
        if agreeing:
            case = cases[agreeing[int(np.argmax(near[agreeing]))]]
            reasons[place] = f"for {quoted(shorten(case.query, 80))} you took {quoted(option)}"
        elif naming:
            reasons[place] = f"what is known of you says {quoted(shorten(naming[0].text, 80))}"
    first, second = (int(place) for place in np.argsort(-weight, kind="stable")[:2])
    if weight[second] == 0 or weight[second] < DIVIDED * weight[first]:
        return ClarifyOutput()
    said = f"{reasons[first]}, but {reasons[second]}"
    asked = f"Which do you want here: {quoted(options[first])} or {quoted(options[second])}?"
    return ClarifyOutput(
        question=f"{said[0].upper()}{said[1:]}. {asked}", between=(first + 1, second + 1)
    )


def _same(first: str, second: str) -> bool:
    return normalized(first) == normalized(second)


def _cases(inputs: ClarifyInputs, query: Array, embedder: Embedder) -> tuple[list[Case], Array]:
    """Return the answered cases with their weights, which sum to 1; undated ones are of one age."""
    cases = [case for case in inputs.recalled if case.outcome]
    if not cases:
        return [], np.zeros(0)
    similarity = embedder.embed([case.query for case in cases]) @ query
    dates = sorted({case.date for case in cases}, reverse=True)
    age = np.array([dates.index(case.date) for case in cases])
    weights = evidence.attention(np.asarray(similarity, dtype=np.float64)) * 0.5**age
    return cases, np.asarray(weights / weights.sum())


def _claims(inputs: ClarifyInputs, query: Array, embedder: Embedder) -> list[Claim]:
    """Return the claims that apply to the query."""
    claims = list(read(inputs.persona).claims)
    if not claims:
        return []
    similarity = embedder.embed([claim.about for claim in claims]) @ query
    fits = evidence.applicability(np.asarray(similarity, dtype=np.float64))
    return [claim for claim, fit in zip(claims, fits, strict=True) if claim.scope and fit > APPLIES]
