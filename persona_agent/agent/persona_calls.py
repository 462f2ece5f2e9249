"""What a caller reads of a persona, and what the user changes in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic import ValidationError

from persona_agent.agent.inputs import explain, valid_user
from persona_agent.agent.secrets import without_secrets
from persona_agent.agent.served import Served, no_persona
from persona_agent.agent.sync import LoopThread, blocking
from persona_agent.errors import InputError, NotFoundError
from persona_agent.memory import Memory
from persona_agent.persona import curation, diff, render
from persona_agent.persona.diff import PersonaDiff
from persona_agent.schema import Persona, Revision, Section, new_id
from persona_agent.settings import Settings


class PersonaCalls:
    """The part of the public API that is about the persona."""

    memory: Memory
    settings: Settings
    _background: LoopThread
    _served: Served

    async def persona(self, user: str) -> Persona:
        """Return the persona in use, with what the user stated since it was made.

        Statements without a persona are returned as what answers: a persona of version "".

        Raises NotFoundError for a user without a persona who stated nothing.
        """

        found = await asyncio.to_thread(self._served.persona, valid_user(user))
        if not found.version and not found.claims:
            raise NotFoundError(f"user {user!r} has no persona yet: run optimize first")
        return found

    async def history(self, user: str) -> list[Persona]:
        """Return all versions of a persona, oldest first."""
        return await asyncio.to_thread(self.memory.personas.history, valid_user(user))

    async def revisions(self, user: str) -> list[Revision]:
        """Return all optimizations of a user, accepted or not, oldest first."""
        return await asyncio.to_thread(self.memory.personas.revisions, valid_user(user))

    async def diff(self, user: str, before: str | None, after: str) -> PersonaDiff:
        """Compare two versions; ``before=None`` compares with an empty persona.

        For a version that an optimization made, ``terms`` tells how it was judged.
        """

        def compare() -> PersonaDiff:
            store = self.memory.personas
            found = diff(store.get(user, before) if before else None, store.get(user, after))
            made = (one.final for one in store.revisions(user) if one.to_version == after)
            final = next((gate for gate in made if gate is not None), None)
            return found.model_copy(update={"terms": final.terms}) if final else found

        return await asyncio.to_thread(compare)

    async def persona_text(self, user: str) -> str:
        """Return the persona as the model sees it."""
        persona = await self.persona(user)
        return render(persona, max_tokens=self.settings.persona_tokens)

    async def rollback(self, user: str, version: str) -> Persona:
        """Make an earlier version the one in use again, as a new version.

        Raises:
            NotFoundError: there is no such version.
            ConflictError: the persona changed in between; nothing was written.
        """

        def back() -> Persona:
            target = self.memory.personas.get(valid_user(user), version)
            return self._write(user, lambda latest: _again(target, latest))

        return await asyncio.to_thread(back)

    async def state_claim(
        self, user: str, text: str, *, section: str = "preferences", scope: str = ""
    ) -> Persona:
        """Add what the user states; no optimization changes it. Works without a persona, too.

        ``section`` is one of :class:`persona_agent.schema.Section`, ``scope`` says when the
        claim applies (empty: always).

        Raises:
            InputError: a value is not valid, would change rules, tools, keys or safety wording, or
                the persona holds 200 of the user's already.
            ConflictError: the persona changed in between; nothing was written.
        """
        try:
            place = Section(section)
        except ValueError:
            known = ", ".join(Section)
            raise InputError(f"unknown section {section!r}; known: {known}") from None
        return await self._curate(
            user, lambda p: curation.state_claim(p, self._kept(text), section=place, scope=scope)
        )

    async def correct_claim(
        self, user: str, claim_id: str, text: str, *, scope: str | None = None
    ) -> Persona:
        """Replace a claim by the user's own words; no optimization changes them.

        Raises:
            InputError: the text is empty or too long, would change rules, tools, keys or safety
                wording, or the persona holds 200 claims of the user's already.
            NotFoundError: the persona has no such claim.
            ConflictError: the persona changed in between; nothing was written.
        """
        return await self._curate(
            user, lambda p: curation.correct_claim(p, claim_id, self._kept(text), scope=scope)
        )

    async def pin_claim(self, user: str, claim_id: str, pinned: bool = True) -> Persona:
        """Keep a claim from being changed, or release it. Raises as :meth:`correct_claim`."""
        return await self._curate(user, lambda p: curation.pin_claim(p, claim_id, pinned=pinned))

    async def delete_claim(self, user: str, claim_id: str) -> Persona:
        """Take a claim out for good: the optimizer does not bring these words back.

        Raises as :meth:`correct_claim`.
        """
        return await self._curate(user, lambda p: curation.delete_claim(p, claim_id))

    async def _curate(self, user: str, change: Callable[[Persona], Persona]) -> Persona:
        valid_user(user)
        try:
            return await asyncio.to_thread(
                self._write,
                user,
                lambda latest: change(self._served.by_now(latest or no_persona(user))),
            )
        except ValidationError as error:
            raise InputError(explain(error)) from None

    def _kept(self, text: str) -> str:
        return text if self.settings.keep_secrets else without_secrets(text)

    def _write(self, user: str, make: Callable[[Persona | None], Persona]) -> Persona:
        """Store the version made from the one in use, unless that one changed meanwhile."""
        latest = self.memory.personas.latest(user)
        made = make(latest)
        self.memory.personas.put(made, expected=latest.version if latest else None)
        return made

    persona_sync = blocking(persona)
    history_sync = blocking(history)
    revisions_sync = blocking(revisions)
    diff_sync = blocking(diff)
    persona_text_sync = blocking(persona_text)
    rollback_sync = blocking(rollback)
    state_claim_sync = blocking(state_claim)
    correct_claim_sync = blocking(correct_claim)
    pin_claim_sync = blocking(pin_claim)
    delete_claim_sync = blocking(delete_claim)


def _again(target: Persona, latest: Persona | None) -> Persona:
    fields = target.model_dump(exclude={"version", "created_at"})
    parent = latest.version if latest else None
    change = {"version": new_id(), "parent": parent, "cause": f"rollback to {target.version}"}
    return Persona.model_validate(fields | change)
