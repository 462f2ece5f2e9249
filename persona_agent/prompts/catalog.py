"""The list of the prompts that the agent and its optimizer use."""

from __future__ import annotations

from typing import Any

from persona_agent.prompts import typed
from persona_agent.prompts.admit import ADMIT
from persona_agent.prompts.clarify import CLARIFY
from persona_agent.prompts.template import TypedPrompt
from persona_agent.prompts.verify import VERIFY_CLAIMS


def all_prompts() -> tuple[TypedPrompt[Any, Any], ...]:
    """Return every prompt of the agent, its memory and its optimizer."""
    return (
        typed.DECIDE,
        typed.DECIDE_BRIEF,
        CLARIFY,
        typed.RESPOND,
        typed.DRAFT_PERSONA,
        typed.CRITIQUE,
        typed.PROPOSE_EDITS,
        VERIFY_CLAIMS,
        ADMIT,
        typed.DISTIL_FACTS,
        typed.PROFILE,
    )
