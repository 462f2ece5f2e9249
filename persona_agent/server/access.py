"""Who asks, whether they may, and which user they mean.

A user id means something within its tenant only: inside, it is ``TENANT::USER``. Tenants hold no
colon, and the ids of the tenant of the command line hold no ``::``, so two of them never meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from persona_agent.agent.inputs import valid_user
from persona_agent.errors import InputError
from persona_agent.schema.base import Record
from persona_agent.server.errors import ApiError, invalid
from persona_agent.server.keys import KeyRing, Scope
from persona_agent.server.services import Services, services_of

SEPARATOR = "::"
USER_HEADER = "X-Persona-User"

RecordT = TypeVar("RecordT", bound=Record)
_BEARER = HTTPBearer(auto_error=False, description="persona-agent serve keys add")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
"""Never read; it makes the OpenAPI description tell that there are keys."""


@dataclass(frozen=True)
class Caller:
    """Who asks: a tenant ("" is that of the command line), and what it may do."""

    tenant: str
    scopes: frozenset[Scope]

    def person(self, name: str) -> Person:
        """Return the user of this name. Raises ApiError for one that nobody can have."""
        if not self.tenant and SEPARATOR in name:
            raise invalid(f"a user id must not contain {SEPARATOR!r}", "user")
        inside = f"{self.tenant}{SEPARATOR}{name}" if self.tenant else name
        try:
            if not name:
                raise InputError("user: must not be empty")
            return Person(id=valid_user(inside), name=name)
        except InputError as error:
            raise invalid(str(error), "user") from None


@dataclass(frozen=True)
class Person:
    """A user: the ``id`` of the stores, and the ``name`` that the client uses."""

    id: str
    name: str

    def shown(self, record: RecordT) -> RecordT:
        """Return a record of this user as the client sees it."""
        return record.model_copy(update={"user_id": self.name})


EVERYTHING = frozenset(Scope)


def identify(ring: KeyRing, *, anonymous: bool, token: str | None) -> Caller:
    """Return who asks. Raises ApiError for a key that is missing, wrong or revoked."""
    key = ring.check(token) if token else None
    if key is not None:
        return Caller(key.tenant, key.scopes)
    if anonymous and ring.empty():
        return Caller("", EVERYTHING)
    what = "this API key is not valid" if token else "an API key is needed: Authorization: Bearer"
    raise ApiError(401, what, code="invalid_api_key", headers={"www-authenticate": "Bearer"})


def authorize(services: Services, token: str | None, scope: Scope) -> Caller:
    """Return who asks. Raises ApiError unless they may do what the scope says."""
    caller = identify(services.keys, anonymous=services.config.anonymous, token=token)
    if scope not in caller.scopes:
        raise ApiError(
            403, f"this API key lacks the scope {scope.value!r}", "permission_error", "scope"
        )
    return caller


def bearer(request: Request) -> str | None:
    """Return the key that a request carries."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None


def named_user(request: Request) -> str | None:
    """Return the user that the header names, in UTF-8; None without one."""
    values = request.headers.getlist(USER_HEADER)
    if len(values) > 1:  # which of them a proxy in between has checked is not known
        raise invalid(f"the header {USER_HEADER} comes {len(values)} times", "user")
    try:
        return values[0].encode("latin-1").decode("utf-8") if values else None
    except UnicodeError:
        raise invalid(f"the header {USER_HEADER} is not UTF-8", "user") from None


class Requires:
    """The dependency of an endpoint that anyone with the scope may call."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def __call__(self, request: Request, _: Credentials = None) -> Caller:
        """Return who asks."""
        return authorize(services_of(request), bearer(request), self._scope)


class PersonFor:
    """The dependency of an endpoint that is about one user."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def __call__(
        self,
        request: Request,
        user: Annotated[str | None, Query(max_length=256, description="whose data")] = None,
        header: Annotated[
            str | None, Header(alias=USER_HEADER, max_length=1024, description="instead of `user`")
        ] = None,
        _: Credentials = None,
    ) -> Person:
        """Return the user that is meant."""
        caller = authorize(services_of(request), bearer(request), self._scope)
        if len(request.query_params.getlist("user")) > 1:
            raise invalid("'user' comes several times", "user")
        found = caller.person(one_user(named_user(request), user))
        request.state.person = found
        return found


def one_user(header: str | None, given: str | None) -> str:
    """Return the user that a request names. Raises ApiError when it names none, or two."""
    if header is not None and given is not None and header != given:
        raise invalid(f"the header {USER_HEADER} and 'user' name different users", "user")
    name = header if header is not None else given
    if name is None:
        raise invalid(f"say whose turn it is: 'user', or the header {USER_HEADER}", "user")
    return name
