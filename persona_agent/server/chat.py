"""``/v1/chat/completions`` and ``/v1/models``, as OpenAI's clients know them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from persona_agent.server.access import USER_HEADER, Caller, Requires, authorize, bearer
from persona_agent.server.errors import NOT_JSON, ApiError, Json
from persona_agent.server.events import EventStream
from persona_agent.server.keys import Scope
from persona_agent.server.request import read_chat
from persona_agent.server.services import Services, services_of
from persona_agent.server.turn import ServedTurn

router = APIRouter(tags=["chat"])

_MESSAGE = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
        "content": {"type": ["string", "array", "null"], "items": {"type": "object"}},
    },
}
_CHAT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["model", "messages"],
    "properties": {
        "model": {"type": "string", "description": "one of /v1/models"},
        "messages": {"type": "array", "minItems": 1, "items": _MESSAGE},
        "user": {"type": "string", "description": f"whose turn; or the header {USER_HEADER}"},
        "stream": {"type": "boolean", "default": False},
        "metadata": {"type": "object", "description": "`thread` names the conversation"},
        "tools": {"type": "array", "items": {"type": "object"}},
    },
    "additionalProperties": True,
}
_CHAT_DOCS: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _CHAT_SCHEMA}}},
    "parameters": [
        {"in": "header", "name": USER_HEADER, "schema": {"type": "string"}},
        {"in": "header", "name": "Idempotency-Key", "schema": {"type": "string"}},
    ],
    "security": [{"HTTPBearer": []}],
}


@router.post(
    "/v1/chat/completions",
    summary="Answer as this user's assistant",
    openapi_extra=_CHAT_DOCS,
    response_model=None,
)
async def chat_completions(request: Request) -> Response | EventStream:
    """Take any request of OpenAI's chat API; what the server does not know goes upstream as it is.

    The answer holds `persona.episode_id`: it is there when the exchange is stored for good, and
    feedback attaches to it.
    """
    services = services_of(request)
    caller = authorize(services, bearer(request), Scope.CHAT)
    if not request.headers.get("content-type", "").lower().startswith("application/json"):
        raise ApiError(415, NOT_JSON)
    asked = await read_chat(request, caller, services.config, model_names(services))
    services.rates.take(asked.person.id)
    turn = request.state.turn = ServedTurn(services, asked)
    if not asked.streaming:
        return Json(await services.retries.complete(asked, turn.complete))
    return EventStream(services.retries.stream(asked, turn.stream()))


DIRECT = {("POST", "/v1/chat/completions"): chat_completions}
"""The endpoint past FastAPI, as it is served; the route above describes it."""


@router.get("/v1/models", summary="The model that answers")
async def models(
    request: Request, _: Annotated[Caller, Depends(Requires(Scope.CHAT))]
) -> dict[str, Any]:
    """List the one model behind this server."""
    return {"object": "list", "data": [_model(services_of(request))]}


@router.get("/v1/models/{model:path}", summary="One model")
async def model(
    model: str, request: Request, _: Annotated[Caller, Depends(Requires(Scope.CHAT))]
) -> dict[str, Any]:
    """Describe the model behind this server."""
    services = services_of(request)
    if model not in model_names(services):
        raise ApiError(404, "there is no such model here", code="model_not_found", param="model")
    return _model(services)


def model_names(services: Services) -> frozenset[str]:
    """Return the names that clients may use: as set, and without the provider."""
    return frozenset({services.model, services.model.partition("/")[2] or services.model})


def _model(services: Services) -> dict[str, Any]:
    return {"id": services.model, "object": "model", "created": 0, "owned_by": "persona-agent"}
