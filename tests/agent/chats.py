"""What tests of the chat share: models by script, what they are shown, a critic of replies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from persona_agent.memory import Memory
from persona_agent.prompts.lab import CheckInputs
from persona_agent.protocols import ChatMessage, ChatReply, ToolCall
from persona_agent.schema import ContextPolicy, Episode, Persona, Query
from persona_agent.settings import Settings


def changed(settings: Settings, **changes: Any) -> Settings:
    return Settings(**{**settings.model_dump(), **changes})


def call(name: str, **arguments: Any) -> ChatReply:
    return ChatReply(tool_calls=(ToolCall(id=f"id-{name}", name=name, arguments=arguments),))


def record(memory: Memory, user: str, query: str, outcome: str | None = None) -> Episode:
    episode = Episode(user_id=user, query=Query(text=query, task="films"), outcome=outcome)
    memory.episodes.add([episode], memory.embedder.embed([query]))
    return episode


def recall_nothing(memory: Memory, user: str) -> None:
    persona = Persona(user_id=user, policy=ContextPolicy(recalled=0))
    memory.personas.put(persona, expected=None)


def contents(messages: tuple[ChatMessage, ...]) -> list[str]:
    return [message.content for message in messages[1:]]


def conflicts(inputs: CheckInputs) -> dict[str, Any]:
    """A steak goes against a statement about meat, a changed name against the name given."""
    found = []
    for draft, text in enumerate(inputs.drafts, 1):
        for place, statement in enumerate(inputs.statements, 1):
            meat = statement.startswith("The user:") and "meat" in statement and "steak" in text
            name = statement.startswith("The assistant") and "Bo" in statement and "Kim" in text
            if meat or name:
                found.append({"draft": draft, "statement": place, "evidence": text})
    return {"contradictions": found}


def goes_against(messages: Any) -> str:
    return str(messages[0].content).partition("<goes_against>\n")[2].partition("</goes_against>")[0]


def noting(seen: list[CheckInputs]) -> Callable[[CheckInputs], dict[str, Any]]:
    """Return a critic that finds nothing, and notes what it is shown."""

    def check(inputs: CheckInputs) -> dict[str, Any]:
        seen.append(inputs)
        return {"contradictions": []}

    return check
