"""PersonaAgent: the public face of the library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from persona_agent.agent.answer import answer
from persona_agent.agent.chat import Chat, ChatTurn
from persona_agent.agent.context import Context, ContextBuilder
from persona_agent.agent.simulate import Simulator
from persona_agent.agent.sync import LoopThread, blocking, blocking_iterator
from persona_agent.agent.tools import ToolFunction
from persona_agent.errors import InputError, NotFoundError
from persona_agent.llm import create_model
from persona_agent.memory import Memory, open_memory
from persona_agent.memory.distil import distil
from persona_agent.optimizer import OptimizerConfig, PersonaOptimizer
from persona_agent.persona import diff, render
from persona_agent.persona.diff import PersonaDiff
from persona_agent.prompts import DISTIL_FACTS
from persona_agent.protocols import LanguageModel, Tool
from persona_agent.schema import Episode, Feedback, Persona, Query, Recalled, Revision
from persona_agent.schema.base import Record
from persona_agent.schema.episode import JsonScalar, UserId
from persona_agent.settings import Settings

_USER_ID: TypeAdapter[str] = TypeAdapter(UserId)


class Decision(Record):
    """What the agent decided for the user, and what it rests on.

    ``answer`` is the full text of one option; ``confidence`` is between 0 and 1.
    """

    answer: str
    confidence: float | None
    reason: str
    episode_id: str
    persona_version: str
    persona_text: str
    recalled: tuple[Recalled, ...]


class PersonaAgent:
    """An assistant that becomes its user's own.

    Every method that waits is async and has a blocking twin with the suffix ``_sync``. One agent
    serves many users at once; each call names its user, and no user ever sees another's data.
    Use it as a context manager, or call :meth:`close`.
    """

    def __init__(
        self,
        memory: Memory,
        model: LanguageModel,
        settings: Settings,
        *,
        optimizer: OptimizerConfig | None = None,
    ) -> None:
        self.memory = memory
        self.model = model
        self.settings = settings
        self._background = LoopThread()
        self._contexts = ContextBuilder(
            memory.episodes, memory.embedder, persona_tokens=settings.persona_tokens
        )
        self._optimizer = PersonaOptimizer(
            evaluate=Simulator(
                memory.episodes, memory.embedder, persona_tokens=settings.persona_tokens
            ),
            model=model,
            personas=memory.personas,
            journal_dir=settings.data_dir / "journal",
            config=optimizer,
        )
        self._chat = Chat(memory, model, settings)

    @classmethod
    def open(cls, data_dir: str | Path | None = None, **settings: Any) -> Self:
        """Open (or start) the data directory; other settings as in :class:`Settings`.

        Raises:
            SettingsError: a setting is wrong.
            StoreError: the directory cannot be used, or holds vectors of another embedder.
        """
        return cls.of(Settings.load(data_dir=Path(data_dir) if data_dir else None, **settings))

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Open the data directory that the settings name. Raises StoreError."""
        memory = open_memory(settings)
        return cls(memory, create_model(settings, memory.embedder), settings)

    # --- recording ----------------------------------------------------------------------------

    async def record(
        self,
        user: str,
        query: str,
        outcome: str | None = None,
        *,
        options: Sequence[str] = (),
        task: str = "",
        response: str | None = None,
        at: datetime | None = None,
        id: str | None = None,
        metadata: dict[str, JsonScalar] | None = None,
    ) -> str:
        """Store one interaction and return its episode id. It is durable when this returns.

        Args:
            user: whose interaction it is.
            query: what was asked.
            outcome: what the user really chose or wrote; leave out while it is unknown.
            options: the possible answers, if there were any; the outcome must be one of them.
            task: name of the recurring job, so that counts of different jobs stay apart.
            response: what an assistant answered.
            at: when; aware of its time zone. Default: now.
            id: your id of the interaction. Recording it again is a retry that changes nothing.
            metadata: anything else, as flat values.

        Raises:
            InputError: a value is not valid; nothing was stored.
            StoreError: nothing was stored.
        """
        given: dict[str, Any] = {"id": id, "at": at, "metadata": metadata}
        fields = {name: value for name, value in given.items() if value is not None}
        try:
            asked = Query(text=query, options=tuple(options), task=task)
            episode = Episode(
                user_id=user, query=asked, outcome=outcome, response=response, **fields
            )
        except ValidationError as error:
            raise InputError(_explain(error)) from None
        await self.record_episodes([episode])
        return episode.id

    async def record_episodes(self, episodes: Sequence[Episode]) -> int:
        """Store many interactions, all or nothing; return how many were new."""

        def store() -> int:
            vectors = self.memory.embedder.embed([episode.query.text for episode in episodes])
            return len(self.memory.episodes.add(episodes, vectors))

        return await asyncio.to_thread(store) if episodes else 0

    async def feedback(
        self,
        episode_id: str,
        *,
        user: str,
        outcome: str | None = None,
        thumb: int | None = None,
        comment: str = "",
    ) -> Episode:
        """Attach what the user really wanted, a thumb (-1 or 1) or a comment to an episode.

        Raises:
            InputError: no feedback given, or the outcome is not one of the options.
            NotFoundError: this user has no such episode.
        """
        if outcome is None and thumb is None and not comment:
            raise InputError("feedback needs an outcome, a thumb (-1 or 1) or a comment")
        try:
            said = Feedback.model_validate({"thumb": thumb, "comment": comment})
        except ValidationError as error:
            raise InputError(_explain(error)) from None
        return await asyncio.to_thread(
            self.memory.episodes.set_outcome,
            user,
            episode_id,
            outcome=outcome,
            feedback=said if thumb is not None or comment else None,
        )

    # --- acting -------------------------------------------------------------------------------

    async def decide(
        self,
        user: str,
        query: str,
        options: Sequence[str],
        *,
        task: str = "",
        remember: bool = True,
    ) -> Decision:
        """Choose the option that this user would choose.

        The decision is remembered as an episode without outcome; tell the outcome with
        :meth:`feedback`. A user who is not known yet gets the generic answer.

        Raises:
            InputError: fewer than two options, or a value is not valid.
            ModelError: the model gave no usable answer.
        """
        if len(options) < 2:
            raise InputError(f"decide needs at least two options, got {len(options)}")
        try:
            asked = Query(text=query, options=tuple(options), task=task)
            draft = Episode(user_id=user, query=asked)
        except ValidationError as error:
            raise InputError(_explain(error)) from None
        context = await asyncio.to_thread(self._context, user, asked)
        with self.model.account(user_id=user, purpose="answer"):
            given = await answer(self.model, asked, context)
        if remember:
            await self.record_episodes([draft.model_copy(update={"response": given.text})])
        return Decision(
            answer=given.text,
            confidence=given.confidence,
            reason=given.reason,
            episode_id=draft.id if remember else "",
            persona_version=context.persona_version,
            persona_text=context.persona_text,
            recalled=context.recalled,
        )

    async def chat(self, user: str, text: str, *, thread: str = "default") -> ChatTurn:
        """Answer one message in a thread that is kept. Raises InputError, ModelError."""
        return await self._chat.turn(user, text, thread=thread)

    async def stream(
        self, user: str, text: str, *, thread: str = "default"
    ) -> AsyncIterator[str | ChatTurn]:
        """Yield pieces of the answer as they come, then the whole turn as the last item."""
        async for piece in self._chat.stream(user, text, thread=thread):
            yield piece

    def add_tool(self, tool: Tool, run: ToolFunction) -> None:
        """Offer the host's own tool in chats. Raises InputError for a name that is taken."""
        self._chat.add_tool(tool, run)

    def _context(self, user: str, query: Query) -> Context:
        return self._contexts.build(self._persona_or_default(user), query)

    # --- the persona --------------------------------------------------------------------------

    async def persona(self, user: str) -> Persona:
        """Return the persona in use. Raises NotFoundError for a user without one."""
        found = await asyncio.to_thread(self.memory.personas.latest, _valid(user))
        if found is None:
            raise NotFoundError(f"user {user!r} has no persona yet: run optimize first")
        return found

    async def history(self, user: str) -> list[Persona]:
        """Return all versions of a persona, oldest first."""
        return await asyncio.to_thread(self.memory.personas.history, _valid(user))

    async def revisions(self, user: str) -> list[Revision]:
        """Return all optimizations of a user, accepted or not, oldest first."""
        return await asyncio.to_thread(self.memory.personas.revisions, _valid(user))

    async def diff(self, user: str, before: str | None, after: str) -> PersonaDiff:
        """Compare two versions; ``before=None`` compares with an empty persona."""

        def compare() -> PersonaDiff:
            earlier = self.memory.personas.get(user, before) if before else None
            return diff(earlier, self.memory.personas.get(user, after))

        return await asyncio.to_thread(compare)

    async def rollback(self, user: str, version: str) -> Persona:
        """Make an earlier version the one in use again, as a new version.

        Raises:
            NotFoundError: there is no such version.
            ConflictError: the persona changed in between; nothing was written.
        """

        def back() -> Persona:
            latest = self.memory.personas.latest(user)
            target = self.memory.personas.get(user, version)
            restored = Persona.model_validate(
                target.model_dump(exclude={"version", "created_at"})
                | {
                    "parent": latest.version if latest else None,
                    "cause": f"rollback to {version}",
                }
            )
            self.memory.personas.put(restored, expected=latest.version if latest else None)
            return restored

        return await asyncio.to_thread(back)

    async def persona_text(self, user: str) -> str:
        """Return the persona as the model sees it."""
        persona = await self.persona(user)
        return render(persona, max_tokens=self.settings.persona_tokens)

    async def optimize(self, user: str) -> Revision:
        """Improve the persona from the user's recent interactions; keep only what helps.

        Raises:
            NotFoundError: the user has no episode with an outcome.
            ConflictError: the persona changed meanwhile; run it again.
            ModelError: the budget is spent or the model cannot be used. What was paid for is
                kept, and the next run goes on from there.
        """
        history = await asyncio.to_thread(
            self.memory.episodes.timeline, _valid(user), with_outcome=True
        )
        if not history:
            raise NotFoundError(
                f"user {user!r} has no interaction with a known outcome: record some first"
            )
        with self.model.account(user_id=user, purpose="distil"):
            await distil(user, self.memory.episodes, self.memory.facts, self.model, DISTIL_FACTS)
        facts = await asyncio.to_thread(self.memory.facts.current, user)
        with self.model.account(user_id=user, purpose="optimize"):
            return await self._optimizer.optimize(user, history, facts=facts)

    async def forget(self, user: str) -> dict[str, int]:
        """Remove everything of a user from every store; return what was removed."""
        threads = await self._chat.forget(_valid(user))
        removed = await asyncio.to_thread(self.memory.forget, user)
        await asyncio.to_thread(self._optimizer.forget, user)
        answers = await asyncio.to_thread(self.model.forget, user)
        return {**removed, "threads": threads, "cached answers": answers}

    def _persona_or_default(self, user: str) -> Persona:
        return self.memory.personas.latest(user) or Persona(
            user_id=user, version="", cause="no persona yet"
        )

    # --- life cycle ---------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Release connections and files. Idempotent."""
        await self._chat.aclose()
        await self.model.aclose()
        self.memory.close()

    def close(self) -> None:
        """Blocking twin of :meth:`aclose`; ends the background loop as well."""
        self._background.run(self.aclose())
        self._background.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    record_sync = blocking(record)
    record_episodes_sync = blocking(record_episodes)
    feedback_sync = blocking(feedback)
    decide_sync = blocking(decide)
    chat_sync = blocking(chat)
    stream_sync = blocking_iterator(stream)
    persona_sync = blocking(persona)
    history_sync = blocking(history)
    revisions_sync = blocking(revisions)
    diff_sync = blocking(diff)
    rollback_sync = blocking(rollback)
    persona_text_sync = blocking(persona_text)
    optimize_sync = blocking(optimize)
    forget_sync = blocking(forget)


def _valid(user: str) -> str:
    """Return a user id. Raises InputError for one that nobody can have."""
    try:
        return _USER_ID.validate_python(user)
    except ValidationError as error:
        raise InputError(f"user: {_explain(error)}") from None


def _explain(error: ValidationError) -> str:
    problems = []
    for problem in error.errors(include_input=False, include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        problems.append(f"{where}: {message}" if where else message)
    return "; ".join(problems)
