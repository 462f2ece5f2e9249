"""Leanings between described options: from what claims name, and from what was chosen before."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from persona_agent.llm.offline.evidence import Array
from persona_agent.llm.offline.reading import Claim
from persona_agent.prompts import Case
from persona_agent.protocols import Embedder, Vectors

PHRASE = 1.0
PAST_CHOICES = 12.0


def mentions(option: str, phrase: str) -> bool:
    """Tell whether an option contains a phrase, as whole words."""
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


def from_choices(
    options: Vectors, past: Sequence[Case], weights: Array, embedder: Embedder
) -> Array:
    """Return log-odds from past choices: nearer to what was chosen than to what was turned down.

    score(o) = PAST_CHOICES * sum over cases of weight * (o . chosen - max(o . rejected)), centred

    Each option is set beside the one that it is most like among those turned down: of "hot cider"
    and "frozen slush", a choice of "warm beverage" over "frozen drink" tells which is wanted, and
    what else was on offer then tells nothing.

    Args:
        options: (options, dimensions) unit vectors.
        past: cases with their options.
        weights: (cases,) how much each case counts; they sum to 1.
        embedder: of the options of the cases.
    """
    scores = np.zeros(len(options))
    for case, weight in zip(past, weights, strict=True):
        rejected = [option for option in case.options if option != case.outcome]
        if rejected:
            near = options @ embedder.embed([case.outcome, *rejected]).T
            scores += weight * (near[:, 0] - near[:, 1:].max(axis=1))
    scores *= PAST_CHOICES
    return np.asarray(scores - scores.mean(), dtype=np.float64)
