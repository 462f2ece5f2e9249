"""The mediator: an explicit request in place of a wish that is spread over a conversation."""

from __future__ import annotations

from collections.abc import Sequence

from persona_agent.prompts import Case
from persona_agent.prompts.lab import MEDIATE, REFINE, Line, MediateInputs, RefineInputs
from persona_agent.protocols import LanguageModel
from persona_agent.schema import Episode


async def mediated(
    model: LanguageModel, conversation: Sequence[Line], habits: Sequence[str] = ()
) -> str:
    """Return the request that a conversation adds up to, for an assistant that sees only it.

    The user's lines have the speaker "user". Raises ModelError.
    """
    inputs = MediateInputs(habits=tuple(habits), conversation=tuple(conversation))
    return (await model.ask(MEDIATE, inputs)).request


async def learn_habits(model: LanguageModel, episodes: Sequence[Episode]) -> list[str]:
    """Return how a user phrases and omits things, each habit shown by two episodes or more.

    Episodes without an outcome tell nothing of what was meant and are left out. Raises ModelError.
    """
    records = tuple(Case.of(one) for one in episodes if one.outcome is not None)
    if not records:
        return []
    found = await model.ask(REFINE, RefineInputs(records=records))
    return [one.text for one in found.guidelines]
