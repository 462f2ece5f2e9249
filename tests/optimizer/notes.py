"""What the tests of the objective share: a writer of notes, her personas, a search for one edit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from persona_agent.agent.simulate import Simulator
from persona_agent.memory.episodes import InMemoryEpisodeStore
from persona_agent.optimizer import OptimizerConfig, Search
from persona_agent.schema import Claim, ContextPolicy, Episode, Persona, Section
from persona_agent.testing import HashEmbedder, ScriptedModel
from persona_agent.testing.models import Script

USER = "ann"
START = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULT = OptimizerConfig()


def persona(*texts: str, recalled: int = 0, shown: bool = True) -> Persona:
    claims = tuple(Claim(section=Section.STYLE, text=text, evidence=("n0", "n1")) for text in texts)
    policy = ContextPolicy(recalled=recalled, show_claims=shown)
    return Persona(user_id=USER, claims=claims, policy=policy)


def simulator(past: Sequence[Episode], **options: Any) -> Simulator:
    """Return a simulator whose memory holds these episodes."""
    store, embedder = InMemoryEpisodeStore(), HashEmbedder()
    store.add(past, embedder.embed([one.query.text for one in past]))
    return Simulator(store, embedder, **options)


async def searched_for(
    edit: str, past: Sequence[Episode], respond: Script, config: OptimizerConfig, *own: Claim
) -> Search:
    """Search where only this edit is ever proposed, and the agent writes what ``respond`` says."""
    proposed = {"operation": "add", "section": "style", "text": edit, "evidence": ["E1", "E2"]}
    model = ScriptedModel(
        {
            "respond": respond,
            "draft_persona": {"claims": []},
            "critique": {"critique": "wrong"},
            "propose_edits": {"edits": [proposed]},
            "verify_claims": {"verdicts": [{"claim": "C1", "supports": ["E1"]}]},
        }
    )
    current = Persona(user_id=USER, claims=own) if own else None
    run = Search(USER, past, evaluate=simulator(past), model=model, config=config, current=current)
    await run.run()
    return run
