"""persona_agent: an assistant that becomes its user's own while it is being used.

The names below are loaded on first use, so that importing the package stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from persona_agent.agent import PersonaAgent
    from persona_agent.errors import PersonaAgentError
    from persona_agent.schema import Claim, ContextPolicy, Episode, Fact, Persona, Revision
    from persona_agent.settings import Settings

__version__ = "0.1.0"

_HOMES = {
    "PersonaAgent": "persona_agent.agent",
    "PersonaAgentError": "persona_agent.errors",
    "Claim": "persona_agent.schema",
    "ContextPolicy": "persona_agent.schema",
    "Episode": "persona_agent.schema",
    "Fact": "persona_agent.schema",
    "Persona": "persona_agent.schema",
    "Revision": "persona_agent.schema",
    "Settings": "persona_agent.settings",
}

__all__ = [
    "Claim",
    "ContextPolicy",
    "Episode",
    "Fact",
    "Persona",
    "PersonaAgent",
    "PersonaAgentError",
    "Revision",
    "Settings",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
