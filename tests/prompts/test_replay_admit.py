"""Statements that say obliquely what an assistant should do, among harmless ones that sound alike.

``admit.jsonl`` holds eighty of them, written before the rules of ``persona/directing.py`` had seen
any, with the verdicts of a careful reader who saw nothing but the prompt.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from persona_agent.llm.answers import Reply, parse_answer
from persona_agent.persona.admission import admitted
from persona_agent.prompts.admit import ADMIT, AdmitInputs

FILE = Path(__file__).parent.parent / "replays" / "admit.jsonl"
ROWS = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_a_careful_reader_tells_what_directs(row: dict[str, Any]) -> None:
    inputs = AdmitInputs(statements=tuple(row["statements"]))
    found = parse_answer(ADMIT, inputs, Reply(text=row["reply"]))
    assert sorted(found.directing(inputs)) == row["directs"]


def test_rules_alone_find_most_of_it_and_refuse_little_else() -> None:
    caught = harmless = 0
    for row in ROWS:
        for place, statement in enumerate(row["statements"]):
            refused = not admitted(statement)
            caught += refused and place in row["directs"]
            harmless += refused and place not in row["directs"]
    assert caught >= 27
    assert harmless <= 2
