"""One chat turn, step by step.

Interpret, mediate, recall, act, run tools, check, choose, respond, remember.

Each step takes the turn as it stands and returns it with its own part filled in. The steps know
nothing of the graph that orders them (:mod:`persona_agent.agent.chat.graph`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from persona_agent.agent.chat.drafts import Drafts, Weighed
from persona_agent.agent.chat.mediate import HABIT_EPISODES, Mediated, may_depend
from persona_agent.agent.chat.memories import memories
from persona_agent.agent.chat.prompt import (
    ChatInputs,
    chat_messages,
    memory_line,
    messages_again,
)
from persona_agent.agent.chat.repairs import Grounds, Repairs
from persona_agent.agent.chat.tools import Toolbox
from persona_agent.agent.context import ContextBuilder
from persona_agent.agent.secrets import clean, without_secrets
from persona_agent.agent.served import Served
from persona_agent.errors import (
    ModelAnswerError,
    ModelCannotError,
    ModelError,
    ModelRefusalError,
)
from persona_agent.llm import Ledger, limit
from persona_agent.llm.wire import may_be_calls_as_text
from persona_agent.persona.own_words import kept, out_of_view, own_words
from persona_agent.protocols import ChatMessage, ChatReply, LanguageModel
from persona_agent.schema import Episode, Persona, Query, Recalled, Usage, new_id

if TYPE_CHECKING:
    from persona_agent.memory import Memory

TASK = "chat"
TOOL_ROUNDS = 4
MESSAGES_KEPT = 20
CHARACTERS_KEPT = 40_000

Emit = Callable[[str], None]
"""Takes a piece of the answer as it comes."""

Said = dict[str, str]
"""One message of a thread as it is stored: plain JSON with ``role``, ``content``, ``episode``."""


@dataclass(frozen=True)
class Turn:
    """Everything of one turn; of a thread only history, commitments and habits are stored.

    ``request`` is what the mediator made of the message (empty: the message stands as it is),
    ``open`` what nobody said of it, ``sought`` its embedding. ``committed``
    is what the agent said of itself in this thread, ``habits`` how the user phrases things (None:
    not asked yet). ``costs`` is what each step cost, ``problems`` why a repair was left out.
    """

    user: str
    thread: str
    text: str
    persona: Persona
    streaming: bool = False
    episode_id: str = field(default_factory=new_id)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    history: tuple[Said, ...] = ()
    vector: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    recalled: tuple[Recalled, ...] = ()
    messages: tuple[ChatMessage, ...] = ()
    reply: ChatReply = field(default_factory=ChatReply)
    problem: str = ""
    retried: bool = False
    rounds: int = 0
    tool_calls: tuple[str, ...] = ()
    answer: str = ""
    request: str = ""
    open: tuple[str, ...] = ()
    sought: npt.NDArray[np.float32] | None = None
    committed: tuple[str, ...] = ()
    habits: tuple[str, ...] | None = None
    weighed: Weighed | None = None
    costs: Mapping[str, Usage] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def query(self) -> Query:
        """The message as a query."""
        return Query(text=self.text, task=TASK)

    @property
    def meaning(self) -> npt.NDArray[np.float32]:
        """What is asked for as a vector: of the request where there is one, else of the message."""
        return self.vector if self.sought is None else self.sought

    @property
    def present(self) -> tuple[str, ...]:
        """The episodes whose messages are sent anyway."""
        return tuple(dict.fromkeys(said["episode"] for said in self.history))

    @property
    def shown(self) -> tuple[str, ...]:
        """The episodes that the model sees, as memories or as messages."""
        return (*(one.episode.id for one in self.recalled), *self.present)

    @property
    def usage(self) -> Usage:
        """What the turn cost so far."""
        return sum(self.costs.values(), Usage())

    def charged(self, step: str, spent: Ledger) -> Turn:
        """Return the turn with what a step spent booked to it."""
        before = self.costs.get(step, Usage())
        return replace(self, costs={**self.costs, step: before + spent.used})


class Steps:
    """The steps of a turn, over one memory, one model and one set of tools."""

    def __init__(
        self,
        memory: Memory,
        model: LanguageModel,
        tools: Toolbox,
        *,
        repairs: Repairs,
        persona_tokens: int,
        keep_secrets: bool,
    ) -> None:
        self._memory = memory
        self._model = model
        self._tools = tools
        self.repairs = repairs
        self._keep_secrets = keep_secrets
        self._served = Served(memory)
        self._contexts = ContextBuilder(
            memory.episodes, memory.embedder, persona_tokens=persona_tokens
        )

    async def interpret(self, turn: Turn) -> Turn:
        """Find out who asks: the persona in use, and what the message means as a vector."""

        def read() -> Turn:
            persona = self._served.persona(turn.user)
            vector = self._memory.embedder.embed([turn.text])[0]
            return replace(turn, persona=persona, vector=vector)

        return await self._memory.reads.run(read)

    async def mediate(self, turn: Turn) -> Turn:
        """Rewrite a message that rests on earlier ones into a request that can be read alone.

        The habits behind it are learned at a thread's first mediated turn, and kept with it. A
        message that depends on nothing before, as far as a rule can tell, costs no call.
        """
        if not turn.history or not may_depend(turn.text):
            return turn
        found, habits, problems = Mediated(), turn.habits, turn.problems
        with self._spending(turn) as spent:
            try:
                if habits is None:
                    known = await asyncio.to_thread(
                        self._memory.episodes.timeline, turn.user, limit=HABIT_EPISODES
                    )
                    habits = await self.repairs.habits(turn.persona, known)
                found = await self.repairs.request(turn.text, turn.history, habits)
            except ModelError as error:
                lasting = isinstance(error, ModelCannotError)
                if not lasting or turn.habits is None:  # once a thread, not in every turn of it
                    problems = (*problems, f"the request was not rewritten: {error}")
        turn = replace(turn, habits=habits, problems=problems).charged("mediator", spent)
        if not found.request:
            return turn
        vectors = await asyncio.to_thread(self._memory.embedder.embed, [found.request])
        return replace(turn, request=found.request, open=found.open, sought=vectors[0])

    async def recall(self, turn: Turn) -> Turn:
        """Gather what the model gets to see: persona, memories, the conversation so far.

        A request of the mediator is recalled for, and stands below the message: in its place, the
        user's tone and what the request misreads would be lost.
        """
        vector = turn.meaning

        def gather() -> Turn:
            context = self._contexts.build(turn.persona, turn.query, vector=vector)
            recalled = memories(
                self._memory,
                turn.persona,
                vector,
                answered=context.recalled,
                present=turn.present,
            )
            inputs = ChatInputs(
                message=turn.text,
                today=turn.at.date().isoformat(),
                persona=context.persona_text,
                memories=tuple(
                    memory_line(one.episode, thread=self._own_thread(turn))
                    for one in sorted(recalled, key=lambda one: one.episode.at)
                ),
            )
            earlier = [
                ChatMessage(role=one["role"], content=one["content"]) for one in turn.history
            ]
            own = out_of_view(turn.committed, [one["content"] for one in turn.history])
            sent = chat_messages(inputs, earlier, own, request=turn.request, unsaid=turn.open)
            return replace(turn, recalled=recalled, messages=sent)

        return await self._memory.reads.run(gather)

    def _own_thread(self, turn: Turn) -> str | None:
        """Return the thread in which the agent is shown its own earlier answers, if it is."""
        return turn.thread if self.repairs.commitment else None

    async def act(self, turn: Turn, emit: Emit) -> Turn:
        """Call the model once.

        An answer that cannot be used counts as an empty one, which ``check`` has repeated once;
        but not when a part of it has been shown already. What may yet turn out to be tool calls
        written as text is shown only once it is whole.
        """
        shown: list[str] = []

        def show(piece: str) -> None:
            shown.append(piece)
            emit(piece)

        reply, problem = ChatReply(), ""
        with self._spending(turn) as spent:
            try:
                reply = await self._answer(turn, show)
            except ModelRefusalError:
                raise
            except ModelAnswerError as error:
                if shown or turn.retried:
                    raise
                problem = str(error)
        return replace(turn, reply=reply, problem=problem).charged("answer", spent)

    @contextmanager
    def _spending(self, turn: Turn) -> Iterator[Ledger]:
        with self._model.account(user_id=turn.user, purpose="chat"), limit() as spent:
            yield spent

    def _shows_pieces(self, turn: Turn) -> bool:
        """Whether the answer is shown as it comes; not before it was checked."""
        return turn.streaming and self.repairs.candidates == 1

    async def _answer(self, turn: Turn, show: Emit) -> ChatReply:
        if not self._shows_pieces(turn):
            return await self._model.chat(turn.messages, tools=self._tools.tools)
        reply, came, begun = ChatReply(), "", False
        async for piece in self._model.stream(turn.messages, tools=self._tools.tools):
            if isinstance(piece, ChatReply):
                reply = piece
                continue
            came += piece
            if begun and piece:
                show(piece)
            elif not begun and not may_be_calls_as_text(came):
                begun = True
                show(came)
        if came and not begun:
            show(came)
        return reply

    async def run_tools(self, turn: Turn, emit: Emit) -> Turn:
        """Run the tools that the model asked for, and show it the results.

        The tools stay on offer after the last round, because several providers reject a
        conversation with tool calls in it but no tools; a call is then turned down instead.
        """
        if turn.rounds > TOOL_ROUNDS:
            raise ModelAnswerError(f"the model went on calling tools after {TOOL_ROUNDS} rounds")
        calls = turn.reply.tool_calls
        if turn.reply.content.strip() and self._shows_pieces(turn):
            emit("\n\n")  # what was written beside the call is not to run into the answer
        if turn.rounds < TOOL_ROUNDS:
            results = await self._tools.run(
                calls,
                turn.user,
                turn.persona,
                thread=self._own_thread(turn),
                shown=turn.shown,
                sent=turn.present,
            )
        else:
            results = self._tools.decline(calls)
        asked = ChatMessage(role="assistant", content=turn.reply.content, tool_calls=calls)
        return replace(
            turn,
            messages=(*turn.messages, asked, *results),
            rounds=turn.rounds + 1,
            tool_calls=(*turn.tool_calls, *(call.name for call in calls)),
        )

    async def check(self, turn: Turn) -> Turn:
        """Accept the answer, or prepare one more try. Raises ModelAnswerError at the second."""
        if turn.reply.content.strip():
            return turn
        if turn.retried:
            raise ModelAnswerError("the model gave no usable answer, twice in a row")
        problem = turn.problem or "it was empty"
        nudge = f"(Your last answer could not be used: {problem}. Answer the message above.)"
        again = ChatMessage(role="user", content=nudge)
        return replace(turn, messages=(*turn.messages, again), retried=True)

    async def choose(self, turn: Turn, emit: Emit) -> Turn:
        """Check the answer, and draw it anew where it contradicts something that is known."""
        grounds = Grounds.of(turn.text, turn.request, turn.persona, turn.history, turn.committed)

        async def draw(draft: str, goes_against: Sequence[str]) -> ChatReply:
            again = messages_again(turn.messages, draft, goes_against) if draft else turn.messages
            return await self._model.chat(again, tools=self._tools.tools)

        drafts = Drafts(turn.reply, grounds, self.repairs, draw, lambda: self._spending(turn))
        await drafts.settle(sampling=not self._model.deterministic)
        costs = dict(turn.costs)
        for step, spent in drafts.costs.items():
            costs[step] = costs.get(step, Usage()) + spent
        emit(drafts.best.content)
        return replace(
            turn,
            reply=drafts.best,
            weighed=drafts.weighed,
            costs=costs,
            problems=(*turn.problems, *drafts.problems),
        )

    async def respond(self, turn: Turn) -> Turn:
        """Settle the answer and what the thread keeps of this turn."""
        answer = turn.reply.content.strip()
        if self.repairs.commitment:
            said_of_itself = [self._kept(one) for one in own_words(turn.text, answer)]
            turn = replace(turn, committed=kept(turn.committed, said_of_itself))
        said: tuple[Said, ...] = (
            {"role": "user", "content": self._kept(turn.text), "episode": turn.episode_id},
            {"role": "assistant", "content": self._kept(answer), "episode": turn.episode_id},
        )
        return replace(turn, answer=answer, history=keep((*turn.history, *said)))

    async def remember(self, turn: Turn) -> Turn:
        """Store the turn as an episode; its outcome comes with the user's feedback."""
        await asyncio.to_thread(self._store, turn, turn.answer, turn.vector)
        return turn

    async def remember_left(self, turn: Turn, sent: str) -> None:
        """Store a turn that nobody waits for any more, with what of its answer was sent.

        One that was remembered already stays as it is.
        """

        def store() -> None:
            vector = self._memory.embedder.embed([turn.text])[0]
            self._store(turn, sent.strip() or None, vector)

        await asyncio.to_thread(store)

    def _store(self, turn: Turn, answer: str | None, vector: npt.NDArray[np.float32]) -> None:
        episode = Episode(
            id=turn.episode_id,
            user_id=turn.user,
            query=turn.query,
            response=answer,
            at=turn.at,
            metadata={"thread": turn.thread},
        )
        kept = episode if self._keep_secrets else clean(episode)
        self._memory.episodes.add([kept], vector[np.newaxis])

    def _kept(self, text: str) -> str:
        return text if self._keep_secrets else without_secrets(text)


def keep(history: Sequence[Said]) -> tuple[Said, ...]:
    """Return the end of a conversation that goes on into the next turn, in whole exchanges.

    Older messages are not lost: every exchange is an episode, and is recalled with its answer.
    """
    kept = tuple(history[-MESSAGES_KEPT:])
    while len(kept) > 2 and sum(len(said["content"]) for said in kept) > CHARACTERS_KEPT:
        kept = kept[2:]
    return kept
