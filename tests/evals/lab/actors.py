"""Models that play and judge in tests: rules by hand, so that every figure is known."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from persona_agent.errors import ModelCallError
from persona_agent.evals.lab.bench import Card, LabBench
from persona_agent.evals.lab.judges import Panel
from persona_agent.evals.lab.results import Findings
from persona_agent.llm.offline import OfflineModel
from persona_agent.prompts.lab import RelateInputs
from persona_agent.protocols import LanguageModel
from persona_agent.testing.embedder import HashEmbedder
from persona_agent.testing.models import ScriptedModel

ANA = Card(user_id="ana", statements=("I have a dog.", "I love tea.", "I work at night."))
BEN = Card(user_id="ben", statements=("I have a boat.", "I hate tea.", "I teach chemistry."))


def relations(inputs: RelateInputs) -> dict[str, Any]:
    """Contradict statements that are denied word by word, entail those that are repeated."""
    said = inputs.utterance.casefold()
    found = []
    for number, statement in enumerate(inputs.statements, 1):
        core = statement.casefold().strip(".")
        relation = (
            "contradiction"
            if f"not true: {core}" in said
            else "entailment" if core in said else "neutral"
        )  # fmt: skip
        found.append({"statement": number, "relation": relation, "evidence": ""})
    return {"relations": found}


def judge(name: str = "judge", **answers: Any) -> ScriptedModel:
    return ScriptedModel({"lab_relate": relations, **answers}, name=name)


def bench(
    actor: LanguageModel | None = None,
    *judges: LanguageModel,
    cards: tuple[Card, ...] = (ANA, BEN),
    votes: int = 1,
    **changes: Any,
) -> LabBench:
    embedder = HashEmbedder()
    offline = OfflineModel(embedder)
    return LabBench(
        actor=actor or offline,
        critic=changes.pop("critic", offline),
        judges=Panel(judges or (offline,), votes),
        embedder=embedder,
        cards=cards,
        population=(ANA, BEN),
        **{"turns": 3, "runs": 2, "items": 3, **changes},
    )


def in_turn(*values: Any) -> Callable[[Any], Any]:
    """Answer with the values in turn, from the first again."""
    counter = count()
    return lambda inputs: values[next(counter) % len(values)]


def says(*texts: str) -> Callable[[Any], Any]:
    """Say the texts in turn."""
    return in_turn(*({"reply": text} for text in texts))


FAILS = ModelCallError("HTTP 500")


def values(findings: Findings) -> dict[str, float | None]:
    """Return the figures by their names."""
    return {one.name: one.value for one in findings.figures}
