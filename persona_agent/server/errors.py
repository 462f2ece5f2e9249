"""Every error of the server, in OpenAI's shape: ``{"error": {message, type, param, code}}``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from persona_agent.errors import (
    BudgetExceededError,
    ConflictError,
    MissingExtraError,
    ModelCallsBlockedError,
    ModelError,
    ModelRefusalError,
    NotFoundError,
    PersonaAgentError,
    StoreUnavailableError,
    UsageError,
)
from persona_agent.llm.relay import UpstreamError

INVALID = "invalid_request_error"
NOT_JSON = "send JSON: Content-Type: application/json"


class Json(Response):
    """A JSON object as a response."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return to_json(content, inf_nan_mode="null")


@dataclass
class ApiError(Exception):
    """An error to answer with.

    Attributes:
        status: of HTTP.
        message: what happened, and what to do.
        type: OpenAI's kind of error.
        code: a word for programs.
        param: which parameter is wrong, if one is.
        retry_after: seconds to wait before trying again.
    """

    status: int
    message: str
    type: str = INVALID
    code: str | None = None
    param: str | None = None
    retry_after: float | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the JSON to send."""
        shown = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": shown}

    def response(self) -> JSONResponse:
        """Return the response to send."""
        headers = dict(self.headers)
        if self.retry_after is not None:
            headers["retry-after"] = str(math.ceil(self.retry_after))
        return JSONResponse(self.body(), status_code=self.status, headers=headers)


def invalid(message: str, param: str | None = None) -> ApiError:
    """Return the error for a request that the client has to mend."""
    return ApiError(400, message, param=param)


def as_api_error(error: Exception) -> ApiError:
    """Return what the client is told of an error; of an unforeseen one, nothing but that."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, HTTPException):
        status = error.status_code
        kind = INVALID if status < 500 else "server_error"
        headers = dict(error.headers or {})
        return ApiError(status, str(error.detail), kind, _code(status), headers=headers)
    if isinstance(error, RequestValidationError):
        return _validation(error)
    if isinstance(error, PersonaAgentError):
        return _ours(error)
    return ApiError(500, "the server failed; its log says why", "server_error", "internal_error")


def _ours(error: PersonaAgentError) -> ApiError:
    text = str(error)
    if isinstance(error, UpstreamError):
        kind = {400: INVALID, 429: "rate_limit_error", 504: "timeout_error"}
        shown = kind.get(error.status, INVALID if error.status < 500 else "upstream_error")
        wait = error.retry_after
        return ApiError(error.status, text, shown, "upstream", retry_after=wait)
    if isinstance(error, BudgetExceededError):
        return ApiError(429, text, "insufficient_quota", "budget_exceeded")
    if isinstance(error, ModelCallsBlockedError):
        return ApiError(503, text, "server_error", "model_calls_blocked")
    if isinstance(error, ModelRefusalError):
        return ApiError(400, text, INVALID, "content_filter")
    if isinstance(error, ModelError):
        return ApiError(502, text, "upstream_error", "upstream")
    if isinstance(error, NotFoundError):
        return ApiError(404, text, code="not_found")
    if isinstance(error, MissingExtraError):
        return ApiError(501, text, "server_error", "missing_extra")
    if isinstance(error, UsageError):
        return ApiError(400, text)
    if isinstance(error, ConflictError):
        return ApiError(409, text, code="conflict")
    if isinstance(error, StoreUnavailableError):
        hidden = "the memory cannot be used now; the server's log says why"
        return ApiError(503, hidden, "server_error", "store_unavailable", retry_after=1)
    return ApiError(500, "the memory cannot be used; the server's log says why", "server_error")


def _validation(error: RequestValidationError) -> ApiError:
    if isinstance(error.body, bytes):  # it was not read as JSON
        return ApiError(415, NOT_JSON)
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    param = ".".join(place) or None
    if first["type"] == "json_invalid":
        param, message = None, "the body is not JSON"
    else:
        said = first["msg"].removeprefix("Value error, ")
        message = f"{param}: {said}" if param else said
    return ApiError(400, message.encode("utf-8", "replace").decode(), param=param)


def _code(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "_")


async def answer_error(request: Request, error: Exception) -> JSONResponse:
    """Answer with an error; a user is called what the client calls it."""
    told = as_api_error(error)
    person = getattr(request.state, "person", None)
    if person is not None and person.id != person.name:
        told.message = told.message.replace(person.id, person.name)
    request.state.problem = f"{type(error).__name__}: {told.code or told.type}"
    if told.status >= 500 and not isinstance(error, ApiError | ModelError):
        request.state.failure = error
    return told.response()
