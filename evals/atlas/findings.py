"""What the verdict rests on: the figures of each kind of personas in each space."""

from __future__ import annotations

from typing import Literal

from persona_agent.evals.atlas.records import Space
from persona_agent.evals.atlas.replication import Replication
from persona_agent.evals.atlas.separation import Separation
from persona_agent.schema.base import Record

SPACES: tuple[Space, ...] = ("claims", "behaviour")

Kind = Literal["learned", "histories shuffled", "outcomes shuffled", "initial"]
KINDS: tuple[Kind, ...] = ("learned", "histories shuffled", "outcomes shuffled", "initial")
"""Personas of the histories as they are, of two kinds of shuffled ones, and before learning."""


class Finding(Record):
    """What one kind of personas shows in one space.

    ``gain`` is own AUC minus that of personas from shuffled histories, with its 95 % interval over
    users. ``silent`` is the share of personas without a claim.
    """

    kind: Kind
    space: Space
    separation: Separation
    replication: Replication
    silent: float
    gain: tuple[float, float, float]


class Verdict(Record):
    """What was found, and what it means in words.

    ``structure`` names the spaces in which personas are nearer to the same user's other persona
    than to others', more than with shuffled histories; ``clusters`` those in which groups found
    on one half come back on the other. Empty: in none.
    """

    structure: tuple[Space, ...]
    clusters: tuple[Space, ...]
    words: tuple[str, ...]
    findings: tuple[Finding, ...]
    users: int
    left_out: int
    draws: int
    half: int
    probes: int
    model: str
    embedder: str
    seed: int

    def finding(self, kind: Kind, space: Space) -> Finding:
        """Return what one kind of personas shows in one space."""
        return next(one for one in self.findings if one.kind == kind and one.space == space)
