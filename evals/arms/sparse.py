"""Persona + alignment with little to show: one recalled episode at most, and a short prompt."""

from __future__ import annotations

import dataclasses

from persona_agent.evals.arms.arm import Answerer, Arm, Bench
from persona_agent.evals.data.eval_data import EvalUser
from persona_agent.schema import ContextPolicy, Persona

SPARSE = "persona-sparse"
SPARSE_TOKENS = 350
"""Tokens of the rendered persona; elsewhere it may take nearly twice as many."""


def at_most_one(persona: Persona) -> Persona:
    """Show at most one recalled episode, and ask for choices in few words."""
    policy = persona.policy
    if policy == ContextPolicy.generic():
        return persona
    least = policy.model_copy(update={"recalled": min(1, policy.recalled), "brief": True})
    return persona.model_copy(update={"policy": least})


def sparse(arm: Arm) -> Arm:
    """Return the arm that may show little: while the optimizer simulates, and when it is asked."""

    async def fit(bench: Bench, user: EvalUser) -> Answerer:
        tokens = min(SPARSE_TOKENS, bench.persona_tokens)
        return await arm(dataclasses.replace(bench, view=at_most_one, persona_tokens=tokens), user)

    return fit
