"""The seams of the system: five protocols, everything else is concrete."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from persona_agent.schema import (
    Episode,
    Feedback,
    Persona,
    RecallBlend,
    Recalled,
    Revision,
    Usage,
)
from persona_agent.schema.base import Record

Vectors = npt.NDArray[np.float32]
"""Shape (n, dimension), rows of unit length."""

InputT_contra = TypeVar("InputT_contra", bound=BaseModel, contravariant=True)
OutputT = TypeVar("OutputT", bound=BaseModel)
InputT = TypeVar("InputT", bound=BaseModel)


class Embedder(Protocol):
    """Text to unit vectors. Deterministic; safe to call from several threads."""

    @property
    def name(self) -> str:
        """Model id; stored beside the vectors, so that models are never mixed."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row for each text, in order; shape (len(texts), dimension)."""
        ...


class ToolCall(Record):
    """A tool that the model wants to be run."""

    id: str
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Tool(Record):
    """A tool as the model sees it; ``parameters`` is a JSON schema."""

    name: str
    description: str
    parameters: dict[str, Any]


class ChatMessage(Record):
    """One message of a chat, in OpenAI's roles."""

    role: str
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class ChatReply(Record):
    """A chat answer: text, or tool calls to run first."""

    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


class Prompt(Protocol[InputT_contra, OutputT]):
    """A typed prompt: text, input model, output model. See :mod:`persona_agent.prompts`."""

    @property
    def name(self) -> str:
        """Short name, for accounting and fakes."""
        ...

    @property
    def output(self) -> type[OutputT]:
        """Model that every answer is validated against."""
        ...

    @property
    def digest(self) -> str:
        """Content hash, recorded with every result."""
        ...

    def render(self, inputs: InputT_contra) -> list[ChatMessage]:
        """Return the messages to send."""
        ...

    def check(self, inputs: InputT_contra, output: OutputT) -> None:
        """Raise ValueError when a well-formed answer does not fit these inputs."""
        ...


class LanguageModel(Protocol):
    """What answers typed prompts and chat turns. Implementations account every call.

    Calls made inside ``with model.account(user_id=..., purpose=...)`` are booked to that user and
    purpose; contexts nest per task, the innermost wins.
    """

    @property
    def name(self) -> str:
        """Model id as recorded in results."""
        ...

    @property
    def deterministic(self) -> bool:
        """Whether equal requests get equal answers."""
        ...

    async def ask(self, prompt: Prompt[InputT, OutputT], inputs: InputT) -> OutputT:
        """Answer a typed prompt.

        Raises:
            ModelError: no usable answer came; nothing is ever made up in its place.
        """
        ...

    async def chat(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[Tool] = ()
    ) -> ChatReply:
        """Answer one chat turn. Raises ModelError."""
        ...

    def stream(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[Tool] = ()
    ) -> AsyncIterator[str | ChatReply]:
        """Yield pieces of text as they come, then the whole reply as the last item."""
        ...

    def account(self, *, user_id: str, purpose: str) -> AbstractContextManager[None]:
        """Book the calls made inside to this user and purpose."""
        ...

    def usage(self, *, user_id: str | None = None, purpose: str | None = None) -> Usage:
        """Return what was used so far, over all users or purposes where none is given."""
        ...

    def forget(self, user_id: str) -> int:
        """Remove what is cached of a user's answers; return how many there were. Blocking."""
        ...

    async def aclose(self) -> None:
        """Release connections."""
        ...


class Completed(NamedTuple):
    """What came of episodes and late outcomes that were stored together, in the order given."""

    new: list[str]
    """Ids that were new."""
    told: list[Episode]
    """Earlier episodes that had no outcome, with it."""
    other: list[str]
    """Ids of late records with another outcome than the stored one, which stays."""


class EpisodeStore(Protocol):
    """Episodic memory. Blocking; call it off the event loop. Safe to call from several threads.

    Every call names one user and sees that user's rows only. Results are copies, newest last
    unless said otherwise. An episode is visible as soon as ``add`` returns, and then survives a
    crash. ``before`` restricts to episodes with ``at < before``: evaluation never sees the future.
    ``since`` restricts to those with ``at >= since``: an earlier taste is not asked for.
    """

    def add(self, episodes: Sequence[Episode], vectors: Vectors) -> list[str]:
        """Store episodes of one or more users with the vectors of their queries.

        All or nothing. An id that the user already has is a retry: the stored row stays as it
        is. Returns the ids that were new.

        Raises:
            EmbedderMismatchError: the vectors' dimension differs from the stored one.
            StoreUnavailableError: the data cannot be written; nothing was stored.
        """
        ...

    def complete(
        self, episodes: Sequence[Episode], vectors: Vectors, late: Sequence[Episode]
    ) -> Completed:
        """Store episodes as ``add`` does, together with outcomes of earlier ones.

        All or nothing. ``late`` are records of earlier episodes, each once: one that is stored
        without an outcome gets theirs, and nothing else of it changes. One with an outcome keeps
        it, and one that is not stored is passed over.

        Raises:
            InputError: an outcome is not one of the stored options, or a late record comes twice;
                nothing was stored.
            EmbedderMismatchError, StoreUnavailableError: as ``add``.
        """
        ...

    def get(self, user_id: str, ids: Sequence[str]) -> list[Episode]:
        """Return those of the named episodes that exist, in the order asked for."""
        ...

    def timeline(
        self,
        user_id: str,
        *,
        before: datetime | None = None,
        since: datetime | None = None,
        task: str | None = None,
        with_outcome: bool = False,
        limit: int | None = None,
    ) -> list[Episode]:
        """Return episodes in time order (ties by id); with ``limit`` the latest ones."""
        ...

    def recall(
        self,
        user_id: str,
        vector: npt.NDArray[np.float32],
        *,
        limit: int,
        blend: RecallBlend | None = None,
        now: datetime | None = None,
        before: datetime | None = None,
        since: datetime | None = None,
        task: str | None = None,
        with_outcome: bool = False,
        where: Mapping[str, str | int | float | bool] | None = None,
    ) -> list[Recalled]:
        """Return the best episodes, best first, exact over the user's rows, ties by newest.

        Near-duplicates (same outcome, cosine of at least 0.98 between the queries) are folded
        into their best-scored member. ``now`` is the moment that ages are counted from (default:
        ``before``, else the newest episode). ``where`` matches metadata exactly.
        """
        ...

    def set_outcome(
        self,
        user_id: str,
        episode_id: str,
        *,
        outcome: str | None = None,
        feedback: Feedback | None = None,
    ) -> Episode:
        """Attach an outcome or feedback, return the episode. Raises NotFoundError, InputError."""
        ...

    def delete(self, user_id: str, ids: Sequence[str]) -> int:
        """Remove episodes; return how many there were."""
        ...

    def forget(self, user_id: str) -> int:
        """Remove everything of a user; return how many episodes there were."""
        ...

    def users(self) -> list[str]:
        """Return the ids of all users with episodes, sorted."""
        ...

    def count(self, user_id: str) -> int:
        """Return the number of a user's episodes."""
        ...

    def vectors(self, user_id: str, ids: Sequence[str]) -> Vectors:
        """Return the stored vectors of episodes, in the order asked for. Raises NotFoundError."""
        ...

    def close(self) -> None:
        """Release files. Idempotent."""
        ...


class PersonaStore(Protocol):
    """Every version of every persona, and the revisions between them. Blocking, thread-safe."""

    def latest(self, user_id: str) -> Persona | None:
        """Return the version in use, or None."""
        ...

    def get(self, user_id: str, version: str) -> Persona:
        """Return one version. Raises NotFoundError."""
        ...

    def history(self, user_id: str) -> list[Persona]:
        """Return all versions, oldest first."""
        ...

    def put(
        self,
        persona: Persona,
        *,
        expected: str | None,
        revision: Revision | None = None,
        behind: Sequence[Persona] = (),
    ) -> None:
        """Store a version and make it the one in use (compare-and-swap).

        Args:
            persona: the new version.
            expected: version that must be in use now (None: the user has none yet).
            revision: stored in the same transaction.
            behind: versions between the one in use and this one, oldest first, stored in the
                same transaction.

        Raises:
            ConflictError: another version is in use; nothing was written.
        """
        ...

    def add_revision(self, revision: Revision) -> None:
        """Store a revision that changed nothing: what was tried and why it was turned down."""
        ...

    def revisions(self, user_id: str) -> list[Revision]:
        """Return all revisions, oldest first."""
        ...

    def add_expense(
        self, user_id: str, at: datetime, usage: Usage, *, drop_before: datetime
    ) -> None:
        """Note what was used that no revision holds, and drop the user's notes of before a moment.

        So that a run that ended early, or made nothing, counts in what a user may use.
        """
        ...

    def expenses(self, user_id: str, since: datetime) -> list[Usage]:
        """Return what was noted with ``at > since``, oldest first."""
        ...

    def users(self) -> list[str]:
        """Return the ids of all users with a persona, sorted."""
        ...

    def forget(self, user_id: str) -> int:
        """Remove every version and revision of a user; return how many versions there were."""
        ...

    def close(self) -> None:
        """Release files. Idempotent."""
        ...
