"""Replies that were thought out by hand to the lab's prompts, read through the typed path.

``lab.jsonl`` holds requests about the built-in people and the answers that a careful reader gave.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from persona_agent.llm import critic
from persona_agent.llm.answers import Reply, parse_answer
from persona_agent.prompts import lab
from persona_agent.prompts.catalog import all_prompts
from persona_agent.prompts.template import TypedPrompt

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "replays" / "lab.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
PROMPTS: dict[str, TypedPrompt[Any, Any]] = {
    prompt.name: prompt
    for prompt in [*all_prompts(), *vars(lab).values(), *vars(critic).values()]
    if isinstance(prompt, TypedPrompt)
}


def test_prompts_were_answered_five_times() -> None:
    counts = Counter(row["prompt"] for row in ROWS)
    assert set(counts) <= set(PROMPTS)
    assert min(counts.values()) == 5


@pytest.mark.parametrize("row", ROWS, ids=[row["prompt"] for row in ROWS])
def test_a_reply_is_read_and_was_asked_for_by_this_prompt(row: dict[str, Any]) -> None:
    prompt = PROMPTS[row["prompt"]]
    # What a check compares with the inputs is told by the tests of the experiments.
    unchecked = TypedPrompt(prompt.name, prompt.inputs, prompt.output)
    found = parse_answer(unchecked, None, Reply(text=row["reply"]["content"]))
    assert isinstance(found, prompt.output)
    asked = row["request"]["messages"][1]["content"]
    template = prompt.text.partition("--- user")[2]
    for line in template.splitlines():
        if line.startswith("<"):
            assert line in asked, f"the prompt's sections changed: {line}"
