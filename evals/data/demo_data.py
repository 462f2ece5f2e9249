"""The built-in demo users: invented people whose interactions ship with the package."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from pydantic import AwareDatetime, Field, ValidationError

from persona_agent.errors import InputError
from persona_agent.evals.data.source import describe
from persona_agent.schema import Episode, Query, UserId
from persona_agent.schema.base import Record

PACKAGE = "persona_agent.evals.demo_users"


class DemoUser(Record):
    """One invented person: who they are in a sentence, and what they did, in time order."""

    user_id: UserId
    name: str = Field(min_length=1)
    about: str = Field(min_length=1)
    interactions: tuple[Episode, ...] = Field(min_length=1)


class _Interaction(Record):
    id: str
    at: AwareDatetime
    task: str = Field(min_length=1)
    query: str
    options: tuple[str, ...] = ()
    outcome: str


class _Person(Record):
    user_id: UserId
    name: str
    about: str
    interactions: tuple[_Interaction, ...]

    def demo_user(self) -> DemoUser:
        """Return the person with interactions as episodes, in time order (ties by id)."""
        ordered = sorted(self.interactions, key=lambda one: (one.at, one.id))
        return DemoUser(
            user_id=self.user_id,
            name=self.name,
            about=self.about,
            interactions=tuple(self._episode(one) for one in ordered),
        )

    def _episode(self, one: _Interaction) -> Episode:
        fields: dict[str, Any] = {"text": one.query, "options": one.options, "task": one.task}
        return Episode(
            id=one.id,
            user_id=self.user_id,
            query=Query(**fields),
            outcome=one.outcome,
            at=one.at,
        )


def load_demo_users() -> list[DemoUser]:
    """Return the demo users, sorted by id.

    Raises:
        InputError: a file of the package is damaged; the message names the file and the field.
    """
    found = []
    for file in files(PACKAGE).iterdir():
        if file.name.endswith(".json"):
            try:
                found.append(_Person.model_validate_json(file.read_bytes()).demo_user())
            except ValidationError as error:
                raise InputError(f"{file.name}: {describe(error)}") from None
    return sorted(found, key=lambda user: user.user_id)
