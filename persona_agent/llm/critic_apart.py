"""A model whose verdicts come from another one: what a critic is asked goes to the critic."""

from __future__ import annotations

from collections.abc import Collection

from persona_agent.llm.passing import PassingModel
from persona_agent.protocols import InputT, LanguageModel, OutputT, Prompt


class CriticApart(PassingModel):
    """Passes the prompts of a critic on to the critic, and everything else to the model inside.

    Usage is that of the model inside: a critic that shares its meter is counted with it.
    """

    def __init__(
        self, inner: LanguageModel, critic: LanguageModel, prompts: Collection[str]
    ) -> None:
        """Take both models, and the names of the prompts that the critic answers."""
        super().__init__(inner)
        self._critic = critic
        self._prompts = frozenset(prompts)

    @property
    def name(self) -> str:
        """Names of both models."""
        return f"{self._inner.name}, judged by {self._critic.name}"

    @property
    def deterministic(self) -> bool:
        """Whether both models are."""
        return self._inner.deterministic and self._critic.deterministic

    async def ask(self, prompt: Prompt[InputT, OutputT], inputs: InputT) -> OutputT:
        """Ask the model that answers this prompt. Raises ModelError."""
        model = self._critic if prompt.name in self._prompts else self._inner
        return await model.ask(prompt, inputs)
