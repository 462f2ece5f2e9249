"""What the endpoints of one server share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from fastapi import Request

from persona_agent.agent import PersonaAgent
from persona_agent.agent.proxy import Proxy
from persona_agent.llm.relay import Relay
from persona_agent.server.config import ServerConfig
from persona_agent.server.jobs import Jobs
from persona_agent.server.keys import KeyRing
from persona_agent.server.limits import Gate, Rates
from persona_agent.server.metrics import Metrics
from persona_agent.server.retries import Retries
from persona_agent.server.tracing import Tracer


@dataclass
class Services:
    """The agent behind the server, and the server's own parts."""

    agent: PersonaAgent
    config: ServerConfig
    proxy: Proxy
    relay: Relay
    keys: KeyRing
    rates: Rates
    gate: Gate
    jobs: Jobs
    tracer: Tracer
    metrics: Metrics = field(default_factory=Metrics)
    retries: Retries = field(default_factory=Retries)
    ready: bool = False
    stopping: bool = False

    @property
    def model(self) -> str:
        """Name of the model that answers."""
        return self.agent.model.name


def services_of(request: Request) -> Services:
    """Return the services behind a request."""
    return cast(Services, request.app.state.services)
