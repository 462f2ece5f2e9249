"""Weighing evidence for each option: a mixture of counts, recalled cases and claims.

    log score(o) = BETA z(o) + log( ALPHA base(o) + (1 - s) C(o) + s n R(o) + P(o) ) + L(o)

z is the zero-shot similarity of query and option, C the counts of past outcomes, most of their
mass n on the latest few, R the share of the k recalled cases that agree, weighted by similarity,
P the cases that applicable claims stand for, L the leanings between described options. The share
of recall is s = by_subject k / (k + FEW_CASES (1 - H)), H the normalized entropy of C: a few cases
must not outvote a strong habit, but counts that favour no answer say little. With recalled cases
alone s = 1 and n = k. Cases that are told by their outcome alone, closest first, are among the
recalled ones; see ``listed_similarity``. Where recalled cases are choices among options of their
own, L says what they say: C and R are left out, and z counts BESIDE_CHOICES. The constants were
measured; see ARCHITECTURE.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

BETA = 9.0
# How a question is put says little of a choice among things whose like was chosen before.
BESIDE_CHOICES = 1 / 9
ALPHA = 1.0
BY_SUBJECT = 0.5
RECENT_SHARE = 0.6
RECENT_HALF_LIFE = 3.0
MOST_COUNTED = 15.0
ATTENTION = 0.10
FEW_CASES = 16
# Places in a list of the cases most like the query until one counts half.
LISTED_HALF_LIFE = 5.0
SAME_OUTCOME = 0.05
CLAIM_APPLIES_AT = 0.35
CLAIM_TEMPERATURE = 0.05
# A claim sums up cases that are mostly counted or recalled as well: beside them it weighs less.
CLAIM_BESIDE_CASES = 0.25
FEW_SHOWN = 4


@dataclass(frozen=True)
class Counted:
    """Outcome counts against the options: ``agree`` (options, outcomes), weights (outcomes,)."""

    agree: Array
    weight: Array


@dataclass(frozen=True)
class RecalledCases:
    """Recalled cases: ``agree`` (options, cases), similarity to the query (cases,)."""

    agree: Array
    similarity: Array


def counted_weights(counts: Array, latest: Array, recent_share: float) -> Array:
    """Return what a count table weighs as evidence: (outcomes,) pseudo-counts.

    Args:
        counts: (outcomes,) counts over all time.
        latest: (latest,) index of each of the latest outcomes, newest first; -1 for unlisted.
        recent_share: part of the mass that the latest outcomes get, 0 to 1.

    The mass is the number of outcomes, at most MOST_COUNTED: a long history says no more of the
    next case than a few weeks of it.
    """
    total = counts.sum()
    if total == 0:
        return np.zeros(len(counts))
    recent = np.zeros(len(counts))
    for place, index in enumerate(latest.astype(int)):
        if index >= 0:
            recent[index] += 0.5 ** (place / RECENT_HALF_LIFE)
    share = recent_share if recent.sum() > 0 else 0.0
    mixed = (1 - share) * counts / total + share * recent / max(recent.sum(), 1e-12)
    return np.asarray(min(float(total), MOST_COUNTED) * mixed)


def attention(similarity: Array) -> Array:
    """Return weights that sum to 1: softmax of similarity over ATTENTION.

    Age plays no part here: discounting a handful of similar cases by age was measured to hurt.
    """
    weights = closeness(similarity)
    return np.asarray(weights / weights.sum())


def closeness(similarity: Array) -> Array:
    """Return how much each case counts, 1 for the most similar one; e less for each ATTENTION."""
    return np.asarray(np.exp((similarity - similarity.max()) / ATTENTION))


def listed_similarity(nearest: float, count: int) -> Array:
    """Return how similar cases are that are listed closest first, without their texts.

    Each is taken to count so much less than the one before it that LISTED_HALF_LIFE places halve
    what it counts.

    Args:
        nearest: similarity of the case that comes before the first of the list.
        count: of the cases in the list.
    """
    places = np.arange(1, count + 1)
    return np.asarray(nearest - ATTENTION * np.log(2.0) * places / LISTED_HALF_LIFE)


def applicability(similarity: Array) -> Array:
    """Return how far claims apply, 0 to 1, from the similarity of query and scope."""
    return np.asarray(1.0 / (1.0 + np.exp((CLAIM_APPLIES_AT - similarity) / CLAIM_TEMPERATURE)))


def evenness(weights: Array) -> float:
    """Return the entropy of weights over that of a uniform distribution, 0 to 1."""
    total = weights.sum()
    if total <= 0 or len(weights) < 2:
        return 1.0
    shares = weights[weights > 0] / total
    return float(-(shares * np.log(shares)).sum() / np.log(len(weights)))


def mixture(
    base: Array,
    counted: Counted | None,
    recalled: RecalledCases | None,
    claims: Array,
    *,
    by_subject: float,
    graded: bool = False,
) -> Array:
    """Return the expected number of cases for each option, shape (options,), all positive.

    Grades spread evenly even where the user is predictable, so for ratings H counts as 0.
    """
    expected = base * ALPHA + claims
    share, mass = 0.0, 0.0
    if recalled:
        cases = len(recalled.similarity)
        share, mass = 1.0, float(cases)
        if counted:
            even = 0.0 if graded else evenness(counted.agree @ counted.weight)
            share = by_subject * cases / (cases + FEW_CASES * (1 - even))
            mass = float(counted.weight.sum())
        expected = expected + share * mass * (recalled.agree @ attention(recalled.similarity))
    if counted:
        expected = expected + (1 - share) * (counted.agree @ counted.weight)
    return np.asarray(expected)
