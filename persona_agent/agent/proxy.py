"""What the endpoint does to a host's chat request: add what is known of the user, remember after.

The host's messages stay as they are. What is known goes to the end of its first system message,
as data of which that message's rules go first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from persona_agent.agent.batches import WORKERS, Batches
from persona_agent.agent.chat.memories import with_other_tasks
from persona_agent.agent.chat.prompt import memory_line
from persona_agent.agent.chat.turn import TASK
from persona_agent.agent.context import ContextBuilder
from persona_agent.agent.facade import PersonaAgent
from persona_agent.agent.inputs import valid_user
from persona_agent.agent.last_made import LastMade
from persona_agent.agent.lately import Lately
from persona_agent.agent.recorder import Recorder
from persona_agent.agent.served import Served
from persona_agent.llm.wire import content_text
from persona_agent.persona.render import claims_shown
from persona_agent.prompts import PromptInputs, TypedPrompt
from persona_agent.prompts.parts import NOTHING
from persona_agent.protocols import ChatReply
from persona_agent.schema import Episode, Persona, Query, Recalled, new_id
from persona_agent.schema.episode import clean

Message = dict[str, Any]
"""One message of OpenAI's chat API."""

Vector = npt.NDArray[np.float32]

SYSTEM_ROLES = ("system", "developer")
LONGEST_MEMORY = 100_000
"""Characters of a message that are remembered."""

TURNS_AT_ONCE = 32
PATIENCE = 0.05
"""Seconds that turns wait for the thread that prepares others: for a user who is read from disk.

Threads do not make it faster (they share one interpreter, and keep it from the event loop).
"""


class ProxyInputs(PromptInputs):
    """The rendered persona, what was recalled, one line each, oldest first, and the day."""

    persona: str = ""
    memories: tuple[str, ...] = ()
    today: str = ""

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "persona": self.persona or NOTHING,
            "memories": "\n".join(self.memories) or NOTHING,
            "today": self.today or "not known",
        }


PROXY = TypedPrompt("proxy", ProxyInputs, ChatReply)


@dataclass(frozen=True)
class ProxyTurn:
    """A request with what is known of its user.

    ``messages`` is what to send. ``claims`` are the ids of the claims that the model gets to see,
    ``text`` is the message that is answered; "" where there is none to remember.
    """

    user: str
    text: str
    thread: str
    messages: list[Message]
    persona_version: str
    claims: tuple[str, ...] = ()
    recalled: tuple[Recalled, ...] = ()
    episode_id: str = field(default_factory=new_id)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class _Asked:
    """A request to prepare; ``text`` is the message that is answered."""

    user: str
    messages: Sequence[Message]
    thread: str
    episode_id: str
    text: str


class Proxy:
    """Prepares and remembers turns that somebody else's model answers, for many users at once."""

    def __init__(self, agent: PersonaAgent) -> None:
        self._memory = agent.memory
        self._contexts = ContextBuilder(
            agent.memory.episodes,
            agent.memory.embedder,
            persona_tokens=agent.settings.persona_tokens,
        )
        self._claims_shown: LastMade[tuple[str, str], tuple[str, ...]] = LastMade()
        self._served = Served(agent.memory)
        self._lately = Lately(agent.memory)
        self._recorder = Recorder(agent)
        # Of its own, so that turn after turn meets the same thread with what it needs at hand.
        self._threads = ThreadPoolExecutor(WORKERS, "prepare")
        self._preparing: Batches[_Asked, ProxyTurn] = Batches(
            self._prepare, most=TURNS_AT_ONCE, patience=PATIENCE
        )

    async def prepare(
        self,
        user: str,
        messages: Sequence[Message],
        *,
        thread: str = "",
        episode_id: str | None = None,
    ) -> ProxyTurn:
        """Return the turn with the messages to send.

        Args:
            user: whose turn it is.
            messages: the host's messages, the one to answer last.
            thread: kept with the memory of the turn.
            episode_id: of the memory; a second turn of the same id is a retry of the first.

        Raises:
            InputError: a value is not valid.
            StoreError: the memory cannot be read.
        """
        valid_user(user)
        asked = _Asked(user, messages, thread, episode_id or new_id(), _answered(messages))
        return await self._preparing.add(asked)

    async def remember(self, turn: ProxyTurn, answer: str) -> bool:
        """Store the exchange; it is durable when this returns.

        Returns whether there was one: a turn without text on either side (a call of a tool, an
        image alone) leaves no episode.
        """
        said = clean(answer[:LONGEST_MEMORY])
        if not turn.text or not said.strip():
            return False
        episode = Episode(
            id=turn.episode_id,
            user_id=turn.user,
            query=Query(text=turn.text, task=TASK),
            response=said,
            at=turn.at,
            metadata={"thread": turn.thread} if turn.thread else {},
        )
        await self._recorder.add(episode)
        self._lately.heard(turn.user, turn.text)
        return True

    async def aclose(self) -> None:
        """Wait until what is being prepared and stored is done."""
        await self._preparing.aclose()
        await self._recorder.aclose()
        self._threads.shutdown(wait=False)

    async def _prepare(self, asked: list[_Asked]) -> Sequence[ProxyTurn | Exception]:
        """Prepare turns of several users in one thread; texts that are new share one embedding."""

        def prepare() -> list[ProxyTurn | Exception]:
            texts = list({one.text: None for one in asked if one.text})
            embedded = self._memory.embedder.embed(texts) if texts else ()
            vectors = dict(zip(texts, embedded, strict=True))
            return [self._tried(one, vectors.get(one.text)) for one in asked]

        return await asyncio.get_running_loop().run_in_executor(self._threads, prepare)

    def _tried(self, asked: _Asked, vector: Vector | None) -> ProxyTurn | Exception:
        """Return the turn, or what went wrong with it: other turns have nothing to do with that."""
        try:
            return self._prepared(asked, vector)
        except Exception as error:
            return error

    def _prepared(self, asked: _Asked, vector: Vector | None) -> ProxyTurn:
        persona = self._served.persona(asked.user)
        query = Query(text=asked.text or NOTHING, task=TASK)
        recalled: tuple[Recalled, ...] = ()
        if vector is not None:
            context = self._contexts.build(persona, query, vector=vector)
            shown = context.persona_text
            recalled = self._memories(persona, vector, context.recalled, asked.messages)
        else:
            shown = self._contexts.text(persona, query)
        told = sorted(recalled, key=lambda one: one.episode.at)
        lines = tuple(memory_line(one.episode) for one in told)
        today = datetime.now(UTC).date().isoformat()
        system, _ = PROXY.render(ProxyInputs(persona=shown, memories=lines, today=today))
        return ProxyTurn(
            user=asked.user,
            text=asked.text,
            thread=asked.thread,
            messages=merged(asked.messages, system.content),
            persona_version=persona.version,
            claims=self._claims(persona, shown),
            recalled=recalled,
            episode_id=asked.episode_id,
        )

    def _claims(self, persona: Persona, shown: str) -> tuple[str, ...]:
        """Return the ids of the claims in a text; most turns of a user show those of the last."""

        def found() -> tuple[str, ...]:
            return tuple(one.id for one in claims_shown(persona.claims, shown))

        return self._claims_shown.get(persona.user_id, (persona.version, shown), found)

    def _memories(
        self,
        persona: Persona,
        vector: Vector,
        answered: Sequence[Recalled],
        messages: Sequence[Message],
    ) -> tuple[Recalled, ...]:
        """Complete answered chat cases, up to half the places, with memories of every task.

        What the user lately stated of themselves in other conversations comes on top. What stands
        earlier in this one anyway is left out.
        """
        if persona.policy.is_generic:
            return ()
        users = [message for message in messages if message.get("role") == "user"]
        said = {_text(message) for message in users[:-1]}
        found = with_other_tasks(
            self._memory,
            persona,
            vector,
            answered=answered,
            is_present=lambda one: one.query.text in said,
            most_present=min(len(said), persona.policy.recalled),
        )
        shown = {one.episode.id for one in found}
        stated = self._lately.stated(persona.user_id, vector, without=shown, said=said)
        return (*found, *stated)


def merged(messages: Sequence[Message], section: str) -> list[Message]:
    """Return the messages with a section at the end of the first system message.

    The host's own text comes first, and unchanged; without one the section is a message itself.
    """
    for place, message in enumerate(messages):
        if message.get("role") in SYSTEM_ROLES:
            added = message | {"content": _appended(message.get("content"), section)}
            return [*messages[:place], added, *messages[place + 1 :]]
    return [{"role": "system", "content": section}, *messages]


def _appended(content: Any, section: str) -> Any:
    if isinstance(content, list):
        return [*content, {"type": "text", "text": section}]
    return f"{content}\n\n{section}" if content else section


def _answered(messages: Sequence[Message]) -> str:
    """Return the text of the last message of the user, as it is remembered; "" without one."""
    last = next((m for m in reversed(messages) if m.get("role") == "user"), None)
    text = clean(_text(last)) if last is not None else ""
    return text if text.strip() else ""


def _text(message: Mapping[str, Any]) -> str:
    return content_text(message.get("content"))[:LONGEST_MEMORY]
