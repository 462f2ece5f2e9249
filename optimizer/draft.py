"""The first persona of a user: claims drafted from history, statistics, demonstrations."""

from __future__ import annotations

from collections.abc import Sequence

from persona_agent.optimizer.config import OptimizerConfig
from persona_agent.persona import outcome_statistics, render_statistics
from persona_agent.prompts import DRAFT_PERSONA, Case, DraftedClaim, DraftInputs
from persona_agent.prompts.typed import shorten
from persona_agent.protocols import LanguageModel
from persona_agent.schema import (
    Claim,
    ContextPolicy,
    Demonstration,
    Episode,
    Fact,
    Persona,
)

LONGEST_SCOPE = 500
LEAST_EVIDENCE = 2
"""Cases that a claim of a model must rest on: one case is an anecdote."""


async def draft_persona(
    user_id: str,
    history: Sequence[Episode],
    model: LanguageModel,
    config: OptimizerConfig,
    *,
    facts: Sequence[Fact] = (),
) -> Persona:
    """Let the model write claims from the history; those that rest on no two cases are dropped.

    Args:
        user_id: whose persona it is.
        history: episodes with outcomes, in time order.
        model: writes the claims.
        config: how many claims and demonstrations, from how many cases.
        facts: current facts of semantic memory.
    """
    statistics = outcome_statistics(history)
    inputs = DraftInputs(
        cases=tuple(Case.of(episode) for episode in history[-config.draft_cases :]),
        facts=tuple(fact.text for fact in facts if fact.current)[-40:],
        statistics=render_statistics(statistics),
        max_claims=config.max_claims,
    )
    written = await model.ask(DRAFT_PERSONA, inputs)
    claims = [_claim(one, inputs, history) for one in written.claims[: config.max_claims]]
    return Persona(
        user_id=user_id,
        claims=tuple(claim for claim in claims if claim is not None),
        demonstrations=demonstrations(history, config.demonstrations),
        statistics=statistics,
        policy=ContextPolicy(),
        cause="draft",
    )


def _claim(one: DraftedClaim, inputs: DraftInputs, history: Sequence[Episode]) -> Claim | None:
    named = (inputs.episode_id(reference) for reference in one.evidence)
    evidence = tuple(dict.fromkeys(name for name in named if name is not None))
    if len(evidence) < LEAST_EVIDENCE:
        return None
    latest = max(episode.at for episode in history if episode.id in evidence)
    return Claim(
        section=one.section,
        text=one.text,
        scope=shorten(one.scope, LONGEST_SCOPE),
        evidence=evidence,
        since=latest,
    )


def demonstrations(history: Sequence[Episode], most: int) -> tuple[Demonstration, ...]:
    """Return the latest case of each outcome, newest first, at most ``most``."""
    chosen: dict[str, Episode] = {}
    for episode in reversed(history):
        if len(chosen) == most:
            break
        chosen.setdefault(episode.outcome or "", episode)
    return tuple(
        Demonstration(episode_id=e.id, query=e.query.text, outcome=e.outcome or "")
        for e in chosen.values()
    )
