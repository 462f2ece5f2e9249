"""Any provider's model through LiteLLM: answer formats, repair, cache."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from enum import IntEnum
from typing import Any

from persona_agent.errors import ModelAnswerError, ModelRefusalError
from persona_agent.llm.accounting import Budget, UsageMeter, current_account
from persona_agent.llm.answers import Reply, parse_answer
from persona_agent.llm.failures import Backoff, Failure
from persona_agent.llm.litellm_client import LiteLLMClient
from persona_agent.llm.response_cache import ResponseCache, request_key
from persona_agent.llm.text_model import TextModel
from persona_agent.llm.wire import StreamedReply, chat_reply, response_format
from persona_agent.protocols import ChatMessage, ChatReply, InputT, OutputT, Prompt, Tool
from persona_agent.settings import Settings


class AnswerFormat(IntEnum):
    """How structured output is asked for; a provider that rejects one gets the next."""

    JSON_SCHEMA = 0
    JSON_OBJECT = 1
    TEXT = 2


class LiteLLMModel(TextModel):
    """A model behind an API. Nothing is imported or sent before the first call.

    Every attempt, also a failed one, is booked as a call; answers from the cache are not.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        meter: UsageMeter | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        """Take the settings; raises SettingsError when their cache cannot be opened.

        Args:
            settings: the model's name, key, limits and budgets.
            meter: books the calls; by default one of its own with the settings' budget.
            backoff: when to try again; by default the settings' number of retries.
        """
        budget = Budget(
            max_calls=settings.max_calls,
            max_tokens=settings.max_tokens,
            max_cost_usd=settings.max_cost_usd,
        )
        super().__init__(settings.model, deterministic=False, meter=meter or UsageMeter(budget))
        backoff = backoff or Backoff(retries=settings.retries)
        self._client = LiteLLMClient(settings, meter=self.meter, backoff=backoff)
        self._temperature = settings.temperature
        self._cache = ResponseCache(settings.cache_dir) if settings.cache_dir else None
        self._format: AnswerFormat | None = None

    async def ask(self, prompt: Prompt[InputT, OutputT], inputs: InputT) -> OutputT:
        """Answer a typed prompt, from the cache where the same was asked before.

        Raises:
            ModelError: no usable answer came; see :class:`TextModel`.
        """
        if self._cache is None:
            return await super().ask(prompt, inputs)
        key = request_key(self.name, prompt.render(inputs), prompt, temperature=self._temperature)
        stored = await asyncio.to_thread(self._cache.get, key)
        if stored is not None:
            with suppress(ModelAnswerError):  # a damaged row is a miss
                return parse_answer(prompt, inputs, Reply(text=stored))
        output = await super().ask(prompt, inputs)
        user_id = current_account().user_id
        await asyncio.to_thread(self._cache.put, key, output.model_dump_json(), user_id=user_id)
        return output

    async def chat(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[Tool] = ()
    ) -> ChatReply:
        """Answer one chat turn; an empty reply or a broken tool call is repaired once.

        Raises:
            ModelCallError: the call failed.
            ModelAnswerError: the second reply cannot be used either.
            ModelRefusalError: a filter stopped the answer.
        """
        reply = _usable(await self._client.send(self._client.request(messages, tools)))
        try:
            return chat_reply(reply, tools)
        except ModelRefusalError:
            raise
        except ModelAnswerError as error:
            problem = str(error)
        return await self._chat_again(messages, tools, problem)

    async def stream(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[Tool] = ()
    ) -> AsyncIterator[str | ChatReply]:
        """Yield pieces of text as they come, then the whole reply.

        Raises as :meth:`chat` does. A stream that is cut off ends with a ModelCallError: what
        came of it is never passed off as the whole reply.
        """
        result = StreamedReply()
        request = self._client.request(messages, tools)
        async with aclosing(self._client.stream(request, result)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Failure):
                    raise piece.error
                yield piece
        problem = ""
        try:
            yield chat_reply(result.reply(), tools)
        except ModelRefusalError:
            raise
        except ModelAnswerError as error:
            problem = str(error)
        if problem:
            yield await self._chat_again(messages, tools, problem)

    def forget(self, user_id: str) -> int:
        """Remove a user's answers from the cache; return how many there were. Blocking."""
        return self._cache.forget(user_id) if self._cache is not None else 0

    async def aclose(self) -> None:
        """Close the cache, and the HTTP clients unless another model still uses them."""
        if self._cache is not None:
            self._cache.close()
        await self._client.aclose()

    async def _complete(self, messages: Sequence[ChatMessage], prompt: Prompt[Any, Any]) -> Reply:
        litellm, request = await self._client.load(), self._client.request(messages)
        while True:
            form = self._format if self._format is not None else _best_format(litellm, self.name)
            wanted = {
                AnswerFormat.JSON_SCHEMA: response_format(prompt.output),
                AnswerFormat.JSON_OBJECT: {"type": "json_object"},
                AnswerFormat.TEXT: None,
            }[form]
            result = await self._client.send(request | {"response_format": wanted})
            if isinstance(result, Failure) and result.rejects_format and form < AnswerFormat.TEXT:
                # Remembered, and never set back by a call that started before this was known.
                self._format = max(self._format or form, AnswerFormat(form + 1))
                continue
            return _usable(result)

    async def _chat_again(
        self, messages: Sequence[ChatMessage], tools: Sequence[Tool], problem: str
    ) -> ChatReply:
        remark = f"Your last reply could not be used: {problem}. Reply again."
        again = [*messages, ChatMessage(role="user", content=remark)]
        reply = _usable(await self._client.send(self._client.request(again, tools)))
        return chat_reply(reply, tools)


def _usable(result: Reply | Failure) -> Reply:
    if isinstance(result, Failure):
        raise result.error
    return result


def _best_format(litellm: Any, model: str) -> AnswerFormat:
    """Return the best format that LiteLLM does not know to be missing.

    Its table lags behind the providers, so that a model which it does not list is simply tried.
    """
    if litellm.supports_response_schema(model=model):
        return AnswerFormat.JSON_SCHEMA
    if "response_format" not in (litellm.get_supported_openai_params(model=model) or ()):
        return AnswerFormat.TEXT
    listed = {model, model.partition("/")[2]} & litellm.model_cost.keys()
    return AnswerFormat.JSON_OBJECT if listed else AnswerFormat.JSON_SCHEMA
