"""A sampled model asked anew, so that one sees how its answers vary."""

from __future__ import annotations

from persona_agent.llm.passing import PassingModel
from persona_agent.llm.response_cache import of_draw
from persona_agent.protocols import InputT, LanguageModel, OutputT, Prompt


class DrawnModel(PassingModel):
    """A model whose typed answers are those of one draw: no cache or journal mixes draws up."""

    def __init__(self, inner: LanguageModel, draw: int) -> None:
        super().__init__(inner)
        self._draw = draw

    async def ask(self, prompt: Prompt[InputT, OutputT], inputs: InputT) -> OutputT:
        """Return the answer of this draw. Raises ModelError."""
        with of_draw(self._draw):
            return await self._inner.ask(prompt, inputs)


def draws(model: LanguageModel, count: int, *, recorded: bool = False) -> list[LanguageModel]:
    """Return the model with answers drawn anew ``count`` times; none where they are the same.

    A model whose answers are ``recorded`` by draw is deterministic, and its draws differ.
    """
    if model.deterministic and not recorded:
        return []
    return [DrawnModel(model, n) for n in range(1, count + 1)]
