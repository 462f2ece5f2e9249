"""Answering one query through the model, given its context."""

from __future__ import annotations

from persona_agent.agent.context import Context
from persona_agent.prompts import DECIDE, DECIDE_BRIEF, RESPOND, DecideInputs, RespondInputs
from persona_agent.protocols import LanguageModel
from persona_agent.schema import Query
from persona_agent.schema.base import Record


class Answer(Record):
    """An answer to a query: the full text of an option, or free text.

    ``confidence`` is between 0 and 1 where the task has options, else None.
    """

    text: str
    confidence: float | None = None
    reason: str = ""


async def answer(model: LanguageModel, query: Query, context: Context) -> Answer:
    """Let the model answer as the user would. Raises ModelError when no usable answer comes."""
    if not query.options:
        reply = await model.ask(
            RESPOND,
            RespondInputs(
                query=query,
                persona=context.persona_text,
                recalled=context.cases,
                date=context.date,
            ),
        )
        return Answer(text=reply.answer)
    chosen = await model.ask(
        DECIDE_BRIEF if context.brief else DECIDE,
        DecideInputs(
            query=query, persona=context.persona_text, recalled=context.cases, date=context.date
        ),
    )
    return Answer(
        text=query.options[chosen.choice - 1], confidence=chosen.confidence, reason=chosen.reason
    )
