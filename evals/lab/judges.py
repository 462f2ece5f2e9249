"""Judges: several votes of one or more models on one question, and how far they agree.

A vote that fails is missing, and missing is never a score. What says nothing at all is invalid
before any judge sees it. Votes of one model see their material in different orders, because equal
requests at temperature 0 get equal answers.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from persona_agent.errors import (
    BudgetExceededError,
    ModelCallsBlockedError,
    ModelCannotError,
    ModelError,
)
from persona_agent.persona.contradiction import RelationReader
from persona_agent.prompts.lab import (
    DISCOURSE,
    LISTEN,
    OF_ASSISTANT,
    OF_USER,
    RECALL,
    RELATE,
    REPLY_CHECK,
    WHOSE,
    CheckInputs,
    DiscourseInputs,
    Line,
    ListenInputs,
    RecallInputs,
    RelateInputs,
    WhoseInputs,
)
from persona_agent.protocols import LanguageModel

T = TypeVar("T")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Opinion:
    """What the judges made of one question: the majority's answer, None on a tie or no vote."""

    answer: str | None
    evidence: str = ""
    votes: tuple[str, ...] = ()

    @property
    def unanimous(self) -> bool:
        """Whether there are votes and all agree."""
        return len(set(self.votes)) == 1


def invalid(line: str) -> str:
    """Return why a line says nothing that could be judged; "" for a line that does."""
    words = [word for word in _WORD.findall(line.casefold()) if any(c.isalpha() for c in word)]
    if not words:
        return "no word in it"
    if len(words) >= 6 and len(set(words)) <= len(words) // 6:
        return "the same few words again and again"
    if len(words) == 1 and len(set(words[0])) == 1:
        return "no word in it"
    return ""


def majority(votes: Sequence[tuple[str, str]]) -> Opinion:
    """Return the opinion of (answer, evidence) votes; the evidence is of one who prevailed."""
    counted = Counter(answer for answer, _ in votes).most_common(2)
    answers = tuple(answer for answer, _ in votes)
    if not counted or (len(counted) == 2 and counted[0][1] == counted[1][1]):
        return Opinion(None, votes=answers)
    best = counted[0][0]
    return Opinion(best, next(why for answer, why in votes if answer == best), answers)


@dataclass(frozen=True)
class Panel:
    """Judge models, the votes that each has on a question, and a reader of contradictions.

    Where there is a reader (an inference model), it alone relates utterances to statements.
    """

    models: tuple[LanguageModel, ...]
    votes: int = 1
    seed: int = 0
    reader: RelationReader | None = None

    async def ballots(
        self, ask: Callable[[LanguageModel, random.Random], Awaitable[T]], about: str
    ) -> list[T]:
        """Return the votes that came; ``about`` seeds their orders.

        Raises:
            ModelCannotError: no judge can answer questions of this kind.
            BudgetExceededError, ModelCallsBlockedError: at once.
        """
        asked = [
            ask(model, random.Random(f"{self.seed}:{place}:{vote}:{about}"))
            for place, model in enumerate(self.models)
            for vote in range(self.votes)
        ]
        got = await asyncio.gather(*asked, return_exceptions=True)
        votes: list[T] = []
        cannot: list[ModelCannotError] = []
        for one in got:
            if isinstance(one, BudgetExceededError | ModelCallsBlockedError):
                raise one
            if isinstance(one, ModelCannotError):
                cannot.append(one)
            elif isinstance(one, BaseException):
                if not isinstance(one, ModelError):
                    raise one
            else:
                votes.append(one)
        if len(cannot) == len(asked):
            raise cannot[0]
        return votes

    async def relate(
        self, utterance: str, statements: Sequence[str], before: Sequence[Line] = ()
    ) -> list[Opinion]:
        """Return how an utterance relates to each statement about its speaker."""
        if not statements:
            return []
        if self.reader is not None:
            return await self._read(self.reader, utterance, statements)

        async def ask(model: LanguageModel, order: random.Random) -> list[tuple[str, str]]:
            places = order.sample(range(len(statements)), len(statements))
            shown = tuple(statements[place] for place in places)
            inputs = RelateInputs(utterance=utterance, statements=shown, conversation=tuple(before))
            answered = await model.ask(RELATE, inputs)
            found = {places[one.statement - 1]: one for one in answered.relations}
            return [(found[i].relation, found[i].evidence) for i in range(len(statements))]

        ballots = await self.ballots(ask, utterance)
        return [majority([vote[i] for vote in ballots]) for i in range(len(statements))]

    async def check(
        self, reply: str, message: str, of_user: Sequence[str], of_assistant: Sequence[str]
    ) -> list[Opinion]:
        """Return whether an assistant's reply contradicts what is known of its user, and itself.

        One opinion for each statement, those about the user first; what is no contradiction is
        neutral.
        """
        statements = [*of_user, *of_assistant]
        if not statements:
            return []
        if self.reader is not None:
            return await self._read(self.reader, reply, statements)
        marked = [OF_USER + one for one in of_user] + [OF_ASSISTANT + one for one in of_assistant]

        async def ask(model: LanguageModel, order: random.Random) -> dict[int, str]:
            places = order.sample(range(len(marked)), len(marked))
            shown = tuple(marked[place] for place in places)
            inputs = CheckInputs(message=message, drafts=(reply,), statements=shown)
            found = (await model.ask(REPLY_CHECK, inputs)).contradictions
            return {places[one.statement - 1]: one.evidence for one in found}

        ballots = await self.ballots(ask, reply)
        return [
            majority(
                [("contradiction", vote[i]) if i in vote else ("neutral", "") for vote in ballots]
            )
            for i in range(len(statements))
        ]

    async def _read(
        self, reader: RelationReader, utterance: str, statements: Sequence[str]
    ) -> list[Opinion]:
        read = await asyncio.to_thread(reader.relate, utterance, list(statements))
        return [majority([(one.verdict, one.evidence)]) for one in read]

    async def listen(
        self, utterance: str, persons: Sequence[str], before: Sequence[Line] = ()
    ) -> list[int]:
        """Return for how many votes each person is the speaker; shuffled for every vote."""

        async def ask(model: LanguageModel, shown: tuple[str, ...]) -> int:
            inputs = ListenInputs(conversation=tuple(before), utterance=utterance, persons=shown)
            return (await model.ask(LISTEN, inputs)).speaker

        return await self._whose(ask, persons, utterance)

    async def owner(self, item: str, persons: Sequence[str]) -> list[int]:
        """Return for how many votes each person received, asked or judged an item; shuffled too."""

        async def ask(model: LanguageModel, shown: tuple[str, ...]) -> int:
            return (await model.ask(WHOSE, WhoseInputs(item=item, persons=shown))).speaker

        return await self._whose(ask, persons, item)

    async def _whose(
        self,
        ask: Callable[[LanguageModel, tuple[str, ...]], Awaitable[int]],
        persons: Sequence[str],
        about: str,
    ) -> list[int]:
        """Return the votes for each person; ``ask`` gets them shuffled, and answers from 1."""

        async def vote(model: LanguageModel, order: random.Random) -> int:
            places = order.sample(range(len(persons)), len(persons))
            return places[await ask(model, tuple(persons[place] for place in places)) - 1]

        counted = Counter(await self.ballots(vote, about))
        return [counted[place] for place in range(len(persons))]

    async def recalls(self, asked: str, answered: str, later: str, reply: str) -> Opinion:
        """Return what a later reply gives of an early answer, as the prompt names it."""
        inputs = RecallInputs(asked=asked, answered=answered, later=later, reply=reply)

        async def ask(model: LanguageModel, _: random.Random) -> tuple[str, str]:
            found = await model.ask(RECALL, inputs)
            return found.verdict, found.evidence

        return majority(await self.ballots(ask, f"{answered}{reply}"))

    async def discourse(
        self, earlier: str, reply: str, *, same_speaker: bool = False
    ) -> tuple[Opinion, float | None]:
        """Return the relation of a reply to an earlier line, and its mean relevance, 0 to 1."""
        inputs = DiscourseInputs(earlier=earlier, reply=reply, same_speaker=same_speaker)

        async def ask(model: LanguageModel, _: random.Random) -> tuple[str, str, float]:
            found = await model.ask(DISCOURSE, inputs)
            return found.relation, found.reason, found.relevance

        ballots = await self.ballots(ask, reply)
        relevance = fmean(one[2] for one in ballots) if ballots else None
        return majority([(one[0], one[1]) for one in ballots]), relevance


def disagreement(opinions: Sequence[Opinion]) -> list[float | None]:
    """Return 1 for every opinion on which the votes differ, None where there are fewer than 2."""
    return [None if len(one.votes) < 2 else float(not one.unanimous) for one in opinions]
