"""Questions after a talk: did the persona come through, and does the speaker know its own words?"""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from persona_agent.errors import ModelAnswerError
from persona_agent.evals.lab.bench import Card, LabBench
from persona_agent.evals.lab.judges import Panel, invalid
from persona_agent.evals.lab.people import BACK_QUESTIONS, RECITALS, SETTLED_NEXT
from persona_agent.evals.lab.results import Verdict
from persona_agent.evals.lab.speakers import PERSONA, USER, as_shown
from persona_agent.prompts.lab import QUESTION, SIDES, Line, QuestionInputs

QUESTIONS = 5
CHOICES = 5
CANNOT_BE_TOLD = "Which of these is true cannot be told."
"""The option beside the statements; who chooses it does not name the key."""
RECALL_SCORES = {"right": 1.0, "not known": 0.0, "wrong": 0.0}
"""What a verdict on a recalled answer counts as where the share of right ones is reported."""
_SORTS = tuple(
    re.compile(words, re.IGNORECASE)
    for words in (
        r"\b(?:hate|detest|dread|refuse|bores? me|(?:do not|don't|cannot|can't) (?:like|stand))\b",
        r"\b(?:love|like|enjoy|prefer)\b",
        r"\b(?:am|have|live|work|study|teach|come from|drive)\b",
    )
)
"""What is disliked, what is liked, how somebody lives; all else are habits. For English."""
_NAME = re.compile(r"\b(?:I am|I'm|[Mm]y name is|[Cc]all me) [A-Z]\w+\s*(?:[.,;!]|and\b|$)")


class Asked(NamedTuple):
    """A question about the persona: statements of which the key alone is one of its own.

    The last option is :data:`CANNOT_BE_TOLD`.
    """

    options: tuple[str, ...]
    key: str


class Recalled(NamedTuple):
    """A question of the talk and its answer, and what was said when asked for that answer."""

    asked: str
    answered: str
    later: str
    reply: str
    then: str = ""
    """What the other said next, where that may settle what the answer left open."""


def names_somebody(statement: str, user_id: str) -> bool:
    """Tell whether a statement gives a person's name, which tells options apart by itself."""
    parts = {part for part in re.split(r"[\W_\d]+", user_id.casefold()) if len(part) > 2}
    capitalized = {word.casefold() for word in re.findall(r"\w+", statement) if word[0].isupper()}
    return bool(parts & capitalized) or _NAME.search(statement) is not None


def questions_about(bench: LabBench, card: Card) -> list[Asked]:
    """Return questions about a persona, its statement among those of others.

    The key is as often in one place as in another. The others are of its sort as far as there are
    such (dislikes beside a dislike), so that the sort gives nothing away. Statements that give a
    name are left out.
    """
    order = random.Random(f"{bench.seed}:{card.user_id}")
    own = [one for one in card.statements if not names_somebody(one, card.user_id)]
    foreign = {
        text
        for other in bench.distractors(card)
        for text in other.statements
        if text not in card.statements and not names_somebody(text, other.user_id)
    }
    wrong = sorted(foreign)
    beside = min(CHOICES - 1, len(wrong))
    if not beside:
        return []
    places = order.sample(range(beside + 1), beside + 1)
    found = []
    for number, key in enumerate(order.sample(own, min(QUESTIONS, len(own)))):
        alike = [one for one in wrong if _sort(one) == _sort(key)]
        unlike = [one for one in wrong if one not in alike]
        options = order.sample(alike, min(beside, len(alike)))
        options += order.sample(unlike, beside - len(options))
        options.insert(places[number % len(places)], key)
        found.append(Asked((*options, CANNOT_BE_TOLD), key))
    return found


def _sort(statement: str) -> int:
    return next((n for n, one in enumerate(_SORTS) if one.search(statement)), len(_SORTS))


def without_recitals(lines: Sequence[Line], intents: Sequence[str]) -> list[Line]:
    """Return a talk of messages and replies without the turns that ask for the persona itself.

    The message after such a turn goes with it, because it may react to what was recited ("so true,
    and what else?"); not where it is the intent word for word.
    """
    found: list[Line] = []
    recited = False
    for turn, intent in enumerate(intents):
        message, *reply = lines[2 * turn : 2 * turn + 2]
        if intent in RECITALS:
            recited = True
            continue
        found += reply if recited and message.text != intent else [message, *reply]
        recited = False
    return found


async def ask_persona(
    bench: LabBench,
    card: Card,
    lines: Sequence[Line],
    intents: Sequence[str],
    *,
    inferred: bool,
    of: SIDES = "assistant",
) -> list[float | None]:
    """Return 1 for every question about the persona that is answered by the key, else 0.

    In override mode the persona stays visible, so that a miss shows the conversation winning over
    it; a hit shows little, because the key stands in the persona word for word. In inferred mode
    only the conversation is shown, without the turns in which the persona was asked for and
    recited, so that a hit shows it coming through. ``of`` is the side of the conversation whom the
    persona describes; ``intents`` are what the messages were written for.
    """
    talk = without_recitals(lines, intents) if inferred else lines
    found: list[float | None] = []
    for question in questions_about(bench, card):
        inputs = QuestionInputs(
            of=of,
            known=() if inferred else card.statements,
            conversation=as_shown(talk),
            options=question.options,
        )
        try:
            choice = (await bench.actor.ask(QUESTION, inputs)).choice
        except ModelAnswerError:
            found.append(None)
        else:
            found.append(float(question.options[choice - 1] == question.key))
    return found


async def ask_back(
    lines: Sequence[Line],
    intents: Sequence[str],
    say: Callable[[Sequence[Line], str], Awaitable[str]],
) -> list[Recalled]:
    """Ask for the first answers of a talk again, at its end; ``say`` answers a message after lines.

    Asked word by word, and never part of the talk that is judged for contradictions: who has
    forgotten contradicts nothing.
    """
    talk = list(lines)
    found: dict[str, Recalled] = {}
    for turn, intent in enumerate(intents):
        later = BACK_QUESTIONS.get(intent)
        asked, answered = lines[2 * turn].text, lines[2 * turn + 1].text
        if later is None or intent in found or invalid(answered):
            continue
        reply = await say(talk, later)
        settled = lines[2 * turn + 2 : 2 * turn + 3] if intent in SETTLED_NEXT else ()
        then = "".join(one.text for one in settled)
        found[intent] = Recalled(asked, answered, later, reply, then)
        talk += [Line(speaker=USER, text=later), Line(speaker=PERSONA, text=reply)]
    return list(found.values())


async def judge_recall(
    panel: Panel, name: str, recalled: Sequence[Recalled]
) -> tuple[list[str | None], list[Verdict]]:
    """Return whether each reply gives the early answer: right, not known or wrong.

    None where nobody can tell.
    """
    found: list[str | None] = []
    verdicts = []
    for one in recalled:
        answered = f"{one.answered}\nthen: {one.then}" if one.then else one.answered
        opinion = await panel.recalls(one.asked, answered, one.later, one.reply)
        score = RECALL_SCORES.get(opinion.answer or "")
        found.append(None if score is None else opinion.answer)
        verdicts.append(
            Verdict(
                item=f"{name} {one.later} {one.reply[:120]}",
                verdict="" if opinion.answer is None else f"recall: {opinion.answer}",
                score=score,
                evidence=f"earlier: {one.answered[:200]}",
                votes=() if opinion.unanimous else opinion.votes,
            )
        )
    return found, verdicts
