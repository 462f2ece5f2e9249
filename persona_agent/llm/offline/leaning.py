"""Leanings between described options: from what claims name, and from what was chosen before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from persona_agent.llm.offline import logit
from persona_agent.llm.offline.evidence import Array, closeness
from persona_agent.llm.offline.manner import MANNERS, has_manner
from persona_agent.llm.offline.reading import Claim
from persona_agent.llm.offline.terms import segments
from persona_agent.prompts import Case
from persona_agent.protocols import Embedder
from persona_agent.schema import Query

PHRASE = 1.0
TASTE = 30.0
"""Variance of the utility of an option, before anything was chosen."""
ALIKE = 0.5
"""Cosine distance over which what is liked in one option says less of another, by e."""
MOST_KEPT = 1_024
MOST_OPTIONS = 400
"""Options of past choices that are looked at; the time that it takes grows with their cube."""


def mentions(option: str, phrase: str) -> bool:
    """Tell whether an option contains a phrase, as whole words, or has the manner that it names."""
    if phrase in MANNERS:
        return has_manner(option, phrase)
    return re.search(rf"(?<!\w){re.escape(phrase.casefold())}(?!\w)", option.casefold()) is not None


def from_claims(options: Sequence[str], claims: Sequence[Claim], applies: Array) -> Array:
    """Return log-odds from phrases that claims are for or against.

    A claim that rests on more cases counts more: log(1 + seen) for each phrase. A phrase that is
    an option itself is a label: those are counted as cases, and do not lean as well.
    """
    scores = np.zeros(len(options))
    labels = {option.casefold() for option in options}
    for claim, fit in zip(claims, applies, strict=True):
        weight = PHRASE * float(np.log1p(claim.seen)) * float(fit)
        for phrases, sign in ((claim.likes, 1.0), (claim.avoids, -1.0)):
            for phrase in phrases:
                if phrase.casefold() in labels:
                    continue
                found = np.array([phrase != "" and mentions(option, phrase) for option in options])
                if not found.all():
                    scores += sign * weight * found
    return scores


def from_choices(query: Query, past: Sequence[Case], embedder: Embedder) -> Array:
    """Return log-odds from past choices: what they make one expect of the utility of each option.

    Utilities are a Gaussian process over options, in which options that are alike have similar
    ones, and a choice is a conditional logit of them; see ``logit``. So of "hot cider" and "frozen
    slush", a choice of "warm beverage" over "frozen drink" tells which is wanted; what was on
    offer everywhere and never taken is told from what is new; and what several choices say alike
    does not add up. A choice counts as far as it is like the one at hand, in what is asked and in
    what is on offer.

    Args:
        query: with its options.
        past: cases with their options, the most similar ones first.
        embedder: of queries and options.
    """
    choices = [[case.outcome, *(o for o in case.options if o != case.outcome)] for case in past]
    ends = np.cumsum([len(options) for options in choices])
    looked_at = max(1, int((ends <= MOST_OPTIONS).sum()))
    past, choices, ends = past[:looked_at], choices[:looked_at], ends[:looked_at]
    shown = [option for options in choices for option in options]
    kernel = _alike([*shown, *query.options], embedder)
    asked = embedder.embed([case.query for case in past]) @ embedder.embed([query.text])[0]
    to_shown = np.split(kernel[len(shown) :, : len(shown)], ends[:-1], axis=1)
    offered = np.array([near.max(axis=1).mean() for near in to_shown])
    points = logit.features(TASTE * kernel)
    weights = logit.fit(
        np.split(points[: len(shown)], ends[:-1]),
        [0] * len(past),
        closeness(np.asarray(asked, dtype=np.float64) + offered),
        ridge=1.0,
    )
    scores = points[len(shown) :] @ weights
    return np.asarray(scores - scores.mean(), dtype=np.float64)


class ChoiceReader:
    """Reads past choices as ``from_choices`` does, and keeps what it found last. Thread-safe.

    The candidates of an optimization are asked the same of the same past, one after the other:
    what differs are their claims.
    """

    def __init__(self, embedder: Embedder, *, most: int = MOST_KEPT) -> None:
        """Take the embedder, and how many results are kept."""

        @lru_cache(maxsize=most)
        def read(query: Query, past: tuple[Case, ...]) -> Array:
            return from_choices(query, past, embedder)

        self._read = read

    def __call__(self, query: Query, past: Sequence[Case]) -> Array:
        """Return log-odds, not to be changed in place; shape (options,)."""
        return self._read(query, tuple(past))


def _alike(options: Sequence[str], embedder: Embedder) -> Array:
    """Return how alike options are, (options, options): 1 for equal ones, else towards 0.

    Options that list features are as alike as their features on average.
    """
    listed = [sorted(segments(option)) or [option] for option in options]
    names = list(dict.fromkeys(name for names in listed for name in names))
    place = {name: index for index, name in enumerate(names)}
    vectors = np.asarray(embedder.embed(names), dtype=np.float64)
    near = np.exp((vectors @ vectors.T - 1.0) / ALIKE)
    share = np.zeros((len(options), len(names)))
    for row, one in enumerate(listed):
        share[row, [place[name] for name in one]] = 1 / len(one)
    kernel = share @ near @ share.T
    size = np.sqrt(np.diag(kernel))
    return np.asarray(kernel / np.outer(size, size), dtype=np.float64)
