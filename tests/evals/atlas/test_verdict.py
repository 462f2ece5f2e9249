"""The verdict on people that were made up to have, or not to have, a taste of their own."""

from __future__ import annotations

import random

import pytest

from persona_agent.errors import InputError
from persona_agent.evals.atlas import Learner, Verdict, judge
from persona_agent.evals.atlas.conclusion import conclude
from persona_agent.evals.atlas.histories import shuffled
from persona_agent.llm.offline import OfflineModel
from persona_agent.optimizer import OptimizerConfig
from persona_agent.schema import Episode
from persona_agent.testing import HashEmbedder
from tests.evals.atlas.conftest import MakeEpisode

TAGS = ("comedy", "drama", "war", "western")
QUICK = OptimizerConfig(epochs=0)


@pytest.fixture
def learner(model: OfflineModel, embedder: HashEmbedder) -> Learner:
    return Learner(model, embedder, QUICK)


@pytest.fixture
def people(episode: MakeEpisode) -> dict[str, list[Episode]]:
    """Twelve people; each takes one tag in three of four films, whatever the film."""
    generator = random.Random(0)
    return {
        f"person {n:02}": [
            episode(
                f"person {n:02}",
                k,
                f"film {generator.randrange(10_000)} of {generator.choice('abcdefgh') * 4}",
                TAGS[n % 4] if generator.random() < 0.75 else generator.choice(TAGS),
                TAGS,
            )
            for k in range(26)
        ]
        for n in range(12)
    }


async def test_a_taste_is_found_where_it_is_and_not_where_it_was_shuffled_away(
    people: dict[str, list[Episode]], learner: Learner
) -> None:
    found = await judge(people, learner, half=10)
    assert found.structure
    assert found.words[0].split(".")[0] in {"Clear structure", "Some structure"}
    assert found.finding("learned", "behaviour").separation.own_auc > 0.6
    for kind in ("histories shuffled", "outcomes shuffled", "initial"):
        null = found.finding(kind, "behaviour")  # type: ignore[arg-type]
        assert null.gain[1] <= 0
    assert (found.users, found.draws, found.half) == (12, 3, 10)
    assert Verdict.model_validate_json(found.model_dump_json()) == found

    chance = await judge(shuffled(people, random.Random(5)), learner, half=10)
    assert (chance.structure, chance.clusters) == ((), ())
    assert chance.words[0].startswith("No structure.")


async def test_equal_arguments_give_an_equal_verdict(
    people: dict[str, list[Episode]], learner: Learner
) -> None:
    few = {user: people[user] for user in list(people)[:6]}
    first = await judge(few, learner, half=6)
    assert await judge(few, learner, half=6) == first
    assert await judge(few, learner, half=6, seed=1) != first


async def test_too_little_to_judge_on_is_said(
    people: dict[str, list[Episode]], learner: Learner
) -> None:
    few = {user: people[user] for user in list(people)[:4]}
    with pytest.raises(InputError, match="needs 5 users with 16 interactions"):
        await judge(few, learner, half=8)
    with pytest.raises(InputError, match="at least 3 draws"):
        await judge(people, learner, draws=2)


async def test_the_words_follow_the_figures(
    people: dict[str, list[Episode]], learner: Learner
) -> None:
    found = await judge(people, learner, half=10)
    swapped = []
    for one in found.findings:
        source = "histories shuffled" if one.kind == "learned" else one.kind
        swapped.append(
            found.finding(source, one.space).model_copy(update={"kind": one.kind})  # type: ignore[arg-type]
        )
    structure, clusters, words = conclude(swapped, found.users)
    assert (structure, clusters) == ((), ())
    assert words[0].startswith("No structure.")
    assert any("users are few" in line for line in words)
