"""Which version answers: the one that did best on similar cases, where that is seen to help."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from persona_agent.agent.context import ContextBuilder
from persona_agent.memory.episodes import InMemoryEpisodeStore
from persona_agent.memory.personas import SQLPersonaStore
from persona_agent.optimizer import OptimizerConfig, PersonaOptimizer
from persona_agent.optimizer.policy_search import seeing_since
from persona_agent.persona import diff
from persona_agent.persona.alternatives import LEAST_CASES, alternative, as_version, choose
from persona_agent.persona.curation import correct_claim, delete_claim
from persona_agent.protocols import LanguageModel
from persona_agent.schema import Claim, ContextPolicy, Episode, Persona, Query, Section, Trial
from persona_agent.testing import HashEmbedder, ScriptedModel

START = datetime(2026, 1, 1, tzinfo=UTC)
EMBEDDER = HashEmbedder()
SILENT = ScriptedModel({"draft_persona": {"claims": []}, "propose_edits": {"edits": []},
    "critique": {"critique": "an exception"}, "verify_claims": {"verdicts": []}})  # fmt: skip

Knows = Callable[[Persona, Episode], bool]
Luck = Mapping[tuple[str, str], bool]


def knowing(topic: str, version: str) -> Persona:
    claim = Claim(section=Section.EXPERTISE, text=f"knows {topic}", evidence=("long ago",))
    return Persona(version=version, user_id="ann", claims=(claim,), cause="optimize")


def history(count: int = 40) -> list[Episode]:
    topics = ("music from the opera", "gardening with roses")
    return [
        Episode(
            id=f"e{n:03d}",
            user_id="ann",
            query=Query(text=f"{topics[n % 2]} number {n}", options=("yes", "no")),
            outcome="yes",
            at=START + timedelta(days=n),
        )
        for n in range(count)
    ]


def stored(episodes: Sequence[Episode]) -> InMemoryEpisodeStore:
    store = InMemoryEpisodeStore()
    store.add(episodes, EMBEDDER.embed([one.query.text for one in episodes]))
    return store


def words(persona: Persona) -> str:
    return " ".join(claim.text for claim in persona.claims)


def right_on_own_topic(persona: Persona, episode: Episode) -> bool:
    return any(c.text.split()[-1] in episode.query.text for c in persona.claims)


async def optimized(
    folder: Path, versions: Sequence[Persona], knows: Knows, *, alternatives: int = 2
) -> tuple[PersonaOptimizer, Persona]:
    """Optimize a user whose versions so far are these; ``knows`` tells where one is right."""
    episodes = history()
    store, personas = stored(episodes), SQLPersonaStore(folder / "personas.db")
    before = None
    for version in versions:
        personas.put(version, expected=before)
        before = version.version

    async def evaluate(
        persona: Persona, asked: Sequence[Episode], model: LanguageModel
    ) -> list[Trial]:
        right = [persona.policy.show_claims and knows(persona, one) for one in asked]
        return [
            Trial(episode_id=one.id, answer="yes" if ok else "no", loss=0.0 if ok else 1.0)
            for one, ok in zip(asked, right, strict=True)
        ]

    engine = PersonaOptimizer(
        simulator=lambda: evaluate,
        model=SILENT,
        personas=personas,
        journal_dir=folder / "journal",
        config=OptimizerConfig(alternatives=alternatives),
        vectors=store.vectors,
    )
    await engine.optimize("ann", episodes)
    found = personas.latest("ann")
    assert found is not None
    return engine, found


TWO = (knowing("opera", "v1"), knowing("roses", "v2"))


async def test_it_is_switched_on_where_each_version_is_better_on_its_topics(tmp_path: Path) -> None:
    engine, found = await optimized(tmp_path, TWO, right_on_own_topic)
    assert [one.version for one in found.alternatives] == ["v1"]
    (revision,) = engine._personas.revisions("ann")
    gates = {gate.gate: gate for gate in revision.gates}
    assert gates["version by similar cases"].passed
    assert gates["version by similar cases"].difference < -0.3
    assert gates["no worse than generic"].candidate_loss < 0.3
    assert not diff(TWO[1], found).empty
    contexts = ContextBuilder(stored(history()), EMBEDDER, persona_tokens=600)
    for text, claim in (
        ("more music from the opera", "knows opera"),
        ("more gardening with roses", "knows roses"),
    ):
        shown = contexts.build(found, Query(text=text, options=("yes", "no")))
        assert claim in shown.persona_text
    assert shown.persona_version == found.version


async def test_since_when_taste_is_this_is_the_same_for_all_versions(tmp_path: Path) -> None:
    stale = TWO[0].model_copy(update={"policy": ContextPolicy(since=START)})
    _, found = await optimized(tmp_path, (stale, TWO[1]), right_on_own_topic)
    assert [one.policy.since for one in found.alternatives] == [None], "nothing changed"
    changed = seeing_since(found, START)
    assert changed.policy.since == START
    assert [one.policy.since for one in changed.alternatives] == [START]


async def test_it_stays_off_where_the_version_in_use_is_as_good(tmp_path: Path) -> None:
    def both(persona: Persona, episode: Episode) -> bool:
        return "roses" in words(persona) or right_on_own_topic(persona, episode)

    engine, found = await optimized(tmp_path, TWO, both)
    assert not found.alternatives and not found.track_record
    (revision,) = engine._personas.revisions("ann")
    assert not {g.gate: g for g in revision.gates}["version by similar cases"].passed


async def test_it_stays_off_where_luck_and_not_the_topic_tells_them_apart(tmp_path: Path) -> None:
    switched_on = 0
    for seed in range(20):
        draw = random.Random(seed)
        lucky = {(words(v), e.id): draw.random() < 0.5 for v in TWO for e in history()}

        def by_chance(persona: Persona, episode: Episode, of: Luck = lucky) -> bool:
            return of.get((words(persona), episode.id), False)

        _, found = await optimized(tmp_path / str(seed), TWO, by_chance)
        switched_on += bool(found.alternatives)
    assert switched_on <= 1  # one in twenty is what a bar of two standard errors may let through


async def test_it_can_be_switched_off_and_needs_an_earlier_version(tmp_path: Path) -> None:
    _, off = await optimized(tmp_path / "off", TWO, right_on_own_topic, alternatives=0)
    _, alone = await optimized(tmp_path / "alone", TWO[1:], right_on_own_topic)
    assert not off.alternatives and not alone.alternatives


async def test_cases_that_a_version_was_written_from_do_not_speak_for_it(tmp_path: Path) -> None:
    rests = tuple(one.id for one in history())
    (claim,) = TWO[0].claims
    cited = claim.model_copy(update={"evidence": rests})
    engine, found = await optimized(
        tmp_path, (TWO[0].model_copy(update={"claims": (cited,)}), TWO[1]), right_on_own_topic
    )
    assert not found.alternatives
    (revision,) = engine._personas.revisions("ann")
    assert "version by similar cases" not in [gate.gate for gate in revision.gates]


# --- the rule -----------------------------------------------------------------------------------


def test_the_nearest_cases_decide_and_few_or_equal_ones_do_not() -> None:
    costs = np.array([[1.0, 0.0]] * LEAST_CASES + [[0.0, 1.0]] * LEAST_CASES)
    near = np.array([0.9] * LEAST_CASES + [0.1] * LEAST_CASES)
    assert choose(costs, near) == 1
    assert choose(costs, near[::-1].copy()) == 0
    assert choose(costs[: LEAST_CASES - 1], near[: LEAST_CASES - 1]) == 0
    assert choose(np.ones((8, 2)), near) == 0


def with_choice() -> Persona:
    record = {one.id: (float(n % 2 == 0), float(n % 2)) for n, one in enumerate(history())}
    return TWO[1].model_copy(
        update={"alternatives": (alternative(TWO[0]),), "track_record": record}
    )


def test_the_past_decides_alone() -> None:
    contexts = ContextBuilder(stored(history()), EMBEDDER, persona_tokens=600)
    asked = Query(text="more music from the opera", options=("yes", "no"))
    early = contexts.build(with_choice(), asked, before=START + timedelta(days=3))
    late = contexts.build(with_choice(), asked, before=START + timedelta(days=30))
    assert ("knows roses" in early.persona_text, "knows opera" in late.persona_text) == (True, True)


def test_cases_of_other_tasks_say_nothing() -> None:
    contexts = ContextBuilder(stored(history()), EMBEDDER, persona_tokens=600)
    asked = Query(text="more music from the opera", task="chat")
    assert "knows roses" in contexts.build(with_choice(), asked).persona_text


def test_deleted_episodes_and_none_at_all_leave_the_version_in_use() -> None:
    contexts = ContextBuilder(stored([]), EMBEDDER, persona_tokens=600)
    asked = Query(text="more music from the opera", options=("yes", "no"))
    assert "knows roses" in contexts.build(with_choice(), asked).persona_text


def test_what_the_user_did_to_claims_holds_for_alternatives() -> None:
    persona = with_choice()
    (own,) = TWO[0].claims
    both = persona.model_copy(update={"claims": (*persona.claims, own)})
    assert as_version(delete_claim(both, own.id), 1).claims == ()
    (corrected,) = as_version(correct_claim(both, own.id, "hates opera"), 1).claims
    assert corrected.text == "hates opera"


def test_the_record_has_a_cost_for_every_version() -> None:
    with pytest.raises(ValidationError, match="needs 2 costs"):
        Persona.model_validate(with_choice().model_dump() | {"track_record": {"e1": (1.0,)}})


def test_the_policy_of_the_alternative_acts() -> None:
    quiet = ContextPolicy(recalled=0, show_claims=False)
    persona = with_choice()
    (other,) = persona.alternatives
    silent = other.model_copy(update={"policy": quiet})
    assert as_version(persona.model_copy(update={"alternatives": (silent,)}), 1).policy == quiet
