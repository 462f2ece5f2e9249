"""Which version of a persona answers: the one that did best on the most similar past cases.

    expected cost of a version = sum_i w_i * cost_i,  w = softmax(cosine / KERNEL)

over the nearest past cases of its track record. It is a kernel regression of the cost on the
query; with few cases, or equal costs, the version in use answers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from persona_agent.schema import Alternative, Persona

Floats = npt.NDArray[np.float64]

NEAREST = 8
KERNEL = 0.1
LEAST_CASES = 4
"""Past cases below which the version in use answers."""


def choose(costs: Floats, similarity: Floats) -> int:
    """Return the place of the version to answer with; of equal ones the first.

    Args:
        costs: shape (cases, versions), lower is better.
        similarity: shape (cases,), cosine of each case's query and the query at hand.
    """
    if len(costs) < LEAST_CASES:
        return 0
    nearest = np.argsort(-similarity, kind="stable")[:NEAREST]
    weights = np.exp((similarity[nearest] - similarity.max()) / KERNEL)
    expected = (weights / weights.sum()) @ costs[nearest]
    return int(np.argmin(np.round(expected, 9)))


def alternative(version: Persona) -> Alternative:
    """Return what a version learned, without what its user fixed: that is the latest version's."""
    learned = tuple(claim for claim in version.claims if not claim.protected)
    return Alternative(version=version.version, claims=learned, policy=version.policy)


def without_alternatives(persona: Persona) -> Persona:
    """Return the version by itself."""
    return persona.model_copy(update={"alternatives": (), "track_record": {}})


def as_version(persona: Persona, place: int) -> Persona:
    """Return the persona that answers: itself (place 0), or as its alternative would.

    What the user fixed, and what the user deleted, holds for every alternative.
    """
    if place == 0:
        return without_alternatives(persona)
    chosen = persona.alternatives[place - 1]
    fixed = tuple(claim for claim in persona.claims if claim.protected)
    ids = {claim.id for claim in fixed}
    taken = {claim.statement.casefold() for claim in fixed}
    taken |= {one.casefold() for one in persona.unwanted}
    learned = tuple(
        claim
        for claim in chosen.claims
        if claim.id not in ids and claim.statement.casefold() not in taken
    )
    update = {"claims": (*fixed, *learned), "policy": chosen.policy, "version": chosen.version}
    return without_alternatives(persona).model_copy(update=update)
