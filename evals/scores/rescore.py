"""Score a result again from its records, without asking the model again."""

from __future__ import annotations

from persona_agent.errors import InputError
from persona_agent.evals.scores.results import ArmResult, EvalResult
from persona_agent.evals.scores.scoring import Scoring


def rescore(result: EvalResult) -> EvalResult:
    """Return the result with metrics, harm, counts and comparisons computed from its records.

    What was used (calls, tokens, seconds) and why answers are missing is kept. A result that
    nobody changed comes back equal.

    Raises:
        InputError: a query occurs twice, or a gold is none of the labels.
    """
    _check(result)
    records = tuple(sorted(result.records, key=lambda one: (one.user_id, one.query_id)))
    scoring = Scoring(
        records,
        arms=tuple(result.arms),
        kind=result.kind,
        labels=result.labels,
        seed=result.seed,
    )
    arms = {
        name: ArmResult.of(scoring.arm(name), known.usage, known.fitting)
        for name, known in result.arms.items()
    }
    return result.model_copy(
        update={
            "users": len({record.user_id for record in records}),
            "queries": len(records),
            "arms": arms,
            "comparisons": scoring.comparisons(),
            "records": records,
        }
    )


def _check(result: EvalResult) -> None:
    seen = set()
    labels = set(result.labels)
    for record in result.records:
        where = f"the record of user {record.user_id!r}, query {record.query_id!r}"
        if (record.user_id, record.query_id) in seen:
            raise InputError(f"{where} occurs twice")
        if labels and record.gold not in labels:
            raise InputError(f"{where}: gold {record.gold[:40]!r} is none of the labels")
        seen.add((record.user_id, record.query_id))
