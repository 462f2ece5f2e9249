"""What listed features decide choices: a conditional logit over past choices, as claims.

P(o) is proportional to exp(sum of the weights of the features of o), over the options of one
choice (McFadden 1974). What all options share cancels out, and a feature is judged against those
it competed with. Later choices weigh more, so that a change of taste is followed; of choices
without a date none is known to be later.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_agent.llm.offline.evidence import Array
from persona_agent.llm.offline.terms import segments
from persona_agent.persona.render import quoted
from persona_agent.prompts import Case

RIDGE = 0.3
HALF_LIFE = 30
"""Choices after which an older one weighs half."""

STEPS = 50
CONVERGED = 1e-6
TELLING = 0.2
"""Least weight, as log-odds, of a feature that is worth a word."""

PHRASES = 4


def feature_claims(cases: Sequence[Case]) -> list[tuple[str, tuple[str, ...], int]]:
    """Return one claim for each group of features that compete: text, support, cases against.

    Args:
        cases: choices among options that list features, in time order.
    """
    listed = [[sorted(segments(option)) for option in case.options] for case in cases]
    chosen = [case.options.index(case.outcome) for case in cases]
    names = sorted({name for options in listed for option in options for name in option})
    weights = dict(zip(names, _logit(listed, chosen, names, _recency(cases)), strict=True))
    found = []
    for group in _competing(listed, names):
        text = _text(group, weights)
        if text:
            inside = [n for n, options in enumerate(listed) if group & {*options[0], *options[-1]}]
            agreeing = [n for n in inside if _first(listed[n], weights) == chosen[n]]
            support = tuple(cases[n].episode_id for n in agreeing)
            found.append((text, support, len(inside) - len(agreeing)))
    return found


def _recency(cases: Sequence[Case]) -> Array:
    """Return how much each choice weighs, 1 for the latest; shape (cases,)."""
    dated = np.array([bool(case.date) for case in cases])
    return np.where(dated, 0.5 ** (np.arange(len(cases))[::-1] / HALF_LIFE), 1.0)


def _logit(
    listed: list[list[list[str]]], chosen: list[int], names: list[str], recency: Array
) -> Array:
    """Return one weight a feature: the maximum of the weighted, ridged likelihood, by Newton.

    The likelihood is concave. A full step may still overshoot where choices are many and agree,
    so that it is halved until it gains.
    """
    place = {name: index for index, name in enumerate(names)}
    designs = []
    for options, best in zip(listed, chosen, strict=True):
        design = np.zeros((len(options), len(names)))
        for row, option in enumerate(options):
            design[row, [place[name] for name in option]] = 1.0
        designs.append(design - design[best])
    weights = np.zeros(len(names))
    value, gradient, curvature = _likelihood(designs, recency, weights)
    for _ in range(STEPS):
        step = np.linalg.solve(curvature, gradient)
        tried = _likelihood(designs, recency, weights + step)
        while tried[0] < value and np.abs(step).max() > CONVERGED:
            step /= 2
            tried = _likelihood(designs, recency, weights + step)
        if np.abs(step).max() <= CONVERGED:
            break
        weights, (value, gradient, curvature) = weights + step, tried
    return weights


def _likelihood(
    designs: Sequence[Array], recency: Array, weights: Array
) -> tuple[float, Array, Array]:
    """Return the ridged log-likelihood, its gradient, and minus its second derivative.

    Args:
        designs: of each choice (options, features), less the features of what was chosen.
        recency: (choices,) how much each counts.
        weights: (features,).
    """
    value = -RIDGE / 2 * float(weights @ weights)
    gradient = -RIDGE * weights
    curvature = RIDGE * np.eye(len(weights))
    for design, worth in zip(designs, recency, strict=True):
        scores = design @ weights
        shares = np.exp(scores - scores.max())
        value -= worth * float(scores.max() + np.log(shares.sum()))
        shares /= shares.sum()
        mean = shares @ design
        gradient = gradient - worth * mean
        spread = design - mean
        curvature += worth * (spread.T * shares) @ spread
    return value, gradient, curvature


def _competing(listed: list[list[list[str]]], names: list[str]) -> list[set[str]]:
    """Return the features in groups: those that ever stood in one choice stand together."""
    group = {name: {name} for name in names}
    for options in listed:
        joined: set[str] = set().union(*(group[name] for option in options for name in option))
        for name in joined:
            group[name] = joined
    unique = {id(one): one for one in group.values()}
    return sorted(unique.values(), key=min)


def _text(group: set[str], weights: dict[str, float]) -> str:
    ranked = sorted(group, key=lambda name: (-weights[name], name))
    liked = [name for name in ranked if weights[name] >= TELLING][:PHRASES]
    avoided = [name for name in ranked[::-1] if weights[name] <= -TELLING][:PHRASES]
    parts = [
        f"{verb} what has {', '.join(map(quoted, names))}"
        for verb, names in (("prefers", liked), ("avoids", avoided))
        if names
    ]
    return "; ".join(parts)


def _first(options: list[list[str]], weights: dict[str, float]) -> int:
    scores = [sum(weights[name] for name in option) for option in options]
    return int(np.argmax(scores))
