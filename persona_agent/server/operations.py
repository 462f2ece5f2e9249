"""What whoever runs the server asks it: health, readiness, metrics, and the trace of a turn."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, PlainTextResponse

from persona_agent.agent.traces import Trace
from persona_agent.server.access import Caller, Person, PersonFor, Requires
from persona_agent.server.errors import ApiError
from persona_agent.server.keys import Scope
from persona_agent.server.services import services_of

router = APIRouter(tags=["operations"])

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/health", summary="Whether the process lives")
async def health() -> dict[str, str]:
    """Answer as long as the server can answer at all."""
    return {"status": "ok"}


@router.get(
    "/ready",
    summary="Whether it takes work",
    responses={503: {"description": "still loading, or stopping"}},
)
async def ready(request: Request) -> JSONResponse:
    """Answer 503 while models are being loaded, and from the moment that the server stops."""
    services = services_of(request)
    if services.stopping:
        return JSONResponse({"status": "stopping"}, status_code=503)
    if not services.ready:
        return JSONResponse({"status": "loading"}, status_code=503)
    return JSONResponse({"status": "ready"})


@router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
async def metrics(
    request: Request, _: Annotated[Caller, Depends(Requires(Scope.METRICS))]
) -> PlainTextResponse:
    """Return counters and histograms as text; no label names a user."""
    services = services_of(request)
    memory = services.agent.memory
    gauges = {
        "turns_under_way": float(services.gate.under_way),
        "optimizations_under_way": float(services.jobs.under_way),
        "recall_cache_bytes": float(getattr(memory.episodes, "cached_bytes", 0)),
        "embedding_cache_bytes": float(getattr(memory.embedder, "cached_bytes", 0)),
    }
    return PlainTextResponse(services.metrics.text(gauges), media_type=PROMETHEUS)


@router.get("/v1/traces/{trace_id}", summary="The trace of a turn")
async def trace(
    request: Request,
    trace_id: str,
    person: Annotated[Person, Depends(PersonFor(Scope.MEMORY_READ))],
) -> Trace:
    """Return what was recalled for a turn, which claims it saw, which tools ran, what it cost."""
    found = await services_of(request).tracer.get(trace_id, person.id)
    if found is None:
        raise ApiError(404, "this user has no such turn", code="not_found")
    return person.shown(found)
