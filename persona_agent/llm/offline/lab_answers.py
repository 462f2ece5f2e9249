"""The lab's prompts without a language model: what embeddings and rules can honestly answer.

It relates, listens and labels by similarity and polarity, and speaks only by quoting. To write
questions, grade acting or stand in for a user takes a language model: there it says that it cannot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from persona_agent.errors import ModelCannotError
from persona_agent.persona.contradiction import ContradictionReader, sentences
from persona_agent.prompts.lab import (
    MOST_BEARING,
    OF_ASSISTANT,
    OF_USER,
    AssertInputs,
    AssertOutput,
    BelieveInputs,
    BelieveOutput,
    CheckInputs,
    CheckOutput,
    DiscourseInputs,
    DiscourseOutput,
    DraftConflict,
    ListenInputs,
    ListenOutput,
    MediateInputs,
    MediateOutput,
    QuestionInputs,
    QuestionOutput,
    RecallInputs,
    RecallOutput,
    Related,
    RelateInputs,
    RelateOutput,
    SayInputs,
    SayOutput,
    WhoseInputs,
)
from persona_agent.protocols import Embedder

NOTHING_TO_SAY = "That is not known."
BEARS_ON = 0.25
"""Cosine from which a statement bears on a message, a reply on the line before."""
ANSWERS = 0.4
ABOUT_A_FACT = 0.45
_WHOSE = re.compile(rf'^(?:{OF_USER}|{OF_ASSISTANT[:-2]}(?:, (?:asked|told) "[^"]*", said)?: )')
"""Whose a statement is, and on what occasion it was said: no part of what it states."""
UNKNOWN = 0.5
"""How likely a statement is of which nothing is known."""

_BEYOND = {
    "lab_gym_questions": "write questions",
    "lab_gym_exemplars": "write answers of graded quality",
    "lab_gym_grade": "grade how well a person is played",
    "lab_flaws": "find flaws in the playing of a character",
    "lab_user_turn": "write as a user would",
    "lab_refine": "tell how a user phrases and omits things",
}


def answers(embedder: Embedder) -> dict[str, Callable[[Any], Any]]:
    """Return the functions of these prompts by the prompts' names."""
    reader = ContradictionReader(embedder)
    return {
        "lab_relate": lambda inputs: relate(inputs, reader),
        "lab_say": lambda inputs: say(inputs, embedder),
        "lab_listen": lambda inputs: listen(inputs, embedder, reader),
        "lab_whose": lambda inputs: whose(inputs, embedder, reader),
        "lab_discourse": lambda inputs: discourse(inputs, embedder),
        "lab_assert": lambda inputs: assert_(inputs, embedder, reader),
        "lab_believe": lambda inputs: believe(inputs, embedder, reader),
        "lab_question": lambda inputs: question(inputs, embedder),
        "lab_recall": lambda inputs: recall(inputs, reader),
        "lab_mediate": mediate,
        "reply_check": lambda inputs: check(inputs, embedder, reader),
        "reply_listen": lambda inputs: listen(inputs, embedder, reader),
        **{name: _cannot(what) for name, what in _BEYOND.items()},
    }


def _cannot(what: str) -> Callable[[Any], Any]:
    def refuse(inputs: object) -> Any:
        raise ModelCannotError(
            f"the offline model cannot {what}: set PERSONA_AGENT_MODEL to a real model"
        )

    return refuse


def relate(inputs: RelateInputs, reader: ContradictionReader) -> RelateOutput:
    """Relate by polarity, attributes and topic."""
    found = reader.relate(inputs.utterance, inputs.statements)
    return RelateOutput(
        relations=tuple(
            Related(statement=number, relation=one.verdict, evidence=one.evidence[:1_000])
            for number, one in enumerate(found, 1)
        )
    )


def say(inputs: SayInputs, embedder: Embedder) -> SayOutput:
    """Quote the statement that bears most on the message and was not said yet."""
    earlier = {line.text for line in inputs.conversation}
    unsaid = [one for one in inputs.persona if one.strip() and one not in earlier]
    if not unsaid:
        return SayOutput(reply=NOTHING_TO_SAY)
    close = similarity(embedder, [inputs.message], unsaid)[0]
    best = int(close.argmax())
    return SayOutput(reply=unsaid[best] if close[best] >= BEARS_ON else NOTHING_TO_SAY)


def listen(inputs: ListenInputs, embedder: Embedder, reader: ContradictionReader) -> ListenOutput:
    """Name the person with the closest sentence, unless the line contradicts that person."""
    scores = []
    for person in inputs.persons:
        parts = sentences(person)
        close = float(similarity(embedder, [inputs.utterance], parts).max())
        against = max(one.probability for one in reader.relate(inputs.utterance, parts))
        scores.append(close - against)
    best = int(np.argmax(scores))
    return ListenOutput(reason="the closest description", speaker=best + 1)


def whose(inputs: WhoseInputs, embedder: Embedder, reader: ContradictionReader) -> ListenOutput:
    """Name the person with the closest sentence, as for a line that was said."""
    return listen(ListenInputs(utterance=inputs.item, persons=inputs.persons), embedder, reader)


def discourse(inputs: DiscourseInputs, embedder: Embedder) -> DiscourseOutput:
    """Label coarsely by similarity: an answer, a question back, more, a comment, or nothing."""
    close = float(similarity(embedder, [inputs.earlier], [inputs.reply])[0, 0])
    relevance = min(1.0, max(0.0, close))
    asked, asks = inputs.earlier.rstrip().endswith("?"), inputs.reply.rstrip().endswith("?")
    if close < BEARS_ON:
        return DiscourseOutput(relation="none", relevance=relevance)
    if asks:
        return DiscourseOutput(relation="clarification-question", relevance=relevance)
    if inputs.same_speaker:
        return DiscourseOutput(relation="continuation", relevance=relevance)
    if asked:
        answered = close >= ANSWERS
        return DiscourseOutput(relation="qa-pair" if answered else "none", relevance=relevance)
    return DiscourseOutput(relation="comment", relevance=relevance)


def assert_(inputs: AssertInputs, embedder: Embedder, reader: ContradictionReader) -> AssertOutput:
    """Say yes to what the notes say, whoever asks: rules have nobody to please."""
    likely = _likely(inputs.notes, inputs.statement, embedder, reader)
    return AssertOutput(answer="yes" if likely > UNKNOWN else "no")


def believe(
    inputs: BelieveInputs, embedder: Embedder, reader: ContradictionReader
) -> BelieveOutput:
    """Believe what the notes say, disbelieve what they deny, and be undecided on the rest."""
    return BelieveOutput(probability=_likely(inputs.notes, inputs.statement, embedder, reader))


def _likely(
    notes: Sequence[str], statement: str, embedder: Embedder, reader: ContradictionReader
) -> float:
    if not notes:
        return UNKNOWN
    against = max(one.probability for one in reader.relate(statement, notes))
    if against:
        return round(1 - against, 4)
    close = float(similarity(embedder, [statement], notes).max())
    return round(min(1.0, UNKNOWN + close / 2), 4) if close >= ABOUT_A_FACT else UNKNOWN


def question(inputs: QuestionInputs, embedder: Embedder) -> QuestionOutput:
    """Choose the option closest to what is known or said by that side."""
    said = [line.text for line in inputs.conversation if line.speaker == inputs.of]
    texts = [text for text in (*inputs.known, *said) if text.strip()]
    if not texts:
        return QuestionOutput(choice=1)
    close = similarity(embedder, inputs.options, texts).max(axis=1)
    return QuestionOutput(reason="the closest words", choice=int(close.argmax()) + 1)


def recall(inputs: RecallInputs, reader: ContradictionReader) -> RecallOutput:
    """Compare by rule: words that come again, a contradiction, or nothing said."""
    answered = inputs.answered.partition("\nthen: ")[0]
    if answered == NOTHING_TO_SAY:
        return RecallOutput(verdict="cannot tell")
    if inputs.reply == NOTHING_TO_SAY:
        return RecallOutput(verdict="not known", evidence=NOTHING_TO_SAY)
    (found,) = reader.relate(inputs.reply, [answered])
    same = answered.casefold().strip(" .!") in inputs.reply.casefold()
    if same or found.verdict == "entailment":
        return RecallOutput(verdict="right", evidence=found.evidence[:1_000])
    if found.verdict == "contradiction":
        return RecallOutput(verdict="wrong", evidence=found.evidence[:1_000])
    return RecallOutput(verdict="cannot tell")


def mediate(inputs: MediateInputs) -> MediateOutput:
    """Put the user's own words together, and the habits behind them; nothing is interpreted."""
    own = [line.text for line in inputs.conversation if line.speaker.casefold() == "user"]
    request = " ".join([*own, *inputs.habits]) or NOTHING_TO_SAY
    return MediateOutput(request=request[:4_000], assumptions=inputs.habits)


def check(inputs: CheckInputs, embedder: Embedder, reader: ContradictionReader) -> CheckOutput:
    """Find contradictions by polarity, attributes and topic, whoever the statement is of.

    What bears on the reply are the statements about the user that are close to message or drafts.
    """
    bare = [_WHOSE.sub("", one) for one in inputs.statements]
    return CheckOutput(
        contradictions=tuple(
            DraftConflict(draft=number, statement=place, evidence=one.evidence[:1_000])
            for number, draft in enumerate(inputs.drafts, 1)
            for place, one in enumerate(reader.relate(draft, bare), 1)
            if one.verdict == "contradiction"
        ),
        bearing=_bearing(inputs, embedder),
    )


def _bearing(inputs: CheckInputs, embedder: Embedder) -> tuple[int, ...]:
    places = [n for n, one in enumerate(inputs.statements, 1) if one.startswith(OF_USER)]
    texts = [inputs.statements[place - 1].removeprefix(OF_USER) for place in places]
    asked = [one for one in (inputs.request or inputs.message, *inputs.drafts) if one.strip()]
    if not texts or not asked:
        return ()
    close = similarity(embedder, texts, asked).max(axis=1)
    ordered = [int(i) for i in np.argsort(-close, kind="stable") if close[i] >= BEARS_ON]
    return tuple(places[i] for i in ordered[:MOST_BEARING])


def similarity(
    embedder: Embedder, first: Sequence[str], second: Sequence[str]
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return the cosines between two lists of texts; shape (len(first), len(second))."""
    vectors = embedder.embed([*first, *second])
    return np.asarray(vectors[: len(first)] @ vectors[len(first) :].T)
