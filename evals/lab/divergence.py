"""Distances between distributions, and what can be told apart: AUC, JSD, susceptibility, wins."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
FOLDS = 5


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Return the chance that a positive scores above a negative, ties half; NaN when none.

    This is the area under the ROC curve (Hanley and McNeil 1982); 0.5 is no difference.
    """
    if not len(positive) or not len(negative):
        return math.nan
    above = np.asarray(positive, dtype=float)[:, None] - np.asarray(negative, dtype=float)[None]
    return float(((above > 0) + (above == 0) / 2).mean())


def shares(labels: Sequence[str]) -> dict[str, float]:
    """Return how often each label occurs, as shares."""
    return {label: count / len(labels) for label, count in Counter(labels).items()}


def entropy(probabilities: Sequence[float]) -> float:
    """Return the entropy in nats."""
    return -sum(p * math.log(p) for p in probabilities if p > 0)


def jensen_shannon(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Return the Jensen-Shannon divergence in bits: 0 for equal, 1 for disjoint distributions."""
    keys = first.keys() | second.keys()
    middle = [(first.get(k, 0.0) + second.get(k, 0.0)) / 2 for k in keys]
    apart = entropy(middle) - (entropy([*first.values()]) + entropy([*second.values()])) / 2
    return min(1.0, max(0.0, apart / math.log(2)))


def commitment(answers: Sequence[str]) -> float:
    """Return ``1 - H(answers) / log N`` of N regenerated answers: 1 all equal, 0 all different.

    Answers count as equal when they are after normalization by the caller. NaN below 2 answers.
    """
    if len(answers) < 2:
        return math.nan
    return 1 - entropy([*shares(answers).values()]) / math.log(len(answers))


def distinct(texts: Sequence[str], *, n: int = 2) -> float:
    """Return distinct n-grams over all n-grams of the texts, 0 to 1; NaN when there is none."""
    grams = [
        tuple(words[i : i + n])
        for words in (text.casefold().split() for text in texts)
        for i in range(len(words) - n + 1)
    ]
    return len(set(grams)) / len(grams) if grams else math.nan


def discriminator_auc(real: Floats, simulated: Floats) -> float:
    """Return how well unseen real and simulated texts are told apart, 0.5 (not at all) to 1.

    Regularized least squares on the vectors, trained on all folds but one and scored on that one;
    shapes (n, dimension) and (m, dimension). NaN with fewer than 2 texts a side.
    """
    if min(len(real), len(simulated)) < 2:
        return math.nan
    inputs = np.vstack([real, simulated]).astype(float)
    labels = np.r_[np.ones(len(real)), -np.ones(len(simulated))]
    generator = np.random.default_rng(0)
    fold = np.empty(len(labels), dtype=int)
    for side in (labels > 0, labels < 0):
        fold[side] = generator.permutation(np.arange(side.sum()) % FOLDS)
    above: list[float] = []
    for held in range(FOLDS):
        test, train = fold == held, fold != held
        if len(set(labels[test])) < 2 or len(set(labels[train])) < 2:
            continue
        middle = inputs[train].mean(axis=0)
        known = inputs[train] - middle
        dual = np.linalg.solve(known @ known.T + np.eye(len(known)), labels[train])
        scores = (inputs[test] - middle) @ (known.T @ dual)
        above.append(auc(scores[labels[test] > 0].tolist(), scores[labels[test] < 0].tolist()))
    return float(np.mean(above)) if above else math.nan
