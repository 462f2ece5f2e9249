"""The lab's statistics on constructed data whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.evals.lab import divergence, joint, survival, variance
from persona_agent.evals.lab.intervals import mean_interval, paired_interval
from persona_agent.persona import copying, losses, rsa
from persona_agent.persona import variance as split
from persona_agent.persona.rerank import without_contradictions

# --- variance -----------------------------------------------------------------------------------


def test_components_of_a_hand_computed_table() -> None:
    # Two personas, two items, two runs; cells 1, 3 / 5, 11, runs one below and one above.
    cells = np.array([[1.0, 3.0], [5.0, 11.0]])
    values = cells[:, :, None] + np.array([-1.0, 1.0])
    found = split.components(values)
    # MS_P = 2*2*((2-5)^2 + (8-5)^2)/1 = 72; MS_Q = 2*2*(2^2 + 2^2) = 32; MS_PQ = 2*4*1^2 = 8;
    # MS_e = 8/4 = 2.
    assert found.run == pytest.approx(2)
    assert found.interaction == pytest.approx((8 - 2) / 2)
    assert found.persona == pytest.approx((72 - 8) / 4)
    assert found.item == pytest.approx((32 - 8) / 4)


def test_components_are_recovered_without_bias() -> None:
    generator = np.random.default_rng(1)
    found = []
    for _ in range(300):
        values = (
            generator.normal(0, 2, (6, 1, 1))
            + generator.normal(0, 1, (1, 8, 1))
            + generator.normal(0, 0.5, (6, 8, 1))
            + generator.normal(0, 1.5, (6, 8, 3))
        )
        one = split.components(values)
        found.append([one.persona, one.item, one.interaction, one.run])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / math.sqrt(300)
    assert np.all(np.abs(mean - [4, 1, 0.25, 2.25]) < 4 * error)


@given(st.integers(0, 2**31), st.integers(2, 5), st.integers(1, 4), st.integers(2, 4))
def test_distances_give_the_noise_corrected_variance(seed: int, p: int, q: int, n: int) -> None:
    values = np.random.default_rng(seed).normal(size=(p, q, n))
    found = split.stability(split.number_distances(values))
    run = values.var(axis=2, ddof=1).mean(axis=0)
    between = values.mean(axis=2).var(axis=0, ddof=1) - run / n
    assert found.run == pytest.approx(run.sum())
    assert found.between == pytest.approx(between.sum())


def test_noise_alone_is_no_persona_signal() -> None:
    generator = np.random.default_rng(2)
    values = generator.normal(size=(20, 30, 3))
    distances = split.number_distances(values)
    assert split.stability(distances).icc < 0.05
    assert variance.permutation_p(distances[:5], permutations=199) > 0.02
    naive = values.mean(axis=2).var(axis=0, ddof=1).mean()
    assert naive > 0.25  # what an uncorrected estimate would call the persona's


def test_personas_that_differ_are_told_apart_in_every_kind_of_answer() -> None:
    labels = np.array([[["a", "a"]] * 3, [["b", "b"]] * 3, [["c", "c"]] * 3])
    categories = variance.category_distances(labels)
    found = split.stability(categories)
    assert (found.icc, found.run, found.run_dominated) == (1.0, 0.0, 0)
    assert variance.permutation_p(categories, permutations=199) == pytest.approx(1 / 200)
    vectors = np.eye(3)[:, None, None, :].repeat(4, axis=1).repeat(2, axis=2)
    assert split.stability(variance.text_distances(vectors)).icc == 1.0
    assert variance.icc_interval(categories) == (1.0, 1.0)


def test_equal_answers_everywhere_tell_nothing() -> None:
    same = split.stability(split.number_distances(np.ones((3, 4, 2))))
    assert math.isnan(same.icc) and same.run_dominated == 0
    assert variance.robustness(np.ones((3, 4, 2))) == math.inf


def test_the_noise_of_a_gate() -> None:
    # Runs of variance .5 over 4 episodes on each side: sqrt(.5 / 4 + .5 / 4).
    assert split.gate_noise(0.5, 4) == pytest.approx(0.5)
    assert split.gate_noise(0.0, 4) == 0


# --- the imaginary listener ---------------------------------------------------------------------


def test_a_listener_takes_the_speaker_for_whom_it_heard_and_a_leak_forgets_some_of_it() -> None:
    worlds = np.log([[0.70, 0.20, 0.08, 0.02], [0.70, 0.02, 0.20, 0.08], [0.70, 0.02, 0.08, 0.20]])
    prior = rsa.updated_prior(worlds, rsa.uniform_prior(3), 1, beta=1)
    assert np.exp(prior) == pytest.approx([0.833, 0.083, 0.083], abs=6e-4)
    leaky = rsa.updated_prior(worlds, rsa.uniform_prior(3), 1, beta=1, leak=0.5)
    assert np.exp(leaky) == pytest.approx([0.583, 0.208, 0.208], abs=6e-4)


def test_a_listener_without_votes_knows_nothing() -> None:
    assert rsa.listener_from_votes([0, 0]) == pytest.approx([0.5, 0.5])
    assert rsa.listener_from_votes([3, 0]) == pytest.approx([3.5 / 4, 0.5 / 4])


# --- contradiction-aware order ------------------------------------------------------------------


def test_a_contradiction_costs_the_spread_of_the_best() -> None:
    scores = np.array([0.9, 0.8, 0.5])
    assert without_contradictions(scores, np.array([1.0, 0, 0]), depth=3) == pytest.approx(
        [0.5, 0.8, 0.5]
    )
    assert without_contradictions(scores, np.zeros(3)) == pytest.approx(scores)
    assert len(without_contradictions(np.zeros(0), np.zeros(0))) == 0


# --- bullshit -----------------------------------------------------------------------------------


def test_the_corners_of_the_bullshit_index() -> None:
    beliefs = [0.0, 0.0, 1.0, 1.0]
    for said, index, correlation in (
        ([False, False, True, True], 0, 1),
        ([True, True, False, False], 0, -1),
        ([True, False, True, False], 1, 0),
    ):
        corner = losses.bullshit_index(said, beliefs)
        assert (corner.index, corner.correlation) == pytest.approx((index, correlation))
    for said, believed in (([True] * 4, beliefs), ([True, False] * 2, [0.3] * 4), ([], [])):
        found = losses.bullshit_index(said, believed)
        assert math.isnan(found.index) and math.isnan(found.correlation)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=30))
def test_the_bullshit_index_ignores_the_sign(pairs: list[tuple[bool, float]]) -> None:
    said, believed = [a for a, _ in pairs], [b for _, b in pairs]
    found = losses.bullshit_index(said, believed)
    other = losses.bullshit_index([not a for a in said], believed)
    if math.isnan(found.index):
        assert math.isnan(other.index)
    else:
        assert 0 <= found.index <= 1
        assert found.index == pytest.approx(other.index)
        assert found.correlation == pytest.approx(-other.correlation)


# --- persona and coherence together -------------------------------------------------------------


def test_parrot_and_generic_both_lose_to_a_good_policy() -> None:
    parrot = joint.joint_score(1.0, 0.3, 1.0)
    generic = joint.joint_score(0.1, 0.95, 0.0)
    good = joint.joint_score(0.8, 0.85, 0.4)
    assert parrot == pytest.approx(2 * 0.3 / 1.3 * 0.5)
    assert max(parrot, generic) < 0.4 < 0.8 < good
    assert joint.joint_score(0, 0, 0) == 0


def test_copying_is_a_subsequence_of_a_statement() -> None:
    persona = ["I have two old dogs.", "I sing."]
    assert copying.copying("well , I have, you know, two old dogs", persona) == 1.0
    assert copying.copying("two dogs", persona) == pytest.approx(2 / 5)
    assert copying.copying("", persona) == copying.copying("word", []) == 0.0
    assert copying.containment("I have two old cats", persona) == pytest.approx(2 / 3)


WORDS = st.lists(st.sampled_from("abc"), max_size=8)


@given(WORDS, WORDS)
def test_the_common_subsequence(first: list[str], second: list[str]) -> None:
    found = copying.common_subsequence(first, second)
    assert found == copying.common_subsequence(second, first) <= min(len(first), len(second))
    assert copying.common_subsequence(first, first + second) == len(first)


def test_coherence_of_a_reply_and_of_a_dialogue() -> None:
    assert joint.coherent("qa-pair", to_question=True)
    assert not joint.coherent("elaboration", to_question=True)
    assert joint.coherent("elaboration", to_question=False)
    assert not joint.coherent("topic-shift", to_question=False)
    assert joint.global_coherence(4, {(0, 1): "comment", (1, 2): "none", (2, 3): "result"}) == 0.5
    assert joint.global_coherence(0, {}) == 0.0


# --- survival -----------------------------------------------------------------------------------


def test_the_survival_curve_of_a_textbook_example() -> None:
    # 6, 6, 6, 6+, 7, 9+, 10, 10+ of Freireich's leukaemia trial, the others later.
    times = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    lost = [True, True, True, False, True, False, True, False, False, True, True, False, False,
            False, True, True, False, False, False, False, False]  # fmt: skip
    steps = {step.time: step.survival for step in survival.survival_curve(times, lost)}
    expected = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    assert {time: steps[time] for time in expected} == pytest.approx(expected, abs=6e-4)
    assert survival.half_life(survival.survival_curve(times, lost)) == 23


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=20))
def test_survival_only_falls(runs: list[tuple[int, bool]]) -> None:
    steps = survival.survival_curve([t for t, _ in runs], [gone for _, gone in runs])
    shares = [1.0, *(step.survival for step in steps)]
    assert shares == sorted(shares, reverse=True) and shares[-1] >= -1e-12
    if not any(gone for _, gone in runs):
        assert shares[-1] == 1.0


def test_a_missing_verdict_is_no_loss() -> None:
    assert survival.first_loss([True, None, False, True]) == (3, True)
    assert survival.first_loss([True, True, None]) == (2, False)
    assert survival.first_loss([None]) == (0, False)
    assert survival.recovery([True, False, None, True], after=2) == 2
    assert survival.recovery([True, False], after=2) is None


# --- divergence ---------------------------------------------------------------------------------


def test_auc_counts_ties_as_half() -> None:
    assert divergence.auc([2, 3], [0, 1]) == 1.0
    assert divergence.auc([1, 1], [1, 1]) == 0.5
    assert math.isnan(divergence.auc([], [1]))


def test_divergence_has_known_ends() -> None:
    assert divergence.jensen_shannon({"a": 1.0}, {"b": 1.0}) == pytest.approx(1)
    assert divergence.jensen_shannon({"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.5}) == 0
    assert divergence.commitment(["x"] * 5) == 1
    assert divergence.commitment(["a", "b", "c"]) == pytest.approx(0)
    assert math.isnan(divergence.commitment(["a"]))
    assert divergence.distinct(["a b a b"]) == pytest.approx(2 / 3)
    assert math.isnan(divergence.distinct(["a"]))


def test_the_discriminator_sees_a_shift_and_nothing_else() -> None:
    generator = np.random.default_rng(0)
    real, same = generator.normal(size=(2, 150, 8))
    assert abs(divergence.discriminator_auc(real, same) - 0.5) < 0.1
    assert divergence.discriminator_auc(real, same + 2) > 0.95
    assert math.isnan(divergence.discriminator_auc(real[:1], same))


# --- intervals ----------------------------------------------------------------------------------


def test_what_is_missing_is_not_zero() -> None:
    mean, bounds, count = mean_interval([1.0, None, 1.0, math.nan])
    assert (mean, bounds, count) == (1.0, (1.0, 1.0), 2)
    assert mean_interval([None]) == (None, None, 0)
    assert mean_interval([1.0, 0.0], ["a", "a"]) == (0.5, None, 2)


def test_clusters_widen_the_interval() -> None:
    values = [float(i % 2) for i in range(40) for _ in range(5)]
    alone = mean_interval(values)[1]
    together = mean_interval(values, [str(i) for i in range(40) for _ in range(5)])[1]
    assert alone is not None and together is not None
    assert together[1] - together[0] > 1.5 * (alone[1] - alone[0])


def test_a_paired_difference_needs_both() -> None:
    mean, _, count = paired_interval([1.0, None, 3.0], [0.0, 1.0, 1.0])
    assert (mean, count) == (1.5, 2)
