"""Ablations: persona + alignment with one part taken away.

A part is taken away either by a setting of the optimizer, or by never showing it: neither while
the optimizer simulates, so that nothing can be learned from it, nor when the persona is served.
``persona`` and ``rag`` are ablations as well (without alignment; without all of the persona) and
are arms of their own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from persona_agent.errors import InputError
from persona_agent.evals.arms.arm import Answerer, Arm, Bench, View, whole
from persona_agent.evals.data.eval_data import EvalUser
from persona_agent.optimizer import OptimizerConfig
from persona_agent.schema import ContextPolicy, Persona

NEVER = 1e9
"""Standard errors by which nothing ever wins."""

Override = int | float | bool | str


@dataclass(frozen=True)
class Ablation:
    """What is taken away, and how."""

    what: str
    view: View = whole
    config: Mapping[str, Override] = field(default_factory=dict)
    heeds_change: bool = True


def overridden(config: OptimizerConfig, changes: Mapping[str, Override]) -> OptimizerConfig:
    """Return a configuration with changes. Raises InputError for a field that it does not have.

    An override that reached nothing would make an ablation a copy of the whole.
    """
    unknown = sorted(set(changes) - set(OptimizerConfig.model_fields))
    if unknown:
        raise InputError(f"the optimizer has no setting {', '.join(unknown)}")
    return config.model_copy(update=dict(changes))


def showing(**shown: bool | int) -> View:
    """Return the view that forces parts of the policy, for example ``show_claims=False``."""

    def view(persona: Persona) -> Persona:
        return persona.model_copy(update={"policy": persona.policy.model_copy(update=shown)})

    return view


def fixed(policy: ContextPolicy) -> View:
    """Return the view in which every persona is shown by one policy."""

    def view(persona: Persona) -> Persona:
        return persona.model_copy(update={"policy": policy})

    return view


def ablated(arm: Arm, ablation: Ablation) -> Arm:
    """Return the arm without a part."""

    async def fit(bench: Bench, user: EvalUser) -> Answerer:
        config = overridden(bench.config, ablation.config)
        cut = dataclasses.replace(
            bench, config=config, view=ablation.view, heeds_change=ablation.heeds_change
        )
        return await arm(cut, user)

    return fit


ABLATIONS: dict[str, Ablation] = {
    "without-claims": Ablation("the persona's claims", showing(show_claims=False)),
    "without-memory": Ablation("recalled episodes", showing(recalled=0)),
    "without-statistics": Ablation("the counts of outcomes", showing(show_statistics=False)),
    "without-demonstrations": Ablation("examples", showing(show_demonstrations=False)),
    "without-action": Ablation("the choice of what is shown", fixed(ContextPolicy())),
    "without-drift": Ablation(
        "whatever follows a change: overtaken cases stay, old choices count as much as new ones",
        showing(drop_superseded=False),
        config={"retire_cases": int(NEVER)},
        heeds_change=False,
    ),
    "without-edits": Ablation("rounds of critique and edit", config={"epochs": 0}),
    "without-verification": Ablation("checks of claims on other cases", config={"verify_cases": 0}),
    "without-gate": Ablation("the check of edits on later cases", config={"edit_errors": -NEVER}),
    "without-guard": Ablation("the comparison with generic", config={"harm_errors": NEVER}),
}
