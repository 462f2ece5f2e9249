"""Pure functions on personas: statistics, rendering, edits, diffs."""

from persona_agent.persona.diff import ClaimChange, PersonaDiff, diff
from persona_agent.persona.edits import apply_edits
from persona_agent.persona.render import estimate_tokens, render, render_statistics
from persona_agent.persona.statistics import outcome_statistics, too_many

__all__ = [
    "ClaimChange",
    "PersonaDiff",
    "apply_edits",
    "diff",
    "estimate_tokens",
    "outcome_statistics",
    "render",
    "render_statistics",
    "too_many",
]
