"""The verdict on people that were made up to have, or not to have, a taste of their own."""

from __future__ import annotations

import random

import pytest

from persona_agent.errors import InputError
from persona_agent.evals.atlas import Learner, Verdict, judge
from persona_agent.evals.atlas.conclusion import conclude
from persona_agent.evals.atlas.findings import KINDS, SPACES, Finding, Kind
from persona_agent.evals.atlas.histories import shuffled
from persona_agent.evals.atlas.records import Space
from persona_agent.evals.atlas.replication import Replication
from persona_agent.evals.atlas.separation import Separation
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


@pytest.mark.slow
async def test_a_taste_is_found_where_it_is_and_not_where_it_was_shuffled_away(
    people: dict[str, list[Episode]], learner: Learner
) -> None:
    found = await judge(people, learner, half=10)
    assert found.structure
    assert found.words[0].split(".")[0] in {"Clear structure", "Some structure"}
    assert found.finding("learned", "behaviour").separation.own_auc > 0.6
    for kind in ("histories shuffled", "outcomes shuffled", "initial"):
        null = found.finding(kind, "behaviour")
        assert null.gain[1] <= 0
    assert (found.users, found.draws, found.half) == (12, 3, 10)
    assert Verdict.model_validate_json(found.model_dump_json()) == found

    chance = await judge(shuffled(people, random.Random(5)), learner, half=10)
    assert (chance.structure, chance.clusters) == ((), ())
    assert chance.words[0].startswith("No structure.")


@pytest.mark.slow
async def test_equal_arguments_give_an_equal_verdict(
    people: dict[str, list[Episode]], learner: Learner
) -> None:
    few = {user: people[user] for user in list(people)[:5]}
    first = await judge(few, learner, half=4)
    assert await judge(few, learner, half=4) == first
    assert await judge(few, learner, half=4, seed=1) != first


async def test_too_little_to_judge_on_is_said(
    people: dict[str, list[Episode]], learner: Learner
) -> None:
    few = {user: people[user] for user in list(people)[:4]}
    with pytest.raises(InputError, match="needs 5 users with 16 interactions"):
        await judge(few, learner, half=8)
    with pytest.raises(InputError, match="at least 3 draws"):
        await judge(people, learner, draws=2)


def figures(kind: Kind, space: Space, own_auc: float, p: float, ari: float) -> Finding:
    return Finding(
        kind=kind,
        space=space,
        separation=Separation(
            users=30,
            draws=3,
            auc=own_auc,
            own_auc=own_auc,
            own_auc_ci95=(own_auc - 0.05, own_auc + 0.05),
            retrieval=0.2,
            retrieval_ci95=(0.1, 0.3),
            chance=1 / 30,
            p=p,
        ),
        replication=Replication(
            clusters=3,
            silhouette=0.3,
            bootstrap=0.8,
            across_halves=ari,
            p=0.002 if ari > 0.1 else 0.5,
        ),
        silent=0.0,
        gain=(own_auc - 0.5, own_auc - 0.55, own_auc - 0.45),
    )


def concluded(
    claims: float, behaviour: float, *, asked: float = 0.5, ari: float = 0.0, p: float = 0.001
) -> tuple[tuple[Space, ...], tuple[Space, ...], str]:
    own: dict[Space, float] = {"claims": claims, "behaviour": behaviour}
    findings = [
        figures(kind, space, auc, p if auc > 0.5 else 0.5, ari)
        for space in SPACES
        for kind in KINDS
        for auc in [own[space] if kind == "learned" else asked if "outcomes" in kind else 0.5]
    ]
    structure, clusters, words = conclude(findings, users=30)
    return structure, clusters, "\n".join(words)


def test_the_words_follow_the_figures() -> None:
    structure, clusters, words = concluded(0.51, 0.5)
    assert (structure, clusters) == ((), ())
    assert words.startswith("No structure.")

    structure, clusters, words = concluded(0.9, 0.5)
    assert (structure, clusters) == (("claims",), ())
    assert words.startswith("Clear structure.") and "in what they claim." in words
    assert "It lies in what users choose" in words
    assert "do not read colours as groups" in words

    structure, clusters, words = concluded(0.57, 0.7, ari=0.6)
    assert structure == clusters == ("claims", "behaviour")
    assert words.startswith("Some structure.") and "hold: they come back" in words


def test_what_users_are_asked_about_is_told_from_what_they_choose() -> None:
    assert "Much of it may lie in what users are asked about" in concluded(0.8, 0.5, asked=0.8)[2]
    assert "Part of it may lie in what users are asked about" in concluded(0.8, 0.5, asked=0.65)[2]


def test_two_spaces_share_the_level_of_the_test() -> None:
    assert concluded(0.8, 0.8, p=0.02)[0] == ("claims", "behaviour")
    structure, _, words = concluded(0.8, 0.8, p=0.03)
    assert structure == () and words.startswith("No structure.")
