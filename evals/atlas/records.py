"""What goes into an atlas and what comes out of it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from persona_agent.schema import Persona, UserId
from persona_agent.schema.base import Record

Vectors = npt.NDArray[np.float32]
"""Shape (n, dimension): unit rows, or zeros where nothing is known of a persona."""

Scalar = str | int | float | bool
Space = Literal["claims", "behaviour"]
MapName = Literal["pca", "tsne", "umap"]

NONE = -1
"""The group of a point that belongs to none."""


class Entry(Record):
    """One version of a persona. Entries of one user stand in the order of their versions.

    ``metadata`` is what points can be coloured by, beside what :func:`describe` finds.
    """

    persona: Persona
    name: str = ""
    metadata: dict[str, Scalar] = Field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name, or the user id where there is none."""
        return self.name or self.persona.user_id


class Point(Record):
    """One version of a persona on the map.

    ``x`` and ``y`` are None for a persona of which nothing is known in this space: it is listed,
    and not drawn. ``step`` counts the user's versions from 0. ``neighbours`` are the indices of
    the nearest points among other users' latest versions, nearest first; ``evidence`` counts the
    episodes that the claims rest on. ``cluster`` and ``dense`` are -1 for none.
    """

    user_id: UserId
    name: str
    version: str
    step: int = Field(ge=0)
    latest: bool
    x: float | None
    y: float | None
    cluster: int
    dense: int
    claims: tuple[str, ...]
    more_claims: int = Field(ge=0)
    evidence: int = Field(ge=0)
    neighbours: tuple[int, ...]
    metadata: dict[str, Scalar]


class Cluster(Record):
    """A k-means cluster: its name, the words behind it, and the claim that is most typical."""

    name: str
    terms: tuple[str, ...]
    typical: str
    size: int = Field(ge=0)


class Stability(Record):
    """Mean adjusted Rand index of clusterings of bootstrap samples, for a number of clusters."""

    clusters: int = Field(ge=2)
    agreement: float


class Atlas(Record):
    """Personas as points of a map, with their clusters.

    ``stable`` tells whether some number of clusters comes back under the bootstrap; where it does
    not, ``clusters`` are regions of a continuum. ``silhouette`` is None with fewer than 2 clusters.
    """

    space: Space
    map: MapName
    points: tuple[Point, ...]
    clusters: tuple[Cluster, ...]
    dense_groups: int = Field(ge=0)
    stability: tuple[Stability, ...]
    stable: bool
    silhouette: float | None
    embedder: str
    seed: int
    fitted: int = Field(ge=0)
    """How many points the map was fitted on; the others are placed by resemblance."""

    @property
    def steps(self) -> int:
        """The largest number of versions of a user."""
        return max((point.step + 1 for point in self.points), default=0)

    @property
    def users(self) -> int:
        """How many users there are."""
        return sum(point.latest for point in self.points)
