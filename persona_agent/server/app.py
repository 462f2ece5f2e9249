"""The application: routers, errors, and what begins and ends with the server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from persona_agent import __version__
from persona_agent.agent import PersonaAgent
from persona_agent.agent.proxy import Proxy
from persona_agent.agent.traces import TRACES_FILE, TraceStore
from persona_agent.errors import PersonaAgentError
from persona_agent.llm.relay import create_relay
from persona_agent.memory.embedding_cache import CachedEmbedder
from persona_agent.persona.admission import admitted
from persona_agent.server import chat, memories, operations, optimizations, personas
from persona_agent.server.config import ServerConfig
from persona_agent.server.edge import Edge
from persona_agent.server.errors import ApiError, answer_error
from persona_agent.server.jobs import Jobs
from persona_agent.server.keys import KeyRing
from persona_agent.server.limits import Gate, Rates
from persona_agent.server.services import Services
from persona_agent.server.spans import configured_spans
from persona_agent.server.tracing import Tracer

logger = logging.getLogger("persona_agent.server")

EMBEDDED_BYTES = 8 * 1024 * 1024
"""Memory for embedded texts, some 4,000: what a user writes comes again soon, or not at all."""

_ABOUT = (
    "An OpenAI-compatible chat endpoint that knows its users, and what it knows of them. "
    "Every call names one user: `user` (a field of the body in chats, a parameter elsewhere) or "
    "the header `X-Persona-User`."
)


def create_app(agent: PersonaAgent, config: ServerConfig | None = None) -> FastAPI:
    """Return the application over an agent; it does not close the agent.

    Raises:
        StoreError: keys or traces cannot be opened.
        SettingsError: spans are asked for, but their packages are missing.
    """
    services = _services(agent, config or ServerConfig())
    app = FastAPI(
        title="persona_agent",
        version=__version__,
        description=_ABOUT,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    app.state.services = services
    for module in (chat, personas, memories, optimizations, operations):
        app.include_router(module.router, responses=_ERRORS)
    for kind in (ApiError, PersonaAgentError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, answer_error)
    app.router.default = _nothing_there
    app.add_middleware(Edge, services=services, direct=chat.DIRECT)
    return app


async def _nothing_there(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer for a path that is none of ours."""
    if scope["type"] == "websocket":
        await WebSocketClose()(scope, receive, send)
        return
    message = "there is nothing at this path: the API is described at /docs"
    raise ApiError(404, message, code="not_found")


_ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_ERRORS: dict[int | str, dict[str, object]] = {
    "4XX": {
        "description": "the caller can mend it",
        "content": {"application/json": {"schema": _ERROR_SCHEMA}},
    },
    "5XX": {
        "description": "the server, the memory or the model failed",
        "content": {"application/json": {"schema": _ERROR_SCHEMA}},
    },
}


def _services(agent: PersonaAgent, config: ServerConfig) -> Services:
    folder = agent.settings.data_dir
    if isinstance(agent.memory.embedder, CachedEmbedder):
        agent.memory.embedder.keep(EMBEDDED_BYTES)
    spans = configured_spans()
    return Services(
        agent=agent,
        config=config,
        proxy=Proxy(agent),
        relay=create_relay(agent.settings, agent.model),
        keys=KeyRing(folder),
        rates=Rates(config.turns_per_minute),
        gate=Gate(config.max_turns),
        jobs=Jobs(agent, at_once=config.max_optimizations),
        tracer=Tracer(TraceStore(folder / TRACES_FILE), spans),
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    services.tracer.start()
    warming = asyncio.create_task(_warm(services))
    try:
        yield
    finally:
        await begin_to_stop(app)
        warming.cancel()
        with suppress(asyncio.CancelledError):
            await warming
        await services.proxy.aclose()
        await services.relay.aclose()
        await services.tracer.aclose()
        services.keys.close()


async def begin_to_stop(app: FastAPI) -> None:
    """Say that the server stops, and end what would not end by itself."""
    services: Services = app.state.services
    services.stopping = True
    await services.jobs.aclose()


async def _warm(services: Services) -> None:
    """Load what takes seconds, so that no user waits for it."""
    try:
        await asyncio.to_thread(services.agent.memory.embedder.embed, ["ready"])
        await asyncio.to_thread(admitted, "likes to be served without a wait")
        await services.relay.warm()
    except PersonaAgentError as error:
        logger.error("not ready", extra={"fields": {"problem": str(error)}})
        return
    services.ready = True
