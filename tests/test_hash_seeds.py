"""Nothing depends on the order of sets, which is another one in each process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WRITING = """
from persona_agent.llm.offline import writing
from persona_agent.prompts import Case, DraftInputs, ProfileInputs
texts = ["a quiet train ride by the sea", "a noisy bus through the old town", "the sea at night"]
cases = tuple(
    Case(query=f"{texts[n % 3]} number {n}", outcome="yes" if n % 3 else "no", task="t",
         options=("yes", "no"), episode_id=f"e{n}")
    for n in range(12)
)
print(writing.profile(ProfileInputs(cases=cases)).model_dump_json())
print(writing.draft(DraftInputs(cases=cases)).model_dump_json())
"""
CHOOSING = """
from datetime import UTC, datetime, timedelta
from persona_agent.optimizer.alike import telling_cases
from persona_agent.schema import Episode, Query
# Of each letter one text with six words, which as many others share as for every other letter.
letters = "abcdefgh"
texts = [" ".join(letter * number for number in range(3, 9)) for letter in letters]
texts += [letter * number for letter in letters for number in range(3, 9) for _ in range(number)]
episodes = [
    Episode(id=f"e{n}", user_id="u", query=Query(text=text), outcome="yes",
            at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=n))
    for n, text in enumerate(texts)
]
print([one.id for one in telling_cases([" ".join(texts[:8])], episodes, 8)])
"""


def printed(code: str, seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("code", [WRITING, CHOOSING], ids=["writing", "choosing"])
def test_equal_in_every_process(code: str) -> None:
    assert len({printed(code, seed) for seed in ("1", "2", "3")}) == 1
