"""What happens to every request on its way in and out: ids, limits, metrics, one line of log."""

from __future__ import annotations

import hashlib
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from persona_agent.schema import new_id
from persona_agent.server.errors import ApiError, answer_error
from persona_agent.server.services import Services

logger = logging.getLogger("persona_agent.server")

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


Endpoint = Callable[[Request], Awaitable[ASGIApp]]
"""Answers a request with what sends the response."""


class Edge:
    """Wraps the whole application (pure ASGI, because streams must pass unbuffered)."""

    def __init__(
        self, app: ASGIApp, services: Services, direct: Mapping[tuple[str, str], Endpoint]
    ) -> None:
        """Take the application, and the endpoints that are served past it, by method and path.

        Its own way to an endpoint (routes in routes, dependencies, exit stacks, four layers of
        handlers) takes a tenth of a millisecond of processor time.
        """
        self._app = app
        self._services = services
        self._direct = direct
        self._prefix, self._numbers = f"{new_id()[:16]}-", itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, request, status = time.perf_counter(), Request(scope), 0
        identity = f"{self._prefix}{next(self._numbers):x}"
        scope.setdefault("state", {})["id"] = identity

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", identity.encode())]
            await send(message)

        try:
            refused = self._refused(request)
            if refused is not None:
                await refused.response()(scope, receive, answer)
                return
            endpoint = self._direct.get((scope["method"], scope["path"]))
            if endpoint is None:
                await self._app(scope, self._counted(receive), answer)
            else:
                response = await endpoint(Request(scope, self._counted(receive)))
                await response(scope, receive, answer)
        except ClientDisconnect:
            pass  # nobody is left to be answered
        except Exception as error:
            if status:
                request.state.failure = error
            else:
                await (await answer_error(request, error))(scope, receive, answer)
        finally:
            self._finish(request, status, time.perf_counter() - began)

    def _refused(self, request: Request) -> ApiError | None:
        """Return the error for a request that is not let in at all."""
        config = self._services.config
        if config.anonymous and config.loopback and not _from_here(request):
            return ApiError(403, "without API keys only http://localhost is served")
        length = request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:18]) > config.max_body_bytes:
            return self._too_large()
        return None

    def _too_large(self) -> ApiError:
        most = self._services.config.max_body_bytes
        return ApiError(413, f"the body is larger than {most} bytes", code="body_too_large")

    def _counted(self, receive: Receive) -> Receive:
        """Return ``receive`` with a limit, for bodies that do not tell their length."""
        most, size = self._services.config.max_body_bytes, 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > most:
                raise HTTPException(413, f"the body is larger than {most} bytes")
            return message

        return counted

    def _finish(self, request: Request, status: int, seconds: float) -> None:
        route = request.scope.get("route")
        path = getattr(route, "path", "unknown")
        if (request.method, request.scope["path"]) in self._direct:
            path = request.scope["path"]
        method = request.method if request.method in _METHODS else "OTHER"
        self._services.metrics.count(
            "requests_total", method=method, route=path, status=str(status or 499)
        )
        state: dict[str, Any] = request.scope["state"]
        level = logging.ERROR if "failure" in state else logging.INFO
        fields: dict[str, Any] = {
            "request": state["id"],
            "method": method,
            "route": path,
            "status": status or 499,
            "seconds": round(seconds, 4),
        }
        if (person := state.get("person")) is not None:
            fields["user"] = person.id if self._services.config.log_text else pseudonym(person.id)
        if (turn := state.get("turn")) is not None and turn.id:
            fields["turn"] = turn.id
        if problem := state.get("problem"):
            fields["problem"] = problem
        failure = state.get("failure")
        if logger.isEnabledFor(level):
            record = logger.makeRecord(  # not by ``log``, which looks for the line that calls it
                logger.name, level, __file__, 0, "request", (), _exc_info(failure)
            )
            record.fields = fields
            logger.handle(record)


def _exc_info(error: BaseException | None) -> Any:
    return None if error is None else (type(error), error, error.__traceback__)


def _from_here(request: Request) -> bool:
    """Tell whether a request means this machine, and does not come from a foreign page.

    A page in a browser can send to this machine, and can have its own name lead here; but then
    its origin, or the host that it names, is not ours.
    """
    headers = request.headers
    origin = headers.get("origin")
    return _is_here(f"//{headers.get('host', '')}") and (origin is None or _is_here(origin))


@lru_cache(maxsize=256)
def _is_here(address: str) -> bool:
    try:
        return urlsplit(address).hostname in _LOOPBACK_NAMES
    except ValueError:
        return False


_METHODS = frozenset({"GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"})


def pseudonym(user: str) -> str:
    """Return a short hash, so that the lines of one user can be told to belong together."""
    return hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()[:12]
