"""Which draft of an answer is given: checked first, and drawn anew where it contradicts something.

Generate, verify, repair: a draft that agrees with what is known costs one call of the critic. One
that does not is drawn again with what it goes against in view, until a draft is clean or as many
were drawn as may be. Where a listener is on and a claim bears on the answer, a clean first draft is
heard beside others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from persona_agent.agent.chat.repairs import Grounds, Repairs
from persona_agent.agent.chat.rerank import differ, heard_as
from persona_agent.errors import ModelError
from persona_agent.llm import Ledger
from persona_agent.llm.critic import Checked, Conflict
from persona_agent.persona.own_words import occasion
from persona_agent.prompts.lab import Line
from persona_agent.prompts.parts import shorten
from persona_agent.protocols import ChatReply
from persona_agent.schema import Usage
from persona_agent.schema.base import Record

Draw = Callable[[str, Sequence[str]], Awaitable[ChatReply]]
"""Draws an answer, given a draft that is not sent and what it goes against, or "" and nothing."""

_AGAINST = "the answer goes against something, and drawn anew {}"

Spending = Callable[[], AbstractContextManager[Ledger]]


class Weighed(Record):
    """How drafts came out: for each the number of statements that it contradicts, and ``L0``.

    ``candidates`` is the number of drafts that were checked. ``heard`` is empty without a listener,
    and 0 for drafts that contradict something. ``chosen`` is the place of the best, from 0.
    """

    candidates: int
    contradicted: tuple[int, ...]
    heard: tuple[float, ...] = ()
    chosen: int = 0


class Drafts:
    """The drafts of one answer, what was found in them, what that cost, and what went wrong."""

    def __init__(
        self, first: ChatReply, grounds: Grounds, repairs: Repairs, draw: Draw, spending: Spending
    ) -> None:
        self._first = first
        self._drafts: list[ChatReply] = []
        self._conflicts: list[list[Conflict]] = []
        self._heard: list[float] = []
        self._grounds = grounds
        self._repairs = repairs
        self._draw = draw
        self._spending = spending
        self._failing = ""
        self.costs: dict[str, Usage] = {}
        self.problems: list[str] = []

    @property
    def weighed(self) -> Weighed | None:
        """How the checked drafts came out; None where nothing could be checked."""
        if not self._conflicts:
            return None
        against = [len(found) for found in self._conflicts]
        if self._heard:
            chosen = max(range(len(against)), key=self._heard.__getitem__)
        else:
            chosen = against.index(min(against))
        return Weighed(
            candidates=len(against),
            contradicted=tuple(against),
            heard=tuple(self._heard),
            chosen=chosen,
        )

    @property
    def best(self) -> ChatReply:
        """The draft to give: the first where nothing tells them apart."""
        weighed = self.weighed
        return self._drafts[weighed.chosen] if weighed else self._first

    async def settle(self, *, sampling: bool) -> None:
        """Check, and draw and hear others where that is worth it.

        A failure leaves the drafts as they are so far. ``sampling`` says that equal requests may
        get different answers, without which there is nothing to be heard beside.
        """
        if not (self._grounds.of_user or self._grounds.of_assistant):
            return
        try:
            found = await self._check([self._first])
            if self._conflicts[0]:
                await self._repair(sampling=sampling)
            elif sampling:
                await self._compare(found.bearing)
        except ModelError as error:
            self.problems.append(f"{self._failing}: {error}")

    async def _repair(self, *, sampling: bool) -> None:
        """Draw the latest draft anew, with what it goes against, until one is clean.

        A model that answers equal requests alike is asked none that it was asked before.
        """
        for _ in range(self._repairs.candidates - 1):
            draft, conflicts = self._drafts[-1], self._conflicts[-1]
            self._failing = "the answer was not drawn anew"
            with self._charged("candidates"):
                reply = await self._draw(draft.content.strip(), [_named(one) for one in conflicts])
            if not _usable(reply) and sampling:
                continue
            if not _usable(reply):
                self.problems.append(_AGAINST.format("it could not be used"))
                return
            known = [draft] if sampling else self._drafts
            if not all(differ([one.content, reply.content]) for one in known):
                self.problems.append(_AGAINST.format("it did not change"))
                return
            await self._check([reply])
            if not self._conflicts[-1]:
                return

    async def _compare(self, bearing: Sequence[int] | None) -> None:
        """Have the first draft heard beside others that contradict nothing either."""
        first = self._first.content
        listener = await self._repairs.listener(bearing, first, self._grounds)
        if listener is None:
            return
        others = await self._more()
        if not differ([first, *(one.content for one in others)]):
            return
        await self._check(others)
        clean = [place for place, found in enumerate(self._conflicts) if not found]
        if len(clean) < 2:
            return
        self._failing = "the drafts were not heard"
        before = [*self._grounds.before, Line(speaker="user", text=self._grounds.message)]
        with self._charged("critic"):
            texts = [self._drafts[place].content.strip() for place in clean]
            heard = dict(zip(clean, await heard_as(texts, listener, before), strict=True))
        self._heard = [heard.get(place, 0.0) for place in range(len(self._drafts))]

    async def _more(self) -> list[ChatReply]:
        """Draw others to compare with; those that fail, are empty or call tools are left out."""
        with self._charged("candidates"):
            asked = [self._draw("", ()) for _ in range(self._repairs.candidates - 1)]
            drawn = await asyncio.gather(*asked, return_exceptions=True)
        for one in drawn:
            if isinstance(one, BaseException) and not isinstance(one, ModelError):
                raise one
        return [one for one in drawn if isinstance(one, ChatReply) and _usable(one)]

    async def _check(self, replies: Sequence[ChatReply]) -> Checked:
        self._failing = (
            "the answer was not checked" if not self._drafts else "a draft was not checked"
        )
        with self._charged("critic"):
            texts = [one.content.strip() for one in replies]
            found = await self._repairs.check(texts, self._grounds, again=bool(self._drafts))
        self._drafts += replies
        self._conflicts += found.conflicts
        return found

    @contextmanager
    def _charged(self, step: str) -> Iterator[None]:
        """Book what is spent inside to a step, also when it fails."""
        with self._spending() as spent:
            try:
                yield
            finally:
                self.costs[step] = self.costs.get(step, Usage()) + spent.used


def _usable(reply: ChatReply) -> bool:
    return bool(reply.content.strip()) and not reply.tool_calls


def _named(conflict: Conflict) -> str:
    """Return what a draft goes against, on one line, for the one who draws it anew."""
    when, statement = ("", conflict.statement) if conflict.of_user else occasion(conflict.statement)
    whose = "Known of the user" if conflict.of_user else "You said before"
    whose += f", {shorten(when, 240)}" if when else ""
    said = f' (the draft: "{shorten(conflict.evidence, 120)}")' if conflict.evidence else ""
    return f"{whose}: {shorten(statement, 240)}{said}"
