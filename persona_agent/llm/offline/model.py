"""The offline model: answers every typed prompt without network or key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from persona_agent.errors import ModelCannotError
from persona_agent.llm.accounting import AccountedModel
from persona_agent.llm.offline import (
    admitting,
    baselines,
    chat,
    clarifying,
    lab_answers,
    verifying,
    writing,
)
from persona_agent.llm.offline.decide import Decider
from persona_agent.persona import estimate_tokens
from persona_agent.protocols import (
    ChatMessage,
    ChatReply,
    Embedder,
    InputT,
    OutputT,
    Prompt,
    Tool,
)

ABOUT = (
    "The offline model chooses and extracts by sentence embeddings and counting. "
    "It does not converse: for free answers, set a model."
)


class OfflineModel(AccountedModel):
    """A deterministic stand-in for a language model.

    It sees what any model sees: the inputs of the prompt, nothing else. Calls are accounted like
    others, with tokens estimated at four characters each.
    """

    def __init__(self, embedder: Embedder) -> None:
        super().__init__("offline", deterministic=True)
        # One worker: answering is computing, and several threads would only get in the way.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="offline-model")
        decider = Decider(embedder)
        self._answers: dict[str, Callable[[Any], Any]] = {
            "decide": decider,
            "decide_brief": decider,
            "clarify": lambda inputs: clarifying.clarify(inputs, embedder),
            "respond": lambda inputs: writing.respond(inputs, embedder),
            "draft_persona": writing.draft,
            "critique": lambda inputs: writing.critique(inputs, embedder),
            "propose_edits": writing.propose,
            "distil_facts": lambda inputs: writing.distil(inputs, embedder),
            "profile": writing.profile,
            "admit": admitting.admit,
            "verify_claims": lambda inputs: verifying.verify(inputs, embedder),
            **baselines.answers(decider),
            **lab_answers.answers(embedder),
        }

    async def ask(self, prompt: Prompt[InputT, OutputT], inputs: InputT) -> OutputT:
        """Answer a typed prompt. Raises ModelCannotError for one that is beyond it."""
        answer = self._answers.get(prompt.name)
        if answer is None:
            raise ModelCannotError(
                f"the offline model cannot answer the prompt {prompt.name!r}: "
                "set PERSONA_AGENT_MODEL to a real model"
            )
        text = sum(len(message.content) for message in prompt.render(inputs))
        asked = -(-text // 4)
        with self.meter.call(prompt_tokens=asked, free=True) as call:
            loop = asyncio.get_running_loop()
            written = await loop.run_in_executor(self._worker, answer, inputs)
            output = prompt.output.model_validate(written)
            prompt.check(inputs, output)
            call.prompt_tokens = asked
            call.completion_tokens = estimate_tokens(output.model_dump_json())
        return output

    async def aclose(self) -> None:
        """Let the worker go once it is idle."""
        self._worker.shutdown(wait=False)

    async def chat(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[Tool] = ()
    ) -> ChatReply:
        """Answer a chat turn with what the system message says of the user."""
        asked = estimate_tokens(json.dumps([message.content for message in messages]))
        with self.meter.call(prompt_tokens=asked, free=True) as call:
            reply = chat.reply(messages, ABOUT)
            call.prompt_tokens = asked
            call.completion_tokens = estimate_tokens(reply)
        return ChatReply(content=reply)

    async def stream(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[Tool] = ()
    ) -> AsyncIterator[str | ChatReply]:
        """Yield the reply word by word, then whole."""
        whole = await self.chat(messages, tools=tools)
        for word in whole.content.split(" "):
            yield f"{word} "
        yield whole
