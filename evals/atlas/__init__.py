"""The atlas: personas embedded, clustered, mapped, and a verdict on whether that means anything.

``build_atlas`` makes an :class:`Atlas`, ``judge`` a :class:`Verdict`; ``page.render_page``,
``figure.figure`` and ``picture.save_picture`` show them. Importing this package loads no plotting
library, no scikit-learn and no torch.
"""

from __future__ import annotations

from persona_agent.evals.atlas.build import build_atlas, describe
from persona_agent.evals.atlas.findings import Finding, Verdict
from persona_agent.evals.atlas.learn import Learner
from persona_agent.evals.atlas.records import Atlas, Cluster, Entry, MapName, Point, Space
from persona_agent.evals.atlas.verdict import judge

__all__ = [
    "Atlas",
    "Cluster",
    "Entry",
    "Finding",
    "Learner",
    "MapName",
    "Point",
    "Space",
    "Verdict",
    "build_atlas",
    "describe",
    "judge",
]
