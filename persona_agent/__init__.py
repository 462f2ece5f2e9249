"""persona_agent: an assistant that becomes its user's own while it is being used.

The names below are loaded on first use, so that importing the package stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from persona_agent.agent import ChatTurn, Decision, PersonaAgent
    from persona_agent.agent.chat.tools import ToolRequest
    from persona_agent.errors import PersonaAgentError, UsageError
    from persona_agent.protocols import Tool
    from persona_agent.schema import Claim, ContextPolicy, Episode, Fact, Persona, Revision
    from persona_agent.settings import Settings

__version__ = "0.1.0"

_HOMES = {
    "ChatTurn": "persona_agent.agent",
    "Decision": "persona_agent.agent",
    "PersonaAgent": "persona_agent.agent",
    "PersonaAgentError": "persona_agent.errors",
    "UsageError": "persona_agent.errors",
    "Tool": "persona_agent.protocols",
    "ToolRequest": "persona_agent.agent.chat.tools",
    "Claim": "persona_agent.schema",
    "ContextPolicy": "persona_agent.schema",
    "Episode": "persona_agent.schema",
    "Fact": "persona_agent.schema",
    "Persona": "persona_agent.schema",
    "Revision": "persona_agent.schema",
    "Settings": "persona_agent.settings",
}

__all__ = [
    "ChatTurn",
    "Claim",
    "ContextPolicy",
    "Decision",
    "Episode",
    "Fact",
    "Persona",
    "PersonaAgent",
    "PersonaAgentError",
    "Revision",
    "Settings",
    "Tool",
    "ToolRequest",
    "UsageError",
    "__version__",
]


def __dir__() -> list[str]:
    """Return also the names that are loaded on first use, for completion."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
