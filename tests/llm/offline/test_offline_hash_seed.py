"""What the offline model writes does not depend on the order of sets, which changes by process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
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


def written(seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.slow
def test_equal_in_every_process() -> None:
    assert len({written(seed) for seed in ("1", "2", "3")}) == 1
