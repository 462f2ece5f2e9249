"""The persona over HTTP: read, history, diff, state, correct, pin, delete, roll back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, model_validator

from persona_agent.errors import NotFoundError
from persona_agent.persona import render
from persona_agent.persona.diff import PersonaDiff
from persona_agent.schema import Persona, Revision, Section
from persona_agent.schema.base import Record
from persona_agent.server.access import Person, PersonFor
from persona_agent.server.keys import Scope
from persona_agent.server.services import services_of

router = APIRouter(prefix="/v1/persona", tags=["persona"])

Reader = Annotated[Person, Depends(PersonFor(Scope.PERSONA_READ))]
Writer = Annotated[Person, Depends(PersonFor(Scope.PERSONA_WRITE))]
Version = Annotated[str, Query(max_length=256)]


class PersonaShown(Record):
    """The persona in use, and the text that models get to see of it."""

    persona: Persona
    text: str


class Statement(Record):
    """What a user states. ``scope`` says when it applies; empty: always."""

    text: str = Field(min_length=1, max_length=1_000)
    section: Section = Section.PREFERENCES
    scope: str = Field(default="", max_length=500)


class Correction(Record):
    """New words for a claim, or whether it is pinned, or both."""

    text: str | None = Field(default=None, min_length=1, max_length=1_000)
    scope: str | None = Field(default=None, max_length=500)
    pinned: bool | None = None

    @model_validator(mode="after")
    def _check(self) -> Correction:
        if self.text is None and self.pinned is None:
            raise ValueError("give a text, or pinned")
        if self.scope is not None and self.text is None:
            raise ValueError("a scope needs the text that it goes with")
        return self


class Rollback(Record):
    """Which version to go back to."""

    version: str = Field(min_length=1, max_length=256)


@router.get("", summary="The persona in use")
async def read(request: Request, person: Reader) -> PersonaShown:
    """Return the claims, the policy and the rendered text. 404 for a user without a persona."""
    agent = services_of(request).agent
    persona = await agent.persona(person.id)
    text = render(persona, max_tokens=agent.settings.persona_tokens)
    return PersonaShown(persona=person.shown(persona), text=text)


@router.get("/versions", summary="All versions, oldest first")
async def history(request: Request, person: Reader) -> list[Persona]:
    """Return how the persona came about."""
    return [person.shown(one) for one in await services_of(request).agent.history(person.id)]


@router.get("/revisions", summary="All optimizations, oldest first")
async def revisions(request: Request, person: Reader) -> list[Revision]:
    """Return what was tried, what was kept, and why."""
    return [person.shown(one) for one in await services_of(request).agent.revisions(person.id)]


@router.get("/diff", summary="What changed between two versions")
async def diff(
    request: Request, person: Reader, after: Version, before: Version | None = None
) -> PersonaDiff:
    """Compare two versions; without `before`, with an empty persona."""
    return await services_of(request).agent.diff(person.id, before, after)


@router.post("/rollback", summary="Go back to a version")
async def rollback(request: Request, person: Writer, body: Rollback) -> Persona:
    """Make an earlier version the one in use again, as a new version."""
    return person.shown(await services_of(request).agent.rollback(person.id, body.version))


@router.post("/claims", summary="State a claim", status_code=201)
async def state(request: Request, person: Writer, body: Statement) -> Persona:
    """Add what the user says of themselves; no optimization changes it."""
    agent = services_of(request).agent
    made = await agent.state_claim(person.id, body.text, section=body.section, scope=body.scope)
    return person.shown(made)


@router.patch("/claims/{claim_id}", summary="Correct or pin a claim")
async def correct(request: Request, person: Writer, claim_id: str, body: Correction) -> Persona:
    """Replace a claim by the user's own words, or keep it from being changed."""
    agent = services_of(request).agent
    if (await agent.persona(person.id)).claim(claim_id) is None:
        raise NotFoundError("the persona has no such claim")
    persona: Persona | None = None
    if body.text is not None:
        persona = await agent.correct_claim(person.id, claim_id, body.text, scope=body.scope)
    if body.pinned is not None:
        persona = await agent.pin_claim(person.id, claim_id, body.pinned)
    assert persona is not None  # the body has one or the other
    return person.shown(persona)


@router.delete("/claims/{claim_id}", summary="Delete a claim")
async def delete(request: Request, person: Writer, claim_id: str) -> Persona:
    """Take a claim out for good; these words are not brought back."""
    return person.shown(await services_of(request).agent.delete_claim(person.id, claim_id))
