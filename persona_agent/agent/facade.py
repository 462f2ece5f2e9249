"""PersonaAgent: the public face of the library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import WeakKeyDictionary

from pydantic import ValidationError

from persona_agent.agent.answer import Answer, answer
from persona_agent.agent.chat import Chat, ChatTurn
from persona_agent.agent.chat.tools import ToolFunction
from persona_agent.agent.clarify import Doubts, Question, ask_user
from persona_agent.agent.context import Context, ContextBuilder
from persona_agent.agent.inputs import checked_query, explain, valid_user
from persona_agent.agent.memory_calls import MemoryCalls
from persona_agent.agent.persona_calls import PersonaCalls
from persona_agent.agent.recording_calls import RecordingCalls
from persona_agent.agent.served import Served
from persona_agent.agent.simulate import Simulator
from persona_agent.agent.sync import LoopThread, blocking, blocking_iterator
from persona_agent.agent.traces import forget_traces
from persona_agent.errors import InputError
from persona_agent.llm import create_model
from persona_agent.memory import Memory, open_memory
from persona_agent.memory.forgetting import Steps
from persona_agent.memory.items import forget_items
from persona_agent.optimizer import OptimizerConfig, PersonaOptimizer
from persona_agent.optimizer.asking import Asked
from persona_agent.protocols import LanguageModel, Tool
from persona_agent.schema import Episode, Query, Recalled
from persona_agent.schema.base import Record
from persona_agent.settings import Settings


class Decision(Record):
    """What the agent decided for the user, and what it rests on.

    ``answer`` is the full text of one option; ``confidence`` is between 0 and 1. ``question`` is
    what to ask the user, where that was allowed and what is known is divided between two options;
    the reply goes to :meth:`PersonaAgent.feedback` of this episode.
    """

    answer: str
    confidence: float | None
    reason: str
    episode_id: str
    persona_version: str
    persona_text: str
    recalled: tuple[Recalled, ...]
    question: str = ""


class PersonaAgent(PersonaCalls, MemoryCalls, RecordingCalls):
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
        self._served = Served(memory)
        self._contexts = ContextBuilder(
            memory.episodes, memory.embedder, persona_tokens=settings.persona_tokens
        )
        config = optimizer or _optimizer_config(settings)
        self._chat = Chat(memory, model, settings)
        self._optimizer = PersonaOptimizer(
            simulator=lambda: Simulator(
                memory.episodes,
                memory.embedder,
                persona_tokens=settings.persona_tokens,
                reasons=config.reason_weight > 0,
                asked=Asked.of(config, memory.embedder),
            ),
            model=model,
            personas=memory.personas,
            journal_dir=settings.data_dir / "journal",
            config=config,
            vectors=memory.episodes.vectors,
            critic=self._chat.critic,
        )
        self._learning: dict[str, asyncio.Task[None]] = {}
        self._unjudged: set[str] = set()
        self._slots = WeakKeyDictionary()

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
        agent = cls(memory, create_model(settings, memory.embedder), settings)
        memory.resume_forgetting(agent._other_places())
        return agent

    # --- acting -------------------------------------------------------------------------------

    async def decide(
        self,
        user: str,
        query: str,
        options: Sequence[str],
        *,
        task: str = "",
        remember: bool = True,
        may_ask: bool | None = None,
    ) -> Decision:
        """Choose the option that this user would choose.

        The decision is remembered as an episode without outcome; tell the outcome with
        :meth:`feedback`. A user who is not known yet gets the generic answer.

        Args:
            user: for whom.
            query: what is to be decided.
            options: the possible answers, at least two.
            task: name of the recurring job.
            remember: whether the decision is stored as an episode.
            may_ask: whether a decision in doubt may come with a question, which costs a further
                call; None: as the setting ``ask_when_unsure`` says.

        Raises:
            InputError: fewer than two options, or a value is not valid.
            ModelError: the model gave no usable answer.
        """
        asked = checked_query(query, options, task)
        if len(asked.options) < 2:
            raise InputError(f"decide needs at least two options, got {len(asked.options)}")
        try:
            draft = Episode(user_id=user, query=asked)
        except ValidationError as error:
            raise InputError(explain(error)) from None
        context = await self.memory.reads.run(self._context, user, asked)
        with self.model.account(user_id=user, purpose="answer"):
            given = await answer(self.model, asked, context)
            question = await self._question(user, asked, context, given, may_ask)
        if remember:
            noted = {"response": given.text, "metadata": question.metadata if question else {}}
            await self.record_episodes([draft.model_copy(update=noted)])
        return Decision(
            answer=given.text,
            confidence=given.confidence,
            reason=given.reason,
            episode_id=draft.id if remember else "",
            persona_version=context.persona_version,
            persona_text=context.persona_text,
            recalled=context.recalled,
            question=question.text if question else "",
        )

    async def _question(
        self, user: str, query: Query, context: Context, given: Answer, may_ask: bool | None
    ) -> Question | None:
        """Return what to ask the user, where asking is allowed and would settle something."""
        if not (self.settings.ask_when_unsure if may_ask is None else may_ask):
            return None
        doubts = Doubts(self.memory.episodes, self.memory.embedder)
        same = await asyncio.to_thread(doubts.disputed, user, query, given)
        return None if same is None else await ask_user(self.model, query, context, same)

    async def chat(self, user: str, text: str, *, thread: str = "default") -> ChatTurn:
        """Answer one message in a thread that is kept. Raises InputError, ModelError."""
        turn = await self._chat.turn(user, text, thread=thread)
        await self.heard(user, text)
        return turn

    async def stream(
        self, user: str, text: str, *, thread: str = "default"
    ) -> AsyncIterator[str | ChatTurn]:
        """Yield pieces of the answer as they come, then the whole turn as the last item.

        Of a turn that is left early (the iterator is closed, its reader cancelled) the message is
        stored with what of the answer was sent; the thread stays as it was.
        """
        async with aclosing(self._chat.stream(user, text, thread=thread)) as pieces:
            async for piece in pieces:
                yield piece
        await self.heard(user, text)

    def add_tool(self, tool: Tool, run: ToolFunction) -> None:
        """Offer the host's own tool in chats: an async function, or a plain one run in a thread.

        Raises InputError for a name that is taken.
        """
        self._chat.add_tool(tool, run)

    def _context(self, user: str, query: Query) -> Context:
        return self._contexts.build(self._served.persona(user), query)

    # --- life cycle ---------------------------------------------------------------------------

    async def forget(self, user: str) -> dict[str, int]:
        """Remove everything of a user from every store; return what was removed.

        Raises:
            ConflictError: a chat turn or an optimization of the user did not end in time.
            StoreError: see :meth:`persona_agent.memory.Memory.forget`.
        """
        # What is under way would write down again what is deleted.
        async with self._chat.quiet(valid_user(user)), self._no_run(user):
            return await asyncio.to_thread(self.memory.forget, user, self._other_places())

    def _other_places(self) -> Steps:
        """Return what forgets a user outside of the memory, for ``Memory.forget``."""
        return {
            "threads": self._chat.erase,
            "journal": self._forget_runs,
            "cached answers": self._forget_answers,
            "traces": lambda user: forget_traces(self.settings.data_dir, user),
            "store items": lambda user: forget_items(self.settings.data_dir, user),
        }

    def _forget_answers(self, user: str) -> int:
        models = {id(one): one for one in (self.model, self._chat.critic)}
        return sum(one.forget(user) for one in models.values())

    async def aclose(self) -> None:
        """Release connections and files. Idempotent."""
        await self._stop_learning()
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

    decide_sync = blocking(decide)
    chat_sync = blocking(chat)
    stream_sync = blocking_iterator(stream)
    forget_sync = blocking(forget)


def _optimizer_config(settings: Settings) -> OptimizerConfig:
    return OptimizerConfig(
        contradiction_weight=settings.contradiction_weight,
        relevance_weight=settings.relevance_weight,
        copying_weight=settings.copying_weight,
        invention_weight=settings.invention_weight,
        ask_invention=settings.ask_invention,
        listener_weight=settings.listener_weight,
        reason_weight=settings.reason_weight,
        contradiction_draws=settings.contradiction_draws,
        simulated=settings.simulated,
    )
