"""Replies that were thought out by hand, read through the typed path.

``desk.jsonl`` holds real requests (demo users and one person of PAHF, which is MIT) and the answers
that a careful reader gave them, with prose, fences and broken JSON among them. Prompts are told
apart by their sections, so that a reworded prompt file leaves these tests alone.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from persona_agent.errors import ModelAnswerError
from persona_agent.llm.answers import Reply, parse_answer
from persona_agent.prompts import (
    CRITIQUE,
    DECIDE,
    DISTIL_FACTS,
    DRAFT_PERSONA,
    PROFILE,
    PROPOSE_EDITS,
    RESPOND,
    VERIFY_CLAIMS,
    DecideInputs,
    TypedPrompt,
)
from persona_agent.prompts.clarify import CLARIFY
from persona_agent.schema import Query
from persona_agent.testing import ReplayModel
from persona_agent.testing.transcript import read_transcript

DESK = Path(__file__).parent.parent / "replays" / "desk.jsonl"
TAGS: dict[str, TypedPrompt[Any, Any]] = {
    '"between"': CLARIFY,
    "<what_the_user_did>": CRITIQUE,
    "<tried_without_success>": PROPOSE_EDITS,
    "<new_episodes>": DISTIL_FACTS,
    "<outcome_counts>": DRAFT_PERSONA,
    "<options>": DECIDE,
    "<past_cases>": RESPOND,
    "<interactions>": PROFILE,
    "<cases>": VERIFY_CLAIMS,
}
REPAIRED = "This answer could not be used"


def _rows() -> list[tuple[dict[str, Any], str]]:
    rows = [json.loads(line) for line in DESK.read_text(encoding="utf-8").splitlines()]
    return [(row["request"], row["reply"].get("content") or "") for row in rows]


def _prompt(request: dict[str, Any]) -> TypedPrompt[Any, Any] | None:
    if request.get("tools"):
        return None
    shown = "".join(message["content"] for message in request["messages"][:2])
    return next((prompt for tag, prompt in TAGS.items() if tag in shown), None)


def _options(request: dict[str, Any]) -> tuple[str, ...]:
    _, _, rest = request["messages"][1]["content"].partition("<options>\n")
    lines = rest.partition("\n</options>")[0].splitlines()
    return tuple(line.partition(". ")[2] for line in lines)


def _parsed(prompt: TypedPrompt[Any, Any], request: dict[str, Any], text: str) -> Any:
    # Only the checks of decide and clarify read their inputs, of which they have the query.
    query = Query(text="?", options=_options(request))
    return parse_answer(prompt, DecideInputs(query=query), Reply(text=text))


def test_every_prompt_was_answered_five_times() -> None:
    counts = Counter(prompt.name for request, _ in _rows() if (prompt := _prompt(request)))
    assert {prompt.name for prompt in TAGS.values()} == set(counts)
    assert min(counts.values()) >= 5, counts


def test_replies_parse_and_broken_ones_were_repaired() -> None:
    broken, repairs = 0, 0
    for request, text in _rows():
        prompt = _prompt(request)
        if prompt is None:
            continue
        asked_again = REPAIRED in request["messages"][-1]["content"]
        repairs += asked_again
        try:
            assert isinstance(_parsed(prompt, request, text), prompt.output)
        except ModelAnswerError:
            assert not asked_again, "a repaired answer must be valid"
            broken += 1
    assert broken == repairs == 2


def test_chat_turns_hold_a_tool_call_and_answers() -> None:
    chats = [reply for request, reply in read_transcript(DESK) if request.tools]
    assert any(reply.calls and reply.calls[0].name == "search_memory" for reply in chats)
    assert sum(bool(reply.text) for reply in chats) >= 2


async def test_decide_replays_end_to_end(tmp_path: Path) -> None:
    request, text = next((request, text) for request, text in _rows() if _prompt(request) is DECIDE)
    # The request is rendered by today's prompt, so that its wording may change.
    inputs = DecideInputs(query=Query(text="Which one?", options=_options(request)))
    messages = [{"role": m.role, "content": m.content} for m in DECIDE.render(inputs)]
    row = {"request": {"messages": messages}, "reply": {"content": text}}
    transcript = tmp_path / "one.jsonl"
    transcript.write_text(json.dumps(row) + "\n", encoding="utf-8")
    output = await ReplayModel(transcript).ask(DECIDE, inputs)
    assert 1 <= output.choice <= len(inputs.query.options)
    with pytest.raises(ModelAnswerError):
        parse_answer(DECIDE, inputs, Reply(text='{"choice": 99}'))
