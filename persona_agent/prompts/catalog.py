"""The list of the prompts that the agent and its optimizer use."""

from __future__ import annotations

from typing import Any

from persona_agent.prompts.admit import ADMIT
from persona_agent.prompts.answering import DECIDE, DECIDE_BRIEF, RESPOND
from persona_agent.prompts.clarify import CLARIFY
from persona_agent.prompts.distilling import DISTIL_FACTS, PROFILE
from persona_agent.prompts.drafting import DRAFT_PERSONA
from persona_agent.prompts.editing import CRITIQUE, PROPOSE_EDITS
from persona_agent.prompts.template import TypedPrompt
from persona_agent.prompts.verify import VERIFY_CLAIMS


def all_prompts() -> tuple[TypedPrompt[Any, Any], ...]:
    """Return every prompt of the agent, its memory and its optimizer."""
    return (
        DECIDE,
        DECIDE_BRIEF,
        CLARIFY,
        RESPOND,
        DRAFT_PERSONA,
        CRITIQUE,
        PROPOSE_EDITS,
        VERIFY_CLAIMS,
        ADMIT,
        DISTIL_FACTS,
        PROFILE,
    )
