"""A model whose claims and facts are judged before anybody gets to see them.

What rules find is refused wherever claims and facts come in (``persona/admission.py``). Rules miss
what is worded in a way that nobody thought of; so what passes them and was written by a model is
shown to the model once more, under a prompt that asks nothing else, all statements of one answer in
one call. It is booked to whoever the answer is booked to, within the same budgets.

Nothing gets in unjudged: without a usable verdict every statement of the answer is left out, and
where the call itself fails (no budget, no connection), so does asking for the statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from persona_agent.errors import ModelAnswerError
from persona_agent.llm.passing import PassingModel
from persona_agent.persona.admission import admitted
from persona_agent.persona.left_out import JUDGED, leave_out
from persona_agent.prompts import (
    DISTIL_FACTS,
    DRAFT_PERSONA,
    PROPOSE_EDITS,
    DistilledFact,
    DraftedClaim,
    ProposedEdit,
)
from persona_agent.prompts.admit import ADMIT, AdmitInputs
from persona_agent.protocols import InputT, LanguageModel, OutputT, Prompt

_FIELDS = {
    DRAFT_PERSONA.name: "claims",
    PROPOSE_EDITS.name: "edits",
    DISTIL_FACTS.name: "facts",
}
"""Prompts whose answers hold statements about a user, and in which field."""


class AdmittingModel(PassingModel):
    """Leaves out of its answers what would direct the assistant."""

    async def ask(self, prompt: Prompt[InputT, OutputT], inputs: InputT) -> OutputT:
        """Ask the model inside; have new claims, edits and facts judged. Raises ModelError."""
        output = await self._inner.ask(prompt, inputs)
        field = _FIELDS.get(prompt.name)
        if field is None:
            return output
        written: tuple[Any, ...] = getattr(output, field)
        words = [_words(one) for one in written]
        waiting = [place for place, one in enumerate(words) if any(one) and admitted(*one)]
        directing = await directing_among(self._inner, [_joined(words[place]) for place in waiting])
        refused = {waiting[place] for place in directing}
        for place in refused:
            leave_out(_joined(words[place]), JUDGED)
        kept = tuple(one for place, one in enumerate(written) if place not in refused)
        return output.model_copy(update={field: kept})


async def directing_among(model: LanguageModel, statements: Sequence[str]) -> frozenset[int]:
    """Return the places of the statements that direct the assistant, as a model sees it.

    All of them, where its verdict cannot be used.

    Raises:
        ModelError: the model cannot be asked.
    """
    if not statements:
        return frozenset()
    inputs = AdmitInputs(statements=tuple(statements))
    try:
        return (await model.ask(ADMIT, inputs)).directing(inputs)
    except ModelAnswerError:
        return frozenset(range(len(statements)))


def _words(one: DraftedClaim | ProposedEdit | DistilledFact) -> tuple[str, ...]:
    return (one.text,) if isinstance(one, DistilledFact) else (one.scope, one.text)


def _joined(words: tuple[str, ...]) -> str:
    return ": ".join(one for one in words if one)
