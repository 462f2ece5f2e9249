"""Optimizing personas: one user now, many within one budget, or by itself when it is due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import Context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypedDict
from weakref import WeakKeyDictionary

from persona_agent.agent.alone import alone, clear
from persona_agent.agent.due import due, may_state, unlearned
from persona_agent.agent.inputs import valid_user
from persona_agent.agent.sync import LoopThread, blocking, blocking_iterator
from persona_agent.errors import (
    BudgetExceededError,
    ConflictError,
    NotFoundError,
    PersonaAgentError,
)
from persona_agent.llm import limit
from persona_agent.memory import Memory
from persona_agent.memory.distil import distil
from persona_agent.memory.uncut import uncut
from persona_agent.optimizer import PersonaOptimizer
from persona_agent.optimizer.journal import journal_path, mark_booked, unbooked
from persona_agent.optimizer.optimizer import spent
from persona_agent.prompts import DISTIL_FACTS
from persona_agent.protocols import LanguageModel
from persona_agent.schema import Episode, Fact, Revision, Usage
from persona_agent.schema.base import Record
from persona_agent.settings import Settings

LOG = logging.getLogger(__name__)
USERS_AT_ONCE = 4
DAY = timedelta(days=1)
SECONDS_TO_END = 10
"""How long runs are waited for that cannot be ended from here, or whose event loop may itself wait
for whoever ends them."""


class Optimized(Record):
    """How the optimization of one of several users ended: a revision, or why there is none.

    With neither there was nothing to learn from: what the user wrote states nothing.
    """

    user_id: str
    revision: Revision | None = None
    error: str = ""


class Limits(TypedDict):
    """What may still be used; None is no limit."""

    max_calls: int | None
    max_tokens: int | None
    max_cost_usd: float | None


class LearningCalls:
    """The part of the public API that is about learning."""

    memory: Memory
    model: LanguageModel
    settings: Settings
    _optimizer: PersonaOptimizer
    _background: LoopThread
    _learning: dict[str, asyncio.Task[None]]
    _unjudged: set[str]
    _slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]

    async def optimize(self, user: str) -> Revision:
        """Improve the persona from the user's recent interactions; keep only what helps.

        What the user stated in a chat becomes a claim in the user's own words, unjudged. For a
        user with too few outcomes to judge by that is all, and the revision says so.

        There is one run of a user at a time, over all processes on the data directory: while
        another one is under way this waits, and returns its revision where nothing is new since.

        Raises:
            NotFoundError: the user has no episode with an outcome, and stated nothing.
            ConflictError: the persona changed meanwhile; run it again.
            BudgetExceededError: the budget of the run, or of this user's day, is spent.
            ModelError: the model cannot be used. What was paid for is kept, and the next run
                goes on from there.
        """
        began = datetime.now(UTC)
        async with self._alone(valid_user(user)) as waited:
            made = await asyncio.to_thread(self._learned_since, user, began) if waited else None
            return made or await self._optimize(user)

    def _alone(self, user: str) -> AbstractAsyncContextManager[bool]:
        """Return what lets one run of a user in at a time, and tells whether it had to wait."""
        return alone(self._run_file(user))

    def _journal(self, user: str) -> Path:
        return journal_path(self.settings.data_dir / "journal", user)

    def _run_file(self, user: str) -> Path:
        return self._journal(user).with_suffix(".lock")

    def _forget_runs(self, user: str) -> None:
        """Remove what killed runs of a user left: paid answers, and the file that they held."""
        self._optimizer.forget(user)
        clear(self._run_file(user))

    def _learned_since(self, user: str, moment: datetime) -> Revision | None:
        """Return the last revision, if it came after a moment and nothing is new since."""
        revisions = self.memory.personas.revisions(user)
        made = revisions[-1] if revisions and revisions[-1].at > moment else None
        return None if made is None or unlearned(user, self.memory) else made

    async def _optimize(self, user: str) -> Revision:
        history = await asyncio.to_thread(self.memory.episodes.timeline, user, with_outcome=True)
        await uncut(self._count_killed, user)
        with limit(**await asyncio.to_thread(self._left_today, user)) as run:
            recorded = Usage()
            try:
                revision = await self._learned(user, history)
                recorded = revision.usage
            finally:
                await uncut(self._count_today, user, spent(recorded, run.used))
        return revision

    async def _learned(self, user: str, history: Sequence[Episode]) -> Revision:
        with self.model.account(user_id=user, purpose="distil"):
            await distil(
                user,
                self.memory.episodes,
                self.memory.facts,
                self._optimizer.journaled(user),
                DISTIL_FACTS,
            )
        facts = await asyncio.to_thread(self._facts, user)
        if not history and not any(fact.stated for fact in facts if fact.current):
            raise NotFoundError(
                f"user {user!r} has no interaction with a known outcome, and stated nothing that "
                "lasts in a message or a comment: record what the user really chose or wrote as "
                "the outcome (a thumb does not tell it)"
            )
        with self.model.account(user_id=user, purpose="optimize"):
            try:
                return await self._optimizer.optimize(user, history, facts=facts)
            except NotFoundError as error:
                raise ConflictError(f"{error}: it was deleted meanwhile; run it again") from error

    def _facts(self, user: str) -> list[Fact]:
        """Return the facts that stand for a user, and those that were replaced, oldest first."""
        facts = self.memory.facts
        return sorted([*facts.profile(user), *facts.replaced(user)], key=lambda one: one.valid_from)

    async def optimize_all(
        self, users: Sequence[str] | None = None, *, at_once: int = USERS_AT_ONCE
    ) -> AsyncIterator[Optimized]:
        """Optimize several users concurrently; yield how each ended, as it ends.

        Each user may use an equal share of what the budget of the process has left when its turn
        comes. One who fails does not keep the others from theirs. Interrupted at any moment, it
        loses nothing: what was paid for is journaled, and the next run goes on from there.

        Args:
            users: whom; by default everybody in :meth:`unlearned`.
            at_once: how many at a time, at least 1.
        """
        waiting = list(users) if users is not None else await self.unlearned()
        left = len(waiting)
        slots = asyncio.Semaphore(max(1, at_once))

        async def one(user: str) -> Optimized:
            nonlocal left
            async with slots:
                shares = self._shares(left)
                left -= 1
                try:
                    with limit(**shares):
                        return Optimized(user_id=user, revision=await self.optimize(user))
                except NotFoundError as error:
                    wrote = await asyncio.to_thread(self.memory.episodes.count, user)
                    return Optimized(user_id=user, error="" if wrote else str(error))
                except PersonaAgentError as error:
                    return Optimized(user_id=user, error=str(error))

        tasks = [asyncio.create_task(one(user)) for user in waiting]
        try:
            for done in asyncio.as_completed(tasks):
                yield await done
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def unlearned(self) -> list[str]:
        """Return the users of whom something was not learned from yet, those with most first.

        That is known outcomes, and what the user said or commented, also without any outcome.
        Whether such words state something that lasts is found out by optimizing.
        """

        def ask() -> list[str]:
            users = self.memory.episodes.users()
            fresh = {user: unlearned(user, self.memory) for user in users}
            return sorted((user for user in users if fresh[user]), key=lambda user: -fresh[user])

        return await asyncio.to_thread(ask)

    async def due(self, user: str) -> str:
        """Return why an optimization is worth its calls now; "" when it is not.

        It is when as many outcomes are new as the setting ``optimize_after`` says (twice as many
        after one that changed nothing), or as many statements of the user, or when most of the
        latest decisions were wrong.
        """
        return await asyncio.to_thread(
            due, valid_user(user), self.memory, self.settings.optimize_after or 10
        )

    async def heard(self, user: str, text: str) -> None:
        """Note what a user wrote in a turn that is stored; whether learning is due is found out.

        Chat turns and single records do this themselves; call it for turns that you answered and
        stored with ``record_episodes``. It returns at once: with the setting ``optimize_after`` an
        optimization that is due runs off the response path, one at a time for each user.
        """
        if self.settings.optimize_after is not None and may_state(text):
            await self._learned_something(user)

    async def _learned_something(self, user: str) -> None:
        """Note a new outcome; whether an optimization is due is found out off the response path."""
        if self.settings.optimize_after is None:
            return
        self._unjudged.add(user)
        running = self._learning.get(user)
        if running is None or running.done():  # one that was stopped before it began is still there
            # Nobody's own: what the caller's context books or limits is not the learning's.
            task = asyncio.get_running_loop().create_task(self._learn(user), context=Context())
            self._learning[user] = task

    async def _learn(self, user: str) -> None:
        """Optimize as long as outcomes came since it was last looked at, and it is due."""
        try:
            while user in self._unjudged:
                async with self._slot():
                    self._unjudged.discard(user)
                    await self._optimize_if_due(user)
        finally:  # in the same step as the last look, so that no outcome falls in between
            self._unjudged.discard(user)
            self._learning.pop(user, None)

    def _slot(self) -> asyncio.Semaphore:
        """Return what bounds the users that are learned from in the background at once."""
        loop = asyncio.get_running_loop()
        return self._slots.setdefault(loop, asyncio.Semaphore(USERS_AT_ONCE))

    async def _optimize_if_due(self, user: str) -> None:
        try:
            if not await self.due(user):
                return
            async with self._alone(user) as waited:
                if not waited or await self.due(user):
                    await self._optimize(user)
        except PersonaAgentError as error:  # it comes again: nothing was lost but time
            LOG.warning("an optimization in the background ended early: %s", type(error).__name__)

    @asynccontextmanager
    async def _no_run(self, user: str) -> AsyncIterator[None]:
        """End what learns from a user in the background; no other run writes anything inside.

        Raises:
            ConflictError: a run that somebody asked for did not end in time.
        """
        await self._stop_learning(user)
        async with AsyncExitStack() as held:
            try:
                file = alone(self._run_file(user), patience=SECONDS_TO_END)
                await held.enter_async_context(file)
            except TimeoutError:
                raise ConflictError(
                    f"an optimization of user {user!r} is under way: stop it, or try again when it "
                    "has ended"
                ) from None
            yield

    async def _stop_learning(self, user: str | None = None) -> None:
        """End what runs in the background, of one user or all; what was paid for is journaled."""
        here, elsewhere = asyncio.get_running_loop(), list[asyncio.Future[None]]()
        tasks = [task for who, task in self._learning.items() if user in (None, who)]
        own = [task for task in tasks if task.get_loop() is here]
        for task in tasks:
            loop = task.get_loop()
            if loop is not here and loop.is_running():  # else the task has ended with it
                ending = asyncio.run_coroutine_threadsafe(_ended([task]), loop)
                elsewhere.append(asyncio.wrap_future(ending))
        await _ended(own)
        if elsewhere:
            await asyncio.wait(elsewhere, timeout=SECONDS_TO_END)
        for who in [who for who, task in list(self._learning.items()) if task.done()]:
            self._learning.pop(who, None)  # one that never began could not do this itself
            self._unjudged.discard(who)

    def _count_today(self, user: str, used: Usage) -> None:
        """Note what a run used that no revision holds: distilling, and all where it ended early."""
        self._count(user, used, datetime.now(UTC))

    def _count_killed(self, user: str) -> None:
        """Note what a run used that was killed before it could do so itself, as far as is known.

        That is what came back; a call that was under way has left no trace.
        """
        used, at = unbooked(self._journal(user))
        if at is not None:
            self._count(user, used, at)

    def _count(self, user: str, used: Usage, at: datetime) -> None:
        if used.calls:
            yesterday = datetime.now(UTC) - DAY
            self.memory.personas.add_expense(user, at, used, drop_before=yesterday)
        # Afterwards: killed in between, it counts twice rather than not at all.
        mark_booked(self._journal(user))

    def _left_today(self, user: str) -> Limits:
        """Return what the user's optimizations may still use of their day."""
        since = datetime.now(UTC) - DAY
        recent = [r.usage for r in self.memory.personas.revisions(user) if r.at > since]
        recent += self.memory.personas.expenses(user, since)
        calls = sum(used.calls for used in recent)
        cost = sum(used.cost_usd for used in recent)
        tokens = sum(used.prompt_tokens + used.completion_tokens for used in recent)
        limits = self.settings
        left = Limits(
            max_calls=_whole(limits.user_daily_calls, calls),
            max_tokens=_whole(limits.user_daily_tokens, tokens),
            max_cost_usd=_part(limits.user_daily_cost_usd, cost),
        )
        if 0 in (left["max_calls"], left["max_tokens"], left["max_cost_usd"]):
            raise BudgetExceededError(
                f"what optimizations of user {user!r} may use in 24 hours is used up; nothing sent"
            )
        return left

    def _shares(self, users: int) -> Limits:
        """Return an equal share of the process's budget for the users whose turn is to come."""
        used, limits, parts = self.model.usage(), self.settings, max(1, users)
        tokens = used.prompt_tokens + used.completion_tokens
        return Limits(
            max_calls=_whole(limits.max_calls, used.calls, parts),
            max_tokens=_whole(limits.max_tokens, tokens, parts),
            max_cost_usd=_part(limits.max_cost_usd, used.cost_usd, parts),
        )

    optimize_sync = blocking(optimize)
    optimize_all_sync = blocking_iterator(optimize_all)
    unlearned_sync = blocking(unlearned)
    due_sync = blocking(due)
    heard_sync = blocking(heard)


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks of this loop and wait until they have ended: they write nothing any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _whole(most: int | None, used: int, parts: int = 1) -> int | None:
    return None if most is None else max(0, most - used) // parts


def _part(most: float | None, used: float, parts: int = 1) -> float | None:
    return None if most is None else max(0.0, most - used) / parts
