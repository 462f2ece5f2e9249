"""How a server is run: its limits, and who may ask."""

from __future__ import annotations

from pydantic import Field

from persona_agent.schema.base import Record


class ServerConfig(Record):
    """Limits of one server."""

    max_body_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """Largest body of a request."""

    max_messages: int = Field(default=500, ge=1)
    """Most messages of a chat request."""

    max_nesting: int = Field(default=64, ge=8, le=150)
    """How deep the JSON of a chat request may nest."""

    turns_per_minute: int = Field(default=120, ge=0)
    """Chat turns a minute of one user; 0: no limit."""

    max_turns: int = Field(default=512, ge=1)
    """Chat turns under way at once; what comes on top is asked to come again."""

    max_optimizations: int = Field(default=2, ge=1)
    """Optimizations under way at once; others wait."""

    anonymous: bool = False
    """Whether requests without a key are let in while there is no key at all."""

    loopback: bool = True
    """Whether the server listens on this machine only."""

    log_text: bool = False
    """Whether logs may hold user ids and what was said."""
