"""Typed prompts over a model that writes text: render, call, parse, repair once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from persona_agent.errors import ModelAnswerError, ModelRefusalError
from persona_agent.llm.accounting import AccountedModel
from persona_agent.llm.answers import Reply, parse_answer, repair_messages
from persona_agent.protocols import ChatMessage, InputT, OutputT, Prompt


class TextModel(AccountedModel):
    """Base of the models whose answers are text that has to be parsed."""

    @abstractmethod
    async def _complete(self, messages: Sequence[ChatMessage], prompt: Prompt[Any, Any]) -> Reply:
        """Return the model's reply to the messages. Books the call; raises ModelError."""

    async def ask(self, prompt: Prompt[InputT, OutputT], inputs: InputT) -> OutputT:
        """Answer a typed prompt; a reply that cannot be used is repaired once.

        Raises:
            ModelCallError: the call failed.
            ModelAnswerError: the second reply cannot be used either.
            ModelRefusalError: the model declined; it is not asked again.
            BudgetExceededError: a limit is reached.
        """
        messages = prompt.render(inputs)
        reply = await self._complete(messages, prompt)
        try:
            return parse_answer(prompt, inputs, reply)
        except ModelRefusalError:
            raise
        except ModelAnswerError as error:
            problem = str(error)
        again = repair_messages(messages, reply, problem, prompt.output)
        return parse_answer(prompt, inputs, await self._complete(again, prompt))
