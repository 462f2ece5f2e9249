"""PersonaAgent: the public face of the library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import WeakKeyDictionary

from pydantic import ValidationError

from persona_agent.agent.answer import Answer, answer
from persona_agent.agent.chat import Chat, ChatTurn
from persona_agent.agent.clarify import Doubts, Question, ask_user, reply_as_fact
from persona_agent.agent.context import Context, ContextBuilder
from persona_agent.agent.inputs import explain, valid_user
from persona_agent.agent.learning_calls import LearningCalls
from persona_agent.agent.memory_calls import MemoryCalls
from persona_agent.agent.persona_calls import PersonaCalls, no_persona
from persona_agent.agent.secrets import clean, without_secrets
from persona_agent.agent.simulate import Simulator
from persona_agent.agent.sync import LoopThread, blocking, blocking_iterator
from persona_agent.agent.tools import ToolFunction
from persona_agent.agent.traces import forget_traces
from persona_agent.errors import InputError
from persona_agent.llm import create_model
from persona_agent.memory import Memory, open_memory
from persona_agent.memory.facts import Learned
from persona_agent.memory.forgetting import Steps
from persona_agent.memory.items import forget_items
from persona_agent.optimizer import OptimizerConfig, PersonaOptimizer
from persona_agent.optimizer.asking import Asked
from persona_agent.protocols import LanguageModel, Tool
from persona_agent.schema import Episode, Feedback, Query, Recalled
from persona_agent.schema.base import Record
from persona_agent.schema.episode import JsonScalar
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


class PersonaAgent(PersonaCalls, MemoryCalls, LearningCalls):
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
        asked = _query(query, options, task)
        try:
            episode = Episode(
                user_id=user, query=asked, outcome=outcome, response=response, **fields
            )
        except ValidationError as error:
            raise InputError(explain(error)) from None
        await self.record_episodes([episode])
        await self._remember_reply(episode)
        if outcome is not None:
            await self._learned_something(user)
        elif not options:
            await self.heard(user, query)
        return episode.id

    async def record_episodes(self, episodes: Sequence[Episode]) -> int:
        """Store many interactions, all or nothing; return how many were new."""

        def store() -> int:
            kept = episodes if self.settings.keep_secrets else [clean(one) for one in episodes]
            vectors = self.memory.embedder.embed([episode.query.text for episode in kept])
            return len(self.memory.episodes.add(kept, vectors))

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

        For a decision that came with a question, the outcome or the comment is the reply: it is
        kept as what the user stated.

        Raises:
            InputError: no feedback given, or the outcome is not one of the options.
            NotFoundError: this user has no such episode.
        """
        if outcome is None and thumb is None and not comment:
            raise InputError("feedback needs an outcome, a thumb (-1 or 1) or a comment")
        try:
            said = Feedback.model_validate({"thumb": thumb, "comment": comment})
        except ValidationError as error:
            raise InputError(explain(error)) from None
        if not self.settings.keep_secrets:
            said = said.model_copy(update={"comment": without_secrets(said.comment)})
            outcome = None if outcome is None else without_secrets(outcome)
        told = await asyncio.to_thread(
            self.memory.episodes.set_outcome,
            user,
            episode_id,
            outcome=outcome,
            feedback=said if thumb is not None or comment else None,
        )
        await self._remember_reply(told)
        await self._learned_something(user)
        return told

    async def _remember_reply(self, episode: Episode) -> None:
        """Keep the user's reply to a question as a stated fact, in place of earlier replies."""
        fact = reply_as_fact(episode if self.settings.keep_secrets else clean(episode))
        if fact is None:
            return
        facts = self.memory.facts

        def keep() -> None:
            earlier = facts.for_episode(episode.user_id, episode.id)
            replies = (one.id for one in earlier if one.stated and one.sources == fact.sources)
            facts.learn(episode.user_id, [Learned(fact=fact, supersedes=tuple(replies))], [])

        await asyncio.to_thread(keep)

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
        asked = _query(query, options, task)
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
        """Yield pieces of the answer as they come, then the whole turn as the last item."""
        async for piece in self._chat.stream(user, text, thread=thread):
            yield piece
        await self.heard(user, text)

    def add_tool(self, tool: Tool, run: ToolFunction) -> None:
        """Offer the host's own tool in chats. Raises InputError for a name that is taken."""
        self._chat.add_tool(tool, run)

    def _context(self, user: str, query: Query) -> Context:
        persona = self.memory.personas.latest(user) or no_persona(user)
        return self._contexts.build(persona, query)

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

    record_sync = blocking(record)
    record_episodes_sync = blocking(record_episodes)
    feedback_sync = blocking(feedback)
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


def _query(text: str, options: Sequence[str], task: str) -> Query:
    if not isinstance(options, (list, tuple)):
        raise InputError(f"options must be a list of texts, got {type(options).__name__}")
    if isinstance(text, str) and not text.strip():
        raise InputError("query text: is blank")
    try:
        return Query(text=text, options=tuple(options), task=task)
    except ValidationError as error:
        raise InputError(explain(error)) from None
