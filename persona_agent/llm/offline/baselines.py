"""Prompts of compared methods: feedback on an answer, the rewrite of a text, a step of ReAct.

They work on the texts that the prompts hold, as a writer would: feedback is a few sentences, and
the rewrite puts the sentences of the feedback that say something of the user in front of those of
the old text, as far as the words last.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from persona_agent.llm.offline.decide import Decider, normalized
from persona_agent.llm.offline.patterns import LONGEST_LABEL
from persona_agent.llm.offline.reading import read_claim
from persona_agent.llm.offline.terms import words
from persona_agent.persona.render import quoted
from persona_agent.prompts import Case, DecideInputs
from persona_agent.prompts.baselines import (
    FeedbackInputs,
    FeedbackOutput,
    ReactInputs,
    ReactOutput,
    RewriteInputs,
    RewriteOutput,
)
from persona_agent.schema import task_kind

MOST_WORDS = 200
SUBJECTS = 4
AGREEING = 2
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'])")


def answers(decider: Decider) -> dict[str, Callable[[Any], Any]]:
    """Return the functions of these prompts by the prompts' names."""
    return {
        "text_feedback": feedback,
        "rewrite_persona": rewrite,
        "react_step": lambda inputs: react_step(inputs, decider),
    }


def feedback(inputs: FeedbackInputs) -> FeedbackOutput:
    """Say what the user did, whether that was foreseen, and what the persona should say."""
    case = inputs.case
    right = normalized(case.outcome) == normalized(inputs.answer)
    lesson = _lesson(case)
    if right:
        return FeedbackOutput(feedback=f"The answer was right. {lesson}".strip())
    short = max(len(case.outcome), len(inputs.answer)) <= LONGEST_LABEL
    said = (
        f"The user's answer was {quoted(case.outcome)}, not {quoted(inputs.answer)}."
        if short
        else "The user chose another option."
    )
    return FeedbackOutput(feedback=f"{said} {lesson}".strip())


def _lesson(case: Case) -> str:
    """Return the sentence that a persona should hold so as to foresee this case; "" for none."""
    if len(case.outcome) > LONGEST_LABEL:
        others = set().union(*(words(o) for o in case.options if o != case.outcome))
        named = sorted(words(case.outcome) - others, key=lambda word: (-len(word), word))
        liked = " and ".join(quoted(word) for word in named[:2])
        return f"Prefers what has {liked} (1 of 1)." if liked else ""
    verb = "rates it" if task_kind((case.outcome,)) == "rating" else "chooses"
    subjects = sorted(words(case.query), key=lambda word: (-len(word), word))[:SUBJECTS]
    scope = f"When it is about {', '.join(subjects)}: " if subjects else "Often "
    return f"{scope}{verb} {quoted(case.outcome)} (1 of 1)."


def rewrite(inputs: RewriteInputs) -> RewriteOutput:
    """Write what the feedback teaches, newest first, then what is left of the old text.

    A sentence of the old text that names nothing but a wrong answer is corrected: left out.
    """
    wrong = {
        normalized(one.answer)
        for one in inputs.feedback
        if normalized(one.answer) != normalized(one.case.outcome)
    }
    right = {normalized(one.case.outcome) for one in inputs.feedback}
    taught = [
        sentence
        for one in reversed(inputs.feedback)
        for sentence in _SENTENCE.split(one.feedback)
        if sentence.startswith(("When it is about ", "Prefers what has ", "Often "))
    ]
    old = _SENTENCE.split(inputs.persona) if inputs.persona else []
    kept = [sentence for sentence in old if not _only_names(sentence, wrong - right)]
    chosen: list[str] = []
    left = MOST_WORDS
    for sentence in dict.fromkeys([*taught, *kept]):
        left -= len(sentence.split())
        if left < 0:
            break
        chosen.append(sentence)
    return RewriteOutput(persona=" ".join(chosen) or "Nothing is known of the user yet.")


def _only_names(sentence: str, wrong: set[str]) -> bool:
    claim = read_claim(sentence)
    named = {normalized(label) for label in claim.likes}
    return bool(claim.scope) and bool(named) and named <= wrong


def react_step(inputs: ReactInputs, decider: Decider) -> ReactOutput:
    """Search for the query, then for its telling words while the cases disagree, then answer."""
    seen: dict[str, Case] = {}
    for one in inputs.observations:
        for case in one.cases:
            seen.setdefault(case.episode_id or case.line(), case)
    outcomes = [normalized(case.outcome) for case in seen.values()]
    agreeing = max((outcomes.count(outcome) for outcome in outcomes), default=0)
    searched = {one.search for one in inputs.observations}
    if inputs.searches_left and agreeing <= AGREEING:
        for wanted in _searches(inputs):
            if wanted not in searched:
                return ReactOutput(thought="The cases so far do not settle it.", search=wanted)
    chosen = decider(DecideInputs(query=inputs.query, recalled=tuple(seen.values())))
    return ReactOutput(thought=chosen.reason, choice=chosen.choice, confidence=chosen.confidence)


def _searches(inputs: ReactInputs) -> list[str]:
    text = inputs.query.text[:1_000].strip()
    telling = sorted(words(inputs.query.text), key=lambda word: (-len(word), word))
    return [wanted for wanted in (text, " ".join(telling[:8])) if wanted]
