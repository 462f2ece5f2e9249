"""What statements do, offline: the rule that every claim and fact is held against anyway."""

from __future__ import annotations

from persona_agent.persona.admission import admitted
from persona_agent.prompts.admit import AdmitInputs, AdmitOutput, StatementVerdict


def admit(inputs: AdmitInputs) -> AdmitOutput:
    """Return a verdict on every statement."""
    return AdmitOutput(
        verdicts=tuple(
            StatementVerdict(
                statement=f"S{number}", does="describes" if admitted(statement) else "directs"
            )
            for number, statement in enumerate(inputs.statements, 1)
        )
    )
