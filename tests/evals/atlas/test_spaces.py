"""Personas as vectors, by claims and by behaviour."""

from __future__ import annotations

import numpy as np
import pytest

from persona_agent.errors import BudgetExceededError, ModelCallError
from persona_agent.evals.atlas.behaviour import behaviour_vectors
from persona_agent.evals.atlas.claim_space import centred, claim_vectors
from persona_agent.prompts import DecideInputs, RespondInputs
from persona_agent.schema import Persona, Query
from persona_agent.testing import HashEmbedder, ScriptedModel
from tests.evals.atlas.conftest import MakeEntry


def test_a_claim_weighs_by_the_logarithm_of_its_support(
    entry: MakeEntry, embedder: HashEmbedder
) -> None:
    rows = claim_vectors([entry("u", ("likes tea", 1), ("hates rain", 8))], embedder)
    tea, rain = embedder.embed(["likes tea", "hates rain"])
    expected = np.log(2) * tea + np.log(9) * rain
    assert np.allclose(rows[0], expected / np.linalg.norm(expected), atol=1e-6)


def test_a_persona_without_claims_is_zero_and_stays_zero(
    entry: MakeEntry, embedder: HashEmbedder
) -> None:
    entries = [entry("a"), entry("b", "likes tea"), entry("c", "likes rum")]
    rows = claim_vectors(entries, embedder)
    assert not rows[0].any()
    moved = centred(rows)
    assert not moved[0].any()
    assert np.allclose(moved[1], -moved[2], atol=1e-5)


def test_equal_personas_differ_in_nothing(entry: MakeEntry, embedder: HashEmbedder) -> None:
    rows = claim_vectors([entry(user, "likes tea") for user in "abc"], embedder)
    assert not centred(rows).any()


def test_a_name_an_id_or_an_episode_does_not_tell_personas_apart(
    entry: MakeEntry, embedder: HashEmbedder
) -> None:
    ana = entry("ana-17", "Ana Silva likes tea, says ana-17 (e0-0)", name="Ana Silva")
    ben = entry("ben_4200", "Ben Okri likes tea, says ben_4200 (e0-0)", name="Ben Okri")
    one, other = claim_vectors([ana, ben], embedder)
    assert float(one @ other) > 0.9
    plain = claim_vectors([entry("x", ana.persona.claims[0].text)], embedder)[0]
    assert float(one @ plain) < 0.9


def script(model_choice: dict[str, int | Exception]) -> ScriptedModel:
    """Answer by the first word of the claim that is shown."""

    def decide(inputs: DecideInputs) -> dict[str, object]:
        for word, choice in model_choice.items():
            if word in inputs.persona:
                if isinstance(choice, Exception):
                    raise choice
                return {"choice": choice, "confidence": 0.9, "reason": "so"}
        return {"choice": 1, "confidence": 0.1, "reason": "none"}

    def respond(inputs: RespondInputs) -> dict[str, object]:
        return {"answer": "tea please" if "tea" in inputs.persona else "strong coffee"}

    return ScriptedModel({"decide": decide, "respond": respond})


async def test_behaviour_is_the_share_of_probes_answered_alike(
    entry: MakeEntry, embedder: HashEmbedder
) -> None:
    personas = [entry(u, f"likes {u}").persona for u in ("tea", "rum", "ale")]
    model = script({"tea": 2, "rum": 2, "ale": 1})
    probes = [Query(text=f"probe {n}", options=("x", "y", "z")) for n in range(3)]
    rows = await behaviour_vectors(personas, probes, model, embedder)
    assert np.allclose(rows @ rows.T, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-6)
    assert all(not inputs.recalled for _, inputs in model.requests)  # type: ignore[attr-defined]


async def test_near_ratings_agree_more_than_far_ones(
    entry: MakeEntry, embedder: HashEmbedder
) -> None:
    personas = [entry(u, f"likes {u}").persona for u in ("one", "two", "five")]
    model = script({"one": 1, "two": 2, "five": 5})
    stars = [Query(text="stars?", options=("1", "2", "3", "4", "5"))]
    rows = await behaviour_vectors(personas, stars, model, embedder)
    near = rows @ rows.T
    assert near[0, 1] == pytest.approx(np.cos(np.pi / 8), abs=1e-6)
    assert near[0, 2] == pytest.approx(0.0, abs=1e-6)


async def test_an_answer_that_fails_agrees_with_none_and_a_spent_budget_ends_it(
    entry: MakeEntry, embedder: HashEmbedder
) -> None:
    personas = [entry(u, f"likes {u}").persona for u in ("tea", "rum")]
    probes = [Query(text="which", options=("x", "y")), Query(text="what do you drink")]
    failing = script({"tea": 2, "rum": ModelCallError("away")})
    rows = await behaviour_vectors(personas, probes, failing, embedder)
    drinks = embedder.embed(["tea please", "strong coffee"])
    assert float(rows[0] @ rows[1]) == pytest.approx(float(drinks[0] @ drinks[1]) / 2**0.5)
    with pytest.raises(BudgetExceededError):
        spent = script({"tea": BudgetExceededError("spent")})
        await behaviour_vectors(personas, probes, spent, embedder)


async def test_without_probes_nothing_is_known(embedder: HashEmbedder) -> None:
    rows = await behaviour_vectors([Persona(user_id="u")], [], ScriptedModel(), embedder)
    assert not rows.any()
