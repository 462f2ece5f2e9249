"""What a report says of the sparse setting, on results made by hand."""

from __future__ import annotations

import pytest

from persona_agent.evals.arms.sparse import SPARSE
from persona_agent.evals.report.sparse import MARGIN, sparse_table
from persona_agent.evals.scores.results import ArmResult, ArmUsage, EvalResult
from persona_agent.evals.scores.scoring import AnswerRecord, Scoring
from persona_agent.schema import Usage

USERS, EACH = 20, 10


def result(wrong: int, tokens: dict[str, int]) -> EvalResult:
    """Everybody is answered rightly by rag+stats; the sparse arm is wrong ``wrong`` times each."""
    records = tuple(
        AnswerRecord(
            user_id=f"u{user:02d}",
            query_id=f"q{number}",
            gold="a",
            answers={"rag+stats": "a", SPARSE: "b" if number < wrong else "a"},
        )
        for user in range(USERS)
        for number in range(EACH)
    )
    scoring = Scoring(records, arms=tuple(tokens), kind="choice", labels=("a", "b"), seed=0)
    arms = {
        arm: ArmResult.of(scoring.arm(arm), ArmUsage.of(Usage(prompt_tokens=each * len(records))))
        for arm, each in tokens.items()
    }
    return EvalResult(
        dataset="toy",
        task="toy",
        model="offline",
        embedder="hash",
        seed=0,
        users=USERS,
        queries=len(records),
        arms=arms,
        records=records,
        labels=("a", "b"),
    )


@pytest.mark.parametrize(("wrong", "verdict"), [(0, "yes"), (1, "not shown")])
def test_gain_verdict_and_tokens(wrong: int, verdict: str) -> None:
    found = result(wrong, {"rag+stats": 1_000, SPARSE: 400})
    ((label, gain, no_worse, lean, rich, share, alike),) = sparse_table([found], [found]).rows
    assert (label, no_worse, lean, rich, share) == ("toy", verdict, "400", "1000", "40%")
    assert gain.startswith(f"{-10.0 * wrong + 0.0:+.1f} ")
    assert int(share.rstrip("%")) < int(alike.rstrip("%")) < 100
    assert 0 < MARGIN < 0.1


def test_without_both_arms_there_is_nothing_to_say() -> None:
    found = result(0, {"rag+stats": 1_000, SPARSE: 400})
    records = tuple(
        one.model_copy(update={"answers": {SPARSE: one.answers[SPARSE]}}) for one in found.records
    )
    alone = found.model_copy(update={"arms": {SPARSE: found.arms[SPARSE]}, "records": records})
    assert sparse_table([alone], [alone]).rows == ()
