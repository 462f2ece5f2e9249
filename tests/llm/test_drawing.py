"""Answers drawn anew are not those of the cache, and a model that does not vary is not asked."""

from __future__ import annotations

from persona_agent.llm.drawing import draws
from persona_agent.llm.response_cache import request_key
from persona_agent.prompts import PROFILE, ProfileInputs, ProfileOutput
from persona_agent.protocols import InputT, OutputT, Prompt
from persona_agent.testing import ScriptedModel

INPUTS = ProfileInputs(cases=())


class Keyed(ScriptedModel):
    """Notes the key by which the answer cache would know each request."""

    def __init__(self, *, deterministic: bool) -> None:
        super().__init__({"profile": ProfileOutput(profile="quiet")})
        self._deterministic = deterministic
        self.keys: list[str] = []

    @property
    def deterministic(self) -> bool:
        return self._deterministic

    async def ask(self, prompt: Prompt[InputT, OutputT], inputs: InputT) -> OutputT:
        self.keys.append(request_key("m", prompt.render(inputs), prompt, temperature=1.0))
        return await super().ask(prompt, inputs)


async def test_every_draw_is_kept_apart_and_comes_back_as_itself() -> None:
    model = Keyed(deterministic=False)
    first, second = draws(model, 2)
    for one in (model, first, second, first, model):
        await one.ask(PROFILE, INPUTS)
    assert len(set(model.keys)) == 3
    assert model.keys[1] == model.keys[3] and model.keys[0] == model.keys[4]


def test_a_model_that_does_not_vary_is_not_drawn_again() -> None:
    assert draws(Keyed(deterministic=True), 2) == []
