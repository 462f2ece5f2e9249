"""Weighing evidence for each option: a mixture of counts, recalled cases and claims.

    log score(o) = BETA z(o) + log( ALPHA base(o) + (1 - s) C(o) + s n R(o) + P(o) ) + L(o)

z is the zero-shot similarity of query and option, C the counts of past outcomes discounted by age
(n is their mass), R the share of the k recalled cases that agree, weighted by similarity, P the
cases that applicable claims stand for, L the leanings between described options. The share of
recall is s = by_subject k / (k + FEW_CASES): a few cases must not outvote a long history. With
recalled cases alone s = 1 and n = k. The constants were measured; see ARCHITECTURE.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

BETA = 9.0
ALPHA = 1.0
BY_SUBJECT = 0.5
HALF_LIFE = 10.0
ATTENTION = 0.10
FEW_CASES = 16
SAME_OUTCOME = 0.05
CLAIM_APPLIES_AT = 0.35
CLAIM_TEMPERATURE = 0.05


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


def recency(age: Array, half_life: float) -> Array:
    """Return the weight of a case that lies ``age`` cases back: halved every ``half_life``."""
    return np.asarray(0.5 ** (np.asarray(age, dtype=np.float64) / half_life))


def discounted(
    total: int, latest: int, counts: Array, latest_index: Array, half_life: float
) -> Array:
    """Return age-discounted counts from a count table and the list of the latest outcomes.

    Args:
        total: number of outcomes counted.
        latest: how many of them the list of the latest holds.
        counts: (outcomes,) counts over all time.
        latest_index: (latest,) index of each latest outcome, newest first; -1 for unlisted.
        half_life: in cases.

    The latest are weighted one by one; the older share the mass that is left to their ages.
    """
    older = counts.astype(np.float64).copy()
    weights = np.zeros(len(counts))
    for place, index in enumerate(latest_index.astype(int)):
        if index >= 0:
            older[index] = max(0.0, older[index] - 1)
            weights[index] += 0.5 ** (place / half_life)
    mass = recency(np.arange(latest, max(total, latest)), half_life).sum()
    if older.sum() > 0:
        weights += older / older.sum() * mass
    return weights


def attention(similarity: Array) -> Array:
    """Return weights that sum to 1: softmax of similarity over ATTENTION.

    Age plays no part here: discounting a handful of similar cases by age was measured to hurt.
    """
    weights = np.exp((similarity - similarity.max()) / ATTENTION)
    return np.asarray(weights / weights.sum())


def applicability(similarity: Array) -> Array:
    """Return how far claims apply, 0 to 1, from the similarity of query and scope."""
    return np.asarray(1.0 / (1.0 + np.exp((CLAIM_APPLIES_AT - similarity) / CLAIM_TEMPERATURE)))


def mixture(
    base: Array,
    counted: Counted | None,
    recalled: RecalledCases | None,
    claims: Array,
    *,
    by_subject: float,
) -> Array:
    """Return the expected number of cases for each option, shape (options,), all positive."""
    expected = base * ALPHA + claims
    share, mass = 0.0, 0.0
    if recalled:
        cases = len(recalled.similarity)
        share, mass = 1.0, float(cases)
        if counted:
            share = by_subject * cases / (cases + FEW_CASES)
            mass = float(counted.weight.sum())
        expected = expected + share * mass * (recalled.agree @ attention(recalled.similarity))
    if counted:
        expected = expected + (1 - share) * (counted.agree @ counted.weight)
    return np.asarray(expected)
