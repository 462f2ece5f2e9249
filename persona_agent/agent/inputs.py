"""Checks of what callers give, with messages that say which value is wrong."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from persona_agent.errors import InputError
from persona_agent.schema.episode import UserId

_USER_ID: TypeAdapter[str] = TypeAdapter(UserId)


def valid_user(user: str) -> str:
    """Return a user id. Raises InputError for one that nobody can have."""
    try:
        return _USER_ID.validate_python(user)
    except ValidationError as error:
        raise InputError(f"user: {explain(error)}") from None


def explain(error: ValidationError) -> str:
    """Return what is wrong, field by field, without the values."""
    problems = []
    for problem in error.errors(include_input=False, include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        problems.append(f"{where}: {message}" if where else message)
    return "; ".join(problems)
