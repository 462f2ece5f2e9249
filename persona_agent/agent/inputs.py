"""Checks of what callers give, with messages that say which value is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from persona_agent.errors import InputError
from persona_agent.schema import Query
from persona_agent.schema.episode import UserId

_USER_ID: TypeAdapter[str] = TypeAdapter(UserId)


def valid_user(user: str) -> str:
    """Return a user id. Raises InputError for one that nobody can have."""
    try:
        return _USER_ID.validate_python(user)
    except ValidationError as error:
        raise InputError(f"user: {explain(error)}") from None


def checked_query(text: str, options: Sequence[str], task: str) -> Query:
    """Return a query. Raises InputError for one that cannot be stored."""
    if not isinstance(options, (list, tuple)):
        raise InputError(f"options must be a list of texts, got {type(options).__name__}")
    if isinstance(text, str) and not text.strip():
        raise InputError("query text: is blank")
    try:
        return Query(text=text, options=tuple(options), task=task)
    except ValidationError as error:
        raise InputError(explain(error)) from None


def explain(error: ValidationError) -> str:
    """Return what is wrong, field by field, without the values."""
    problems = []
    for problem in error.errors(include_input=False, include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        message = _plain(problem)
        problems.append(f"{where}: {message}" if where else message)
    return "; ".join(problems)


def _plain(problem: ErrorDetails) -> str:
    """Return what is wrong with one value, in words for people who do not know pydantic."""
    limits = problem.get("ctx", {})
    match problem["type"]:
        case "string_too_short" | "too_short" if limits["min_length"] == 1:
            return "must not be empty"
        case "string_too_long":
            return f"must have at most {limits['max_length']:,} characters"
        case "string_type":
            return "must be a text"
        case "missing":
            return "is missing"
    return problem["msg"].removeprefix("Value error, ")
