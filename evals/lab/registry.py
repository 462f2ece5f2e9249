"""The table of the lab's experiments, in the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence

from persona_agent.errors import InputError
from persona_agent.evals.lab.agent_drift import AGENT_DRIFT
from persona_agent.evals.lab.bench import Experiment
from persona_agent.evals.lab.coherence import COHERENCE
from persona_agent.evals.lab.commitment import COMMITMENT
from persona_agent.evals.lab.dnli import DNLI
from persona_agent.evals.lab.drift import DRIFT
from persona_agent.evals.lab.fidelity import FIDELITY
from persona_agent.evals.lab.gym import GYM, GYM_PUBLISHED
from persona_agent.evals.lab.listener import LISTENER
from persona_agent.evals.lab.pressure import PRESSURE
from persona_agent.evals.lab.prior import PRIOR
from persona_agent.evals.lab.realism import SIMULATOR
from persona_agent.evals.lab.recovery import MEDIATOR
from persona_agent.evals.lab.stability import STABILITY
from persona_agent.evals.lab.truthfulness import TRUTHFULNESS

EXPERIMENTS: tuple[Experiment, ...] = (
    DRIFT, AGENT_DRIFT, TRUTHFULNESS, COHERENCE, LISTENER, STABILITY, PRESSURE, PRIOR, COMMITMENT,
    GYM, GYM_PUBLISHED, FIDELITY, SIMULATOR, MEDIATOR, DNLI,
)  # fmt: skip


def choose(names: Sequence[str] | None) -> tuple[Experiment, ...]:
    """Return the named experiments in the table's order, all by default. Raises InputError."""
    if names is None:
        return EXPERIMENTS
    known = {one.name for one in EXPERIMENTS}
    for name in names:
        if name not in known:
            raise InputError(
                f"there is no experiment {name!r}: there are {', '.join(sorted(known))}"
            )
    return tuple(one for one in EXPERIMENTS if one.name in names)
