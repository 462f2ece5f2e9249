"""The memory over HTTP: search, add, delete, export, import, forget; and feedback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse
from pydantic import AwareDatetime, Field, ValidationError, model_validator

from persona_agent.agent.inputs import explain
from persona_agent.errors import InputError
from persona_agent.schema import Episode, EpisodeId, Fact, Query, Recalled
from persona_agent.schema.base import Record
from persona_agent.schema.episode import JsonScalar, Text
from persona_agent.server.access import Person, PersonFor
from persona_agent.server.errors import invalid
from persona_agent.server.keys import Scope
from persona_agent.server.services import services_of

router = APIRouter(tags=["memory"])

Reader = Annotated[Person, Depends(PersonFor(Scope.MEMORY_READ))]
Writer = Annotated[Person, Depends(PersonFor(Scope.MEMORY_WRITE))]
Forgetter = Annotated[Person, Depends(PersonFor(Scope.FORGET))]
Judge = Annotated[Person, Depends(PersonFor(Scope.FEEDBACK))]

NDJSON = "application/x-ndjson"
_LINES: dict[str, Any] = {
    "requestBody": {"required": True, "content": {NDJSON: {"schema": {"type": "string"}}}}
}


class Search(Record):
    """What to look for."""

    query: str = Field(min_length=1, max_length=100_000)
    limit: int = Field(default=8, ge=1, le=100)
    task: str | None = Field(default=None, max_length=128)


class Interaction(Record):
    """One interaction. Adding an ``id`` again is a retry that changes nothing."""

    query: Text = Field(min_length=1)
    options: tuple[Text, ...] = Field(default=(), max_length=500)
    task: str = Field(default="", max_length=128)
    response: Text | None = None
    outcome: Text | None = None
    id: EpisodeId | None = None
    at: AwareDatetime | None = None
    metadata: dict[str, JsonScalar] = Field(default_factory=dict)

    def episode(self, user_id: str) -> Episode:
        """Return the episode to store. Raises ValidationError."""
        given = {"id": self.id, "at": self.at}
        return Episode(
            user_id=user_id,
            query=Query(text=self.query, options=self.options, task=self.task),
            response=self.response,
            outcome=self.outcome,
            metadata=self.metadata,
            **{name: value for name, value in given.items() if value is not None},
        )


class Interactions(Record):
    """Interactions to store, all or none."""

    interactions: list[Interaction] = Field(min_length=1, max_length=1_000)


class Added(Record):
    """The ids of the interactions, and how many were new."""

    ids: list[str]
    new: int


class Ids(Record):
    """Episodes to delete."""

    ids: list[EpisodeId] = Field(min_length=1, max_length=1_000)


class Feedback(Record):
    """What the user says of an answer: at least one field, at most one outcome.

    ``choice``, ``correction`` and ``edited_answer`` are what the user really wanted.
    """

    episode_id: EpisodeId
    thumb: int | None = Field(default=None, ge=-1, le=1)
    comment: Text = ""
    choice: Text | None = None
    correction: Text | None = None
    edited_answer: Text | None = None

    @property
    def outcome(self) -> str | None:
        """What the user really wanted, however it was told."""
        return next(iter(self._told()), None)

    def _told(self) -> list[str]:
        told = (self.choice, self.correction, self.edited_answer)
        return [one for one in told if one is not None]

    @model_validator(mode="after")
    def _check(self) -> Feedback:
        told = self._told()
        if len(told) > 1:
            raise ValueError("give one of choice, correction and edited_answer")
        if not told and self.thumb is None and not self.comment:
            raise ValueError("feedback needs an outcome, a thumb (-1 or 1) or a comment")
        if self.thumb == 0:
            raise ValueError("a thumb is -1 or 1")
        return self


@router.post("/v1/memory/search", summary="What the agent would recall")
async def search(request: Request, person: Reader, body: Search) -> list[Recalled]:
    """Return the episodes nearest to a query, best first."""
    found = await services_of(request).agent.search(
        person.id, body.query, limit=body.limit, task=body.task
    )
    return [one.model_copy(update={"episode": person.shown(one.episode)}) for one in found]


@router.get("/v1/memory/facts", summary="The facts that hold")
async def facts(request: Request, person: Reader) -> list[Fact]:
    """Return what was distilled from the episodes, with their ids."""
    return [person.shown(fact) for fact in await services_of(request).agent.facts(person.id)]


@router.post("/v1/memory/episodes", summary="Store interactions", status_code=201)
async def add(request: Request, person: Writer, body: Interactions) -> Added:
    """Store interactions for good, all or none."""
    try:
        episodes = [one.episode(person.id) for one in body.interactions]
    except ValidationError as error:
        raise InputError(explain(error)) from None
    services = services_of(request)
    async with services.gate.turn(person.id):
        new = await services.agent.record_episodes(episodes)
    return Added(ids=[episode.id for episode in episodes], new=new)


@router.post("/v1/memory/episodes/delete", summary="Delete single episodes")
async def delete(request: Request, person: Writer, body: Ids) -> dict[str, int]:
    """Delete episodes; those that are not there are passed over."""
    count = await services_of(request).agent.delete_episodes(person.id, body.ids)
    return {"deleted": count}


@router.get(
    "/v1/memory/export",
    summary="Everything of a user",
    response_class=PlainTextResponse,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}}},
)
async def export(request: Request, person: Reader) -> PlainTextResponse:
    """Return all that is stored of a user, one JSON object a line."""
    lines = await services_of(request).agent.export(person.id)
    shown = await asyncio.to_thread(_renamed, lines, person.name)  # a history may be long
    return PlainTextResponse("".join(f"{line}\n" for line in shown), media_type=NDJSON)


@router.post("/v1/memory/import", summary="Take in an export", openapi_extra=_LINES)
async def take_in(request: Request, person: Writer) -> dict[str, int]:
    """Store exported lines; whoever they came from, they become this user's."""
    try:
        lines = (await request.body()).decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise invalid("the body is not UTF-8") from None
    mine = await asyncio.to_thread(_renamed, lines, person.id)
    services = services_of(request)
    async with services.gate.turn(person.id):
        return await services.agent.import_lines(mine)


@router.delete("/v1/memory", summary="Forget a user")
async def forget(request: Request, person: Forgetter) -> dict[str, int]:
    """Delete everything of a user from every store, the traces too. There is no way back."""
    services = services_of(request)
    await services.jobs.drop(person.id)
    async with services.gate.alone(person.id, timeout=services.agent.settings.timeout):
        await services.tracer.flush()
        removed = await services.agent.forget(person.id)
    services.rates.drop(person.id)
    return removed


@router.post("/v1/feedback", tags=["feedback"], summary="Say what the user really wanted")
async def feedback(request: Request, person: Judge, body: Feedback) -> Episode:
    """Attach a thumb, a choice, a correction, an edited answer or a comment to an episode."""
    told = await services_of(request).agent.feedback(
        body.episode_id,
        user=person.id,
        outcome=body.outcome,
        thumb=body.thumb,
        comment=body.comment,
    )
    return person.shown(told)


def _renamed(lines: Iterable[str], user_id: str) -> list[str]:
    """Return exported lines with another user's name on them. Raises ApiError."""
    renamed = []
    for line in lines:
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise invalid("each line must be a JSON object")
        renamed.append(json.dumps(fields | {"user_id": user_id}))
    return renamed
