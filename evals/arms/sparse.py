"""Persona + alignment with little to show: one recalled episode at most, and a short prompt."""

from __future__ import annotations

import dataclasses

from persona_agent.evals.arms.arm import Answerer, Arm, Bench
from persona_agent.evals.data.eval_data import EvalUser
from persona_agent.schema import Persona

SPARSE = "persona-sparse"
MOST_CLAIMS = 3
LISTED = 15
"""Cases like the query whose outcome alone is told, beside the one in full."""


def at_most_one(persona: Persona) -> Persona:
    """Show at most one recalled episode, the outcomes of others, and few claims; ask briefly."""
    policy = persona.policy
    if policy.is_generic:
        return persona
    least = policy.model_copy(
        update={
            "recalled": min(1, policy.recalled),
            "show_statistics": True,
            "show_demonstrations": False,
            "listed": LISTED,
            "most_claims": MOST_CLAIMS,
            "brief": True,
        }
    )
    return persona.model_copy(update={"policy": least})


def sparse(arm: Arm) -> Arm:
    """Return the arm that may show little: while the optimizer simulates, and when it is asked."""

    async def fit(bench: Bench, user: EvalUser) -> Answerer:
        return await arm(dataclasses.replace(bench, view=at_most_one), user)

    return fit
