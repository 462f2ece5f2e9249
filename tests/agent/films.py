"""What tests of the agent share: films, what is said of them, models by script, records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from persona_agent.agent import PersonaAgent
from persona_agent.memory import open_memory
from persona_agent.protocols import LanguageModel
from persona_agent.schema import Claim, Episode, Fact, Persona, Section
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel

TAGS = ("comedy", "drama", "war")
SUBJECT = {
    "comedy": "fools and farce and jokes",
    "drama": "a family and its letters",
    "war": "soldiers in a trench",
}
START = datetime(2026, 1, 1, 9, tzinfo=UTC)
BAD_IDS = ["", "a\nb", "a\rb", "a\x00b", "\x7f", "x" * 257, "\ud800"]


class PaidModel(ScriptedModel):
    """A model whose answers cost something, so that they are journaled."""

    deterministic = False


def with_model(folder: Path, model: LanguageModel) -> PersonaAgent:
    chosen = Settings(data_dir=folder, embedder="hash")
    return PersonaAgent(open_memory(chosen), model, chosen)


def films(agent: PersonaAgent, user: str, count: int = 12, extra: str = "") -> list[str]:
    """Record films, each tagged by its subject; return the ids."""
    ids = []
    for number in range(count):
        tag = TAGS[number % 3]
        ids.append(
            agent.record_sync(
                user,
                f"{SUBJECT[tag]} number {number} {extra}".strip(),
                tag,
                options=TAGS,
                task="films",
                at=START + timedelta(days=number),
                id=f"film-{number}",
            )
        )
    return ids


def claim(text: str = "likes jokes", **fields: Any) -> Claim:
    return Claim(section=Section.PREFERENCES, text=text, **({"origin": "user"} | fields))


def put(agent: PersonaAgent, *claims: Claim, user: str = "ana", version: str = "v1") -> Persona:
    made = Persona(user_id=user, version=version, claims=claims)
    agent.memory.personas.put(made, expected=None)
    return made


def fact(agent: PersonaAgent, text: str, sources: Sequence[Episode], user: str = "ana") -> None:
    from persona_agent.memory.facts import Learned

    made = Fact(user_id=user, text=text, sources=tuple(one.id for one in sources))
    agent.memory.facts.learn(user, [Learned(fact=made)], list(sources))


CRITIQUE = {"critique": "The tag was missed.", "preference": "Prefers war."}
STEPS: dict[str, Any] = {
    "distil_facts": {"facts": []},
    "draft_persona": {"claims": []},
    "decide": {"choice": 2},
    "verify_claims": {"verdicts": []},
    "critique": CRITIQUE,
    "propose_edits": {"edits": []},
}
