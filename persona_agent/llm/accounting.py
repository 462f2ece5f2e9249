"""Who used what, and the budgets that stop a run before it costs too much.

Every call is booked to a (user, purpose). Both, and the limits of a run, travel in context
variables: tasks and ``asyncio.to_thread`` inherit them, and siblings do not see each other's.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from pydantic import Field

from persona_agent.errors import BudgetExceededError
from persona_agent.schema import Usage
from persona_agent.schema.base import Record

T = TypeVar("T")

MOST_ACCOUNTS = 20_000


class Budget(Record):
    """Upper limits; None is no limit. Reaching one is a clean stop before the next call."""

    max_calls: int | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=0)
    max_cost_usd: float | None = Field(default=None, ge=0)


class Ledger:
    """What was used of one budget. Calls under way count as calls, and with their prompt.

    Money and completion tokens are known only afterwards, so the calls that are under way when
    such a limit is reached still end and are booked: a run may exceed it by those few.
    """

    def __init__(self, budget: Budget, scope: str) -> None:
        self.budget = budget
        self._scope = scope
        self._used = Usage()
        self._open_calls = 0
        self._open_tokens = 0

    @property
    def used(self) -> Usage:
        """What the finished calls used."""
        return self._used

    def check(self, prompt_tokens: int, *, free: bool) -> None:
        """Raise BudgetExceededError when a call with this prompt would break the budget."""
        limit, used = self.budget, self._used
        tokens = used.prompt_tokens + used.completion_tokens + self._open_tokens
        if limit.max_calls is not None and used.calls + self._open_calls >= limit.max_calls:
            self._refuse(f"{limit.max_calls} calls")
        if limit.max_tokens is not None and (
            tokens >= limit.max_tokens or tokens + prompt_tokens > limit.max_tokens
        ):
            self._refuse(f"{limit.max_tokens} tokens (used: {tokens})")
        if not free and limit.max_cost_usd is not None and used.cost_usd >= limit.max_cost_usd:
            self._refuse(f"{limit.max_cost_usd:g} USD (used: {used.cost_usd:.4f})")

    def open(self, prompt_tokens: int) -> None:
        """Note a call that is being sent."""
        self._open_calls += 1
        self._open_tokens += prompt_tokens

    def close(self, prompt_tokens: int, usage: Usage) -> None:
        """Replace the note by what the call used in the end."""
        self._open_calls -= 1
        self._open_tokens -= prompt_tokens
        self._used = self._used + usage

    def _refuse(self, what: str) -> None:
        raise BudgetExceededError(f"the budget of {self._scope} is used up: {what}; nothing sent")


class Account(NamedTuple):
    """Whom a call is booked to, and what for. Empty where nobody said."""

    user_id: str = ""
    purpose: str = ""


@dataclass
class OpenCall:
    """A call under way; its maker fills in what it used."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0


_NOBODY = Account()
_NOTHING = Usage()
_NO_LIMIT = Budget()
_ACCOUNT: ContextVar[Account] = ContextVar("persona_agent_account", default=_NOBODY)
_LIMITS: ContextVar[tuple[Ledger, ...]] = ContextVar("persona_agent_limits", default=())
# One lock for all ledgers: a call is checked against several, and entered into all or none.
_LOCK = threading.Lock()


@contextmanager
def _set(variable: ContextVar[T], value: T) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        # An abandoned async generator is finalized in another context, where nothing is to undo.
        with suppress(ValueError):
            variable.reset(token)


def account(*, user_id: str, purpose: str) -> AbstractContextManager[None]:
    """Book the calls made inside, of any model, to this user and purpose; the innermost wins."""
    return _set(_ACCOUNT, Account(user_id, purpose))


def current_account() -> Account:
    """Return whom calls are booked to here."""
    return _ACCOUNT.get()


@contextmanager
def limit(
    *,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    max_cost_usd: float | None = None,
) -> Iterator[Ledger]:
    """Limit the calls made inside, of any model; nested limits all hold.

    Yields:
        the ledger of this limit, whose ``used`` tells what was spent inside it.
    """
    budget = _NO_LIMIT
    if (max_calls, max_tokens, max_cost_usd) != (None, None, None):
        budget = Budget(max_calls=max_calls, max_tokens=max_tokens, max_cost_usd=max_cost_usd)
    ledger = Ledger(budget, "this run")
    with _set(_LIMITS, (*_LIMITS.get(), ledger)):
        yield ledger


class _Book:
    """Usage by account. Of accounts long unused, only the purpose is remembered.

    A server sees new users for as long as it runs: what it knows of each must not add up. To be
    added to under the lock.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._booked: OrderedDict[Account, Usage] = OrderedDict()
        self._earlier: dict[str, Usage] = {}

    def add(self, who: Account, used: Usage) -> None:
        self._booked[who] = self._booked.get(who, _NOTHING) + used
        self._booked.move_to_end(who)
        if len(self._booked) > self._most:
            gone, spent = self._booked.popitem(last=False)
            self._earlier[gone.purpose] = self._earlier.get(gone.purpose, _NOTHING) + spent

    def total(self, user_id: str | None, purpose: str | None) -> Usage:
        with _LOCK:
            booked = list(self._booked.items())
            earlier = list(self._earlier.items()) if user_id is None else []
        found = _NOTHING
        for who, used in booked:
            if user_id in (None, who.user_id) and purpose in (None, who.purpose):
                found = found + used
        for name, used in earlier:
            if purpose in (None, name):
                found = found + used
        return found


class UsageMeter:
    """Books the calls of one model. Safe to use from several threads and tasks.

    Totals are exact; by user, those of the users booked last are known.
    """

    def __init__(self, budget: Budget | None = None, *, most_accounts: int = MOST_ACCOUNTS) -> None:
        """Take the budget of all calls, and how many users and purposes are told apart."""
        self._ledger = Ledger(budget or Budget(), "this process")
        self._booked = _Book(most_accounts)

    @contextmanager
    def call(self, *, prompt_tokens: int = 0, free: bool = False) -> Iterator[OpenCall]:
        """Check the budgets, then time one call and book it, also when it fails.

        Args:
            prompt_tokens: size of the prompt, estimated; reserved while the call is under way.
            free: the call costs no money, so that limits of money do not stop it.

        Raises:
            BudgetExceededError: a limit is reached; the body did not run and nothing was booked.
        """
        ledgers = (self._ledger, *_LIMITS.get())
        with _LOCK:
            for ledger in ledgers:
                ledger.check(prompt_tokens, free=free)
            for ledger in ledgers:
                ledger.open(prompt_tokens)
        booked_to, opened, begin = _ACCOUNT.get(), OpenCall(), time.perf_counter()
        try:
            yield opened
        finally:
            usage = Usage(
                calls=1,
                prompt_tokens=opened.prompt_tokens,
                completion_tokens=opened.completion_tokens,
                cost_usd=opened.cost_usd,
                seconds=time.perf_counter() - begin,
            )
            with _LOCK:
                for ledger in ledgers:
                    ledger.close(prompt_tokens, usage)
                self._booked.add(booked_to, usage)

    def usage(self, *, user_id: str | None = None, purpose: str | None = None) -> Usage:
        """Return what was used, over all users or purposes where none is given."""
        return self._booked.total(user_id, purpose)


class AccountedModel:
    """What every language model of this library shares: a name, a meter, accounts."""

    def __init__(
        self, name: str, *, deterministic: bool = True, meter: UsageMeter | None = None
    ) -> None:
        self._name = name
        self._deterministic = deterministic
        self.meter = meter or UsageMeter()

    @property
    def name(self) -> str:
        """Model id as recorded in results."""
        return self._name

    @property
    def deterministic(self) -> bool:
        """Whether equal requests get equal answers."""
        return self._deterministic

    def account(self, *, user_id: str, purpose: str) -> AbstractContextManager[None]:
        """Book the calls made inside to this user and purpose."""
        return account(user_id=user_id, purpose=purpose)

    def usage(self, *, user_id: str | None = None, purpose: str | None = None) -> Usage:
        """Return what was used so far, over all users or purposes where none is given."""
        return self.meter.usage(user_id=user_id, purpose=purpose)

    def forget(self, user_id: str) -> int:
        """Remove what is cached of a user's answers; by default there is no cache."""
        return 0

    async def aclose(self) -> None:
        """Release connections; there are none by default."""
