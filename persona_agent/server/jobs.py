"""Optimizations that run beside the answers: started, watched, and stopped with the server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from persona_agent.agent import PersonaAgent
from persona_agent.errors import PersonaAgentError, StoreUnavailableError
from persona_agent.schema import Revision, Usage, new_id

MOST_KEPT = 1_000
SECONDS_BETWEEN_NEWS = 0.5

logger = logging.getLogger("persona_agent.server")
State = Literal["waiting", "running", "done", "failed"]


@dataclass
class Job:
    """One optimization. ``revision`` is its result, ``error`` why there is none."""

    user: str
    id: str = field(default_factory=new_id)
    state: State = "waiting"
    revision: Revision | None = None
    error: Exception | None = None
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    before: Usage = field(default_factory=Usage)
    after: Usage | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def seconds(self) -> float:
        """How long it has taken so far, or took."""
        return (self.ended or time.monotonic()) - self.began


class Jobs:
    """The optimizations of one server, one at a time for each user.

    A job that is stopped loses nothing that was paid for: the optimizer's journal has it, and the
    next run goes on from there. To be used from one event loop.
    """

    def __init__(self, agent: PersonaAgent, *, at_once: int) -> None:
        self._agent = agent
        self._places = asyncio.Semaphore(at_once)
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._running: dict[str, tuple[Job, asyncio.Task[None]]] = {}
        self._closed = False

    @property
    def under_way(self) -> int:
        """How many wait or run."""
        return len(self._running)

    def start(self, user: str) -> Job:
        """Start an optimization, or return the one of this user that is under way."""
        if self._closed:
            raise StoreUnavailableError("the server is stopping")
        if user in self._running:
            return self._running[user][0]
        job = Job(user, before=self._used(user))
        self._jobs[job.id] = job
        task = asyncio.create_task(self._run(job))
        # Not in the task itself: one that is stopped before it began would never be over.
        task.add_done_callback(lambda _: self._end(job))
        self._running[user] = job, task
        while len(self._jobs) > MOST_KEPT + len(self._running):
            oldest = next(one for one in self._jobs.values() if one.over.is_set())
            del self._jobs[oldest.id]
        return job

    def get(self, job_id: str, user: str) -> Job | None:
        """Return a job of this user, or None."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.user == user else None

    def spent(self, job: Job) -> Usage:
        """Return what a job used so far."""
        before, now = job.before, job.after or self._used(job.user)
        return Usage(
            calls=max(0, now.calls - before.calls),
            prompt_tokens=max(0, now.prompt_tokens - before.prompt_tokens),
            completion_tokens=max(0, now.completion_tokens - before.completion_tokens),
            cost_usd=max(0.0, now.cost_usd - before.cost_usd),
            seconds=max(0.0, now.seconds - before.seconds),
        )

    async def news(self, job: Job) -> AsyncIterator[Job]:
        """Yield the job now, whenever it got on, and when it is over."""
        told: tuple[State, int] | None = None
        while not job.over.is_set():
            now = (job.state, self.spent(job).calls)
            if now != told:
                told = now
                yield job
            with suppress(TimeoutError):
                await asyncio.wait_for(job.over.wait(), SECONDS_BETWEEN_NEWS)
        yield job

    async def drop(self, user: str) -> None:
        """Stop the user's job, and forget those that ended."""
        if user in self._running:
            _, task = self._running[user]
            task.cancel()
            await asyncio.wait([task])
        for job_id in [one.id for one in self._jobs.values() if one.user == user]:
            del self._jobs[job_id]

    async def aclose(self) -> None:
        """Stop all jobs. Idempotent."""
        self._closed = True
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self, job: Job) -> None:
        try:
            async with self._places:
                job.state = "running"
                job.revision = await self._agent.optimize(job.user)
            job.state = "done"
        except Exception as error:
            job.error = error
            if not isinstance(error, PersonaAgentError):
                logger.exception("optimization failed")

    def _end(self, job: Job) -> None:
        if job.state != "done":
            job.state = "failed"
            job.error = job.error or StoreUnavailableError("the server is stopping")
        job.ended, job.after = time.monotonic(), self._used(job.user)
        self._running.pop(job.user, None)
        job.over.set()

    def _used(self, user: str) -> Usage:
        model = self._agent.model
        steps = (model.usage(user_id=user, purpose=purpose) for purpose in ("distil", "optimize"))
        return sum(steps, Usage())
