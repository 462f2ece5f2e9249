"""Optimizations over HTTP: start, watch, result."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from persona_agent.schema import Revision, Usage
from persona_agent.schema.base import Record
from persona_agent.server.access import Person, PersonFor
from persona_agent.server.errors import ApiError, as_api_error
from persona_agent.server.jobs import Job, Jobs, State
from persona_agent.server.keys import Scope
from persona_agent.server.services import services_of

router = APIRouter(prefix="/v1/optimizations", tags=["optimize"])

Optimizer = Annotated[Person, Depends(PersonFor(Scope.OPTIMIZE))]


class Optimization(Record):
    """How far an optimization is. ``revision`` is its result, ``error`` why there is none."""

    id: str
    state: State
    seconds: float
    usage: Usage
    revision: Revision | None = None
    error: str | None = None


@router.post("", summary="Start an optimization", status_code=202)
async def start(request: Request, person: Optimizer) -> Optimization:
    """Begin to improve the persona; one that is under way for this user is returned instead."""
    jobs = services_of(request).jobs
    return _shown(jobs, jobs.start(person.id), person)


@router.get("/{job_id}", summary="Progress and result")
async def read(request: Request, person: Optimizer, job_id: str) -> Optimization:
    """Return how far an optimization is. The last ones are kept until the server stops."""
    jobs = services_of(request).jobs
    return _shown(jobs, _job(jobs, job_id, person), person)


@router.get(
    "/{job_id}/events",
    summary="Progress as server-sent events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def events(request: Request, person: Optimizer, job_id: str) -> StreamingResponse:
    """Send `progress` whenever it got on, then `result` or `error`, and end."""
    jobs = services_of(request).jobs
    job = _job(jobs, job_id, person)
    return StreamingResponse(_events(jobs, job, person), media_type="text/event-stream")


async def _events(jobs: Jobs, job: Job, person: Person) -> AsyncIterator[str]:
    kinds = {"done": "result", "failed": "error"}
    async for now in jobs.news(job):
        shown = _shown(jobs, now, person).model_dump_json()
        yield f"event: {kinds.get(now.state, 'progress')}\ndata: {shown}\n\n"


def _job(jobs: Jobs, job_id: str, person: Person) -> Job:
    job = jobs.get(job_id, person.id)
    if job is None:
        raise ApiError(404, "this user has no such optimization", code="not_found")
    return job


def _shown(jobs: Jobs, job: Job, person: Person) -> Optimization:
    error = as_api_error(job.error).message if job.error is not None else None
    return Optimization(
        id=job.id,
        state=job.state,
        seconds=round(job.seconds, 3),
        usage=jobs.spent(job),
        revision=person.shown(job.revision) if job.revision is not None else None,
        error=error.replace(person.id, person.name) if error else None,
    )
