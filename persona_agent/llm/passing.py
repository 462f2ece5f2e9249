"""A model around another one: what a wrapper does not change goes through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager

from persona_agent.protocols import (
    ChatMessage,
    ChatReply,
    InputT,
    LanguageModel,
    OutputT,
    Prompt,
    Tool,
)
from persona_agent.schema import Usage


class PassingModel:
    """Passes everything on to the model inside. Raises what that one raises."""

    def __init__(self, inner: LanguageModel) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        """Name of the model inside."""
        return self._inner.name

    @property
    def deterministic(self) -> bool:
        """Whether the model inside is."""
        return self._inner.deterministic

    async def ask(self, prompt: Prompt[InputT, OutputT], inputs: InputT) -> OutputT:
        """Pass a typed prompt on."""
        return await self._inner.ask(prompt, inputs)

    async def chat(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[Tool] = ()
    ) -> ChatReply:
        """Pass a chat turn on."""
        return await self._inner.chat(messages, tools=tools)

    def stream(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[Tool] = ()
    ) -> AsyncIterator[str | ChatReply]:
        """Pass a streamed chat turn on."""
        return self._inner.stream(messages, tools=tools)

    def account(self, *, user_id: str, purpose: str) -> AbstractContextManager[None]:
        """Book the calls made inside to this user and purpose."""
        return self._inner.account(user_id=user_id, purpose=purpose)

    def usage(self, *, user_id: str | None = None, purpose: str | None = None) -> Usage:
        """Return what the model inside used."""
        return self._inner.usage(user_id=user_id, purpose=purpose)

    def forget(self, user_id: str) -> int:
        """Remove what the model inside has cached of a user."""
        return self._inner.forget(user_id)

    async def aclose(self) -> None:
        """Release the connections of the model inside."""
        await self._inner.aclose()
