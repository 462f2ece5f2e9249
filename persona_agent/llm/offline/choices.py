"""What listed features decide choices: a conditional logit over past choices, as claims.

Later choices weigh more, so that a change of taste is followed; of choices without a date none is
known to be later.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_agent.llm.offline import logit
from persona_agent.llm.offline.evidence import Array
from persona_agent.llm.offline.terms import segments
from persona_agent.persona.render import quoted
from persona_agent.prompts import Case

RIDGE = 0.3
HALF_LIFE = 30
"""Choices after which an older one weighs half."""

TELLING = 0.2
"""Least weight, as log-odds, of a feature that is worth a word."""

PHRASES = 4


def feature_claims(cases: Sequence[Case]) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Return one claim for each group of features that compete: text, support, contrary cases.

    Args:
        cases: choices among options that list features, in time order.
    """
    listed = [[sorted(segments(option)) for option in case.options] for case in cases]
    chosen = [case.options.index(case.outcome) for case in cases]
    names = sorted({name for options in listed for option in options for name in option})
    weights = _weights(listed, chosen, names, _recency(cases))
    found = []
    for group in _competing(listed, names):
        text = _text(group, weights)
        if text:
            inside = [n for n, options in enumerate(listed) if group & {*options[0], *options[-1]}]
            agreeing = [n for n in inside if _first(listed[n], weights) == chosen[n]]
            support = tuple(cases[n].episode_id for n in agreeing)
            contrary = tuple(cases[n].episode_id for n in inside if n not in agreeing)
            found.append((text, support, contrary))
    return found


def _recency(cases: Sequence[Case]) -> Array:
    """Return how much each choice weighs, 1 for the latest; shape (cases,)."""
    dated = np.array([bool(case.date) for case in cases])
    return np.where(dated, 0.5 ** (np.arange(len(cases))[::-1] / HALF_LIFE), 1.0)


def _weights(
    listed: list[list[list[str]]], chosen: list[int], names: list[str], recency: Array
) -> dict[str, float]:
    """Return the weight of each feature."""
    place = {name: index for index, name in enumerate(names)}
    choices = []
    for options in listed:
        present = np.zeros((len(options), len(names)))
        for row, option in enumerate(options):
            present[row, [place[name] for name in option]] = 1.0
        choices.append(present)
    fitted = logit.fit(choices, chosen, recency, ridge=RIDGE)
    return dict(zip(names, map(float, fitted), strict=True))


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
