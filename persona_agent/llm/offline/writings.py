"""What a user wrote: tells what they are about, where it cannot tell what they chose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_agent.llm.offline.evidence import CLAIM_TEMPERATURE, Array
from persona_agent.prompts import Case
from persona_agent.protocols import Embedder, Vectors

PROSE_WORDS = 30
PROSE_PER_OPTION = 2


def told_apart(cases: Sequence[Case], options: Sequence[str]) -> tuple[list[Case], list[Case]]:
    """Return the cases in which a thing was picked, and those whose answer is prose.

    Prose, such as an abstract, was picked from no list, and is longer than any of the options could
    be: no option can be the same again, so that how many agree says nothing.
    """
    longest = max((len(option.split()) for option in options), default=0)
    most = max(PROSE_WORDS, PROSE_PER_OPTION * longest)
    picked: list[Case] = []
    written: list[Case] = []
    for case in cases:
        prose = not case.options and len(case.outcome.split()) > most
        (written if prose else picked).append(case)
    return picked, written


def nearness(options: Vectors, writings: Sequence[Case], embedder: Embedder) -> Array:
    """Return how near each option is to what the user wrote about, at most 1.

    A soft maximum over the subjects of the writings: one of them is what the option has to do
    with, and an author has more than one field.

    Args:
        options: (options, dimensions) unit vectors.
        writings: at least one case; its query is what was written about.
        embedder: of the queries.
    """
    subjects = embedder.embed([case.query for case in writings])
    similarity = np.asarray(options @ subjects.T, dtype=np.float64) / CLAIM_TEMPERATURE
    return np.asarray(np.log(np.exp(similarity).mean(axis=1)) * CLAIM_TEMPERATURE)
