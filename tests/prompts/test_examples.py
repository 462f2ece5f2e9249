"""Examples in prompts tell no taste of a demo user: what is shown to the model is not measured."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import persona_agent.evals
from persona_agent.persona.contradiction import stem
from persona_agent.persona.words import telling_words
from persona_agent.prompts import (
    CRITIQUE,
    DECIDE,
    DECIDE_BRIEF,
    DISTIL_FACTS,
    DRAFT_PERSONA,
    PROPOSE_EDITS,
    TypedPrompt,
)
from persona_agent.prompts.clarify import CLARIFY

DEMO_USERS = Path(persona_agent.evals.__file__).parent / "demo_users"
LEAST_WORDS = 3
IN_COMMON = 2
"""Telling words that an example and one thing of a demo user may not share."""
TASTES = (CRITIQUE, DECIDE, DECIDE_BRIEF, CLARIFY, DISTIL_FACTS, DRAFT_PERSONA, PROPOSE_EDITS)


def stems(text: str) -> set[str]:
    return {stem(word) for word in telling_words(text)}


def examples(prompt: TypedPrompt[Any, Any]) -> set[str]:
    (answer,) = re.findall(r"```json\n(.+?)\n```", prompt.text, re.DOTALL)
    rules = prompt.text.replace(answer, "")
    quoted = {*re.findall(r'"([^"\n]+)"', rules), *_texts(json.loads(answer))}
    return {one for one in quoted if len(one.split()) >= LEAST_WORDS}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def demo_texts() -> dict[str, list[str]]:
    found = {}
    for file in sorted(DEMO_USERS.glob("*.json")):
        user = json.loads(file.read_text(encoding="utf-8"))
        found[file.stem] = [
            user["about"],
            *(f"{one['query']} {one.get('outcome') or ''}" for one in user["interactions"]),
        ]
    return found


@pytest.mark.parametrize("prompt", TASTES, ids=[prompt.name for prompt in TASTES])
def test_no_example_tells_a_taste_of_a_demo_user(prompt: TypedPrompt[Any, Any]) -> None:
    shown = examples(prompt)
    assert shown
    told = {user: [stems(text) for text in texts] for user, texts in demo_texts().items()}
    assert len(told) >= 9
    shared = {
        (example, user)
        for example in shown
        for user, texts in told.items()
        if any(len(stems(example) & text) >= IN_COMMON for text in texts)
    }
    assert not shared
