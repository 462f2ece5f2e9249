"""What a change of taste does to the search for a policy."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from persona_agent.memory.personas import SQLPersonaStore
from persona_agent.optimizer import Evaluate, OptimizerConfig, PersonaOptimizer, Search
from persona_agent.optimizer.judging import Slices
from persona_agent.prompts import DraftInputs
from persona_agent.protocols import LanguageModel, Vectors
from persona_agent.schema import ContextPolicy, Episode, Persona, Query, Trial
from persona_agent.testing import ScriptedModel

START = datetime(2026, 1, 1, tzinfo=UTC)
OPTIONS = ("tea", "milk", "juice")
ERRANDS = 10
ANSWERS: dict[str, Any] = {
    "draft_persona": {"claims": []},
    "critique": {"critique": "It was milk."},
    "propose_edits": {"edits": []},
}


def changed_mind() -> list[Episode]:
    """Ten errands, twice in turn; the second time each has another answer."""
    return [
        Episode(
            id=f"e{day:02d}",
            user_id="ann",
            query=Query(text=f"errand {day % ERRANDS}", options=OPTIONS, task="t"),
            outcome="tea" if day < ERRANDS else "milk",
            at=START + timedelta(days=day),
        )
        for day in range(2 * ERRANDS)
    ]


def vectors(user_id: str, ids: Sequence[str]) -> Vectors:
    errands = np.eye(ERRANDS, dtype=np.float32)
    return errands[[int(name[1:]) % ERRANDS for name in ids]]


async def remembered(
    persona: Persona, episodes: Sequence[Episode], model: LanguageModel
) -> list[Trial]:
    """Memory answers "tea", which is wrong the second time; the generic prompt "milk"."""
    answer = "tea" if persona.policy.recalled else "milk"
    return [
        Trial(episode_id=one.id, answer=answer, loss=float(answer != one.outcome), confidence=0.9)
        for one in episodes
    ]


def search(
    vectors_of: bool, *, current: Persona | None = None, evaluate: Evaluate = remembered
) -> Search:
    return Search(
        "ann",
        changed_mind(),
        evaluate=evaluate,
        current=current,
        model=ScriptedModel(ANSWERS),
        config=OptimizerConfig(),
        vectors=vectors if vectors_of else None,
    )


async def found(vectors_of: bool) -> Persona:
    return await search(vectors_of).run()


async def test_what_overtook_the_memory_does_not_speak_against_memory() -> None:
    assert (await found(False)).policy == ContextPolicy.generic()
    heeding = (await found(True)).policy
    assert heeding.recalled > 0 and heeding.drop_superseded


async def test_since_taste_changed_only_later_cases_are_served() -> None:
    assert (await found(True)).policy.since == START + timedelta(days=ERRANDS)
    assert (await found(False)).policy.since is None


async def test_once_taste_changed_claims_are_written_from_what_came_since() -> None:
    model = ScriptedModel(ANSWERS)
    own = [
        one.model_copy(
            update={
                "query": one.query.model_copy(
                    update={"options": tuple(f"{name} {one.query.text}" for name in OPTIONS)}
                ),
                "outcome": f"{one.outcome} {one.query.text}",
            }
        )
        for one in changed_mind()
    ]

    async def right(
        persona: Persona, episodes: Sequence[Episode], model: LanguageModel
    ) -> list[Trial]:
        loss = 0.0 if persona.policy.recalled else 1.0
        return [Trial(episode_id=one.id, answer="x", loss=loss) for one in episodes]

    config = OptimizerConfig()
    whole = Search("ann", own, evaluate=right, model=model, config=config, vectors=vectors)
    persona = await whole.run()
    drafts = [inputs for name, inputs in model.requests if name == "draft_persona"]
    assert persona.policy.show_claims and len(drafts) == 2
    assert isinstance(drafts[-1], DraftInputs)
    later = [one.id for one in own if one.at >= START + timedelta(days=ERRANDS)]
    assert [case.episode_id for case in drafts[-1].cases] == later


async def test_nothing_is_looked_for_in_a_history_on_the_event_loop(tmp_path: Path) -> None:
    looked: list[threading.Thread] = []

    def noted(user_id: str, ids: Sequence[str]) -> Vectors:
        looked.append(threading.current_thread())
        return vectors(user_id, ids)

    store = SQLPersonaStore(tmp_path / "personas.db")
    optimizer = PersonaOptimizer(
        simulator=lambda: remembered,
        model=ScriptedModel(ANSWERS),
        personas=store,
        journal_dir=tmp_path,
        vectors=noted,
    )
    await optimizer.optimize("ann", changed_mind())
    used = store.latest("ann")
    store.close()
    assert used is not None and used.policy.since == START + timedelta(days=ERRANDS)
    assert looked and threading.current_thread() not in looked


async def test_a_policy_is_judged_on_all_cases_whatever_was_served_before() -> None:
    seen: list[ContextPolicy] = []

    async def watched(
        persona: Persona, episodes: Sequence[Episode], model: LanguageModel
    ) -> list[Trial]:
        seen.append(persona.policy)
        return await remembered(persona, episodes, model)

    served = await found(True)
    await search(True, current=served, evaluate=watched).run()
    assert served.policy.since is not None
    assert seen and all(policy.since is None for policy in seen)


def test_changes_judge_no_policy_but_are_learned_from() -> None:
    history = changed_mind()
    slices = Slices.of(history, OptimizerConfig(), {"e12", "e17"})
    assert {"e12", "e17"}.isdisjoint(one.id for one in slices.replay)
    assert [*slices.train, *slices.validation] == history
    assert slices.changed and not Slices.of(history, OptimizerConfig()).changed
