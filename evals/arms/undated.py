"""A model that is not told when things happened, for arms that heed no change of preferences."""

from __future__ import annotations

from typing import cast

from persona_agent.llm.passing import PassingModel
from persona_agent.prompts import DraftInputs
from persona_agent.protocols import InputT, OutputT, Prompt


class UndatedModel(PassingModel):
    """A model that writes personas from cases without dates; all else goes through unchanged."""

    async def ask(self, prompt: Prompt[InputT, OutputT], inputs: InputT) -> OutputT:
        """Ask the model inside; what it drafts from has no dates. Raises ModelError."""
        if isinstance(inputs, DraftInputs):
            cases = tuple(case.model_copy(update={"date": ""}) for case in inputs.cases)
            inputs = cast(InputT, inputs.model_copy(update={"cases": cases}))
        return await super().ask(prompt, inputs)
