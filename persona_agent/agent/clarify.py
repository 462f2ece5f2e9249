"""Asking the user: when a decision is worth a question, and what the reply says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from persona_agent.agent.answer import Answer
from persona_agent.agent.context import Context
from persona_agent.errors import ModelAnswerError, ModelCallError
from persona_agent.persona.admission import admitted
from persona_agent.persona.overtaking import SAME_SITUATION, first_changes
from persona_agent.persona.render import quoted
from persona_agent.prompts import Case
from persona_agent.prompts.clarify import CLARIFY, ClarifyInputs
from persona_agent.prompts.parts import shorten
from persona_agent.protocols import Embedder, EpisodeStore, LanguageModel, Vectors
from persona_agent.schema import SAID, SAID_ABOUT, Episode, Fact, Query
from persona_agent.schema.base import Record
from persona_agent.schema.episode import JsonScalar

UNSURE = 0.5
"""Confidence below which a decision is unsure: it is more likely wrong than right."""
LOOKS_BACK = 200
MOST_CASES = 12
LONGEST_REPLY = 400
LONGEST_OPTION = 300


class Question(Record):
    """What the agent asks, and the two options that the evidence is divided between."""

    text: str
    between: tuple[str, str]

    @property
    def metadata(self) -> Mapping[str, JsonScalar]:
        """The question as it stands in the metadata of the episode that it is about."""
        first, second = self.between
        return {"question": self.text, "question_first": first, "question_second": second}


class Doubts:
    """Tells whether a decision is in doubt. Blocking; call it off the event loop."""

    def __init__(self, episodes: EpisodeStore, embedder: Embedder) -> None:
        self._episodes = episodes
        self._embedder = embedder

    def disputed(self, user: str, query: Query, given: Answer) -> tuple[Case, ...] | None:
        """Return the cases of the same situation for an answer in doubt; None for one that is not.

        It is when the confidence is low, or when the last time in this situation was the first
        time that the user decided otherwise: a change of taste, or an exception. What the user was
        asked about and answered is settled until the situation comes again.
        """
        known = self._episodes.timeline(
            user, task=query.task_name, with_outcome=True, limit=LOOKS_BACK
        )
        vectors = self._episodes.vectors(user, [one.id for one in known])
        asked = self._embedder.embed([query.text])[0]
        alike = (vectors @ asked >= SAME_SITUATION).nonzero()[0] if known else []
        same = [known[place] for place in alike]
        drifted = bool(same) and same[-1].id in first_changes(same, vectors[alike])
        unsure = given.confidence is not None and given.confidence < UNSURE
        if not (drifted or unsure) or self._settled(user, query, asked, same):
            return None
        return tuple(Case.of(one) for one in reversed(same))

    def _settled(self, user: str, query: Query, asked: Vectors, same: Sequence[Episode]) -> bool:
        """Tell whether a question on this situation was answered after its last case."""
        latest = self._episodes.timeline(user, task=query.task_name, limit=LOOKS_BACK)
        replies = [one for one in latest if _reply(one)]
        vectors = self._episodes.vectors(user, [one.id for one in replies])
        return any(
            (not same or _replied_at(one) >= same[-1].at) and vector @ asked >= SAME_SITUATION
            for one, vector in zip(replies, vectors, strict=True)
        )


async def ask_user(
    model: LanguageModel, query: Query, context: Context, same: tuple[Case, ...]
) -> Question | None:
    """Let the model ask what would settle a decision; None where the evidence is not divided.

    A call that fails and an unusable question are none: the decision stands without it.

    Raises:
        ModelError: the model may not be asked, as for a budget that is used up.
    """
    cases = {case.episode_id: case for case in (*same, *context.cases)}
    inputs = ClarifyInputs(
        query=query,
        persona=context.persona_text,
        recalled=tuple(cases.values())[:MOST_CASES],
        date=context.date,
    )
    try:
        said = await model.ask(CLARIFY, inputs)
    except (ModelAnswerError, ModelCallError):
        return None
    if not said.question:
        return None
    first, second = (query.options[number - 1] for number in said.between)
    return Question(text=said.question, between=(first, second))


def reply_as_fact(episode: Episode) -> Fact | None:
    """Return what the user's reply to a question states; None where none was asked or answered.

    None, too, for a reply that would change rules, tools, keys or safety wording.

    It names the query, since it may hold for nothing else. A choice says that it goes before the
    other option of the question; a comment is kept in the user's own words.
    """
    reply = _reply(episode)
    if not reply:
        return None
    about = quoted(shorten(episode.query.text, 200))
    text = f"{SAID_ABOUT}{about}: {reply}"
    if not admitted(text):
        return None
    return Fact(
        user_id=episode.user_id, text=f"{SAID}{text}", sources=(episode.id,), valid_from=episode.at
    )


def _reply(episode: Episode) -> str:
    """Return what the user replied to a question; "" where none was asked or answered."""
    if not episode.metadata.get("question"):
        return ""
    said = episode.feedback.comment if episode.feedback else ""
    return ". ".join(part for part in (_chosen(episode), shorten(said, LONGEST_REPLY)) if part)


def _replied_at(episode: Episode) -> datetime:
    return episode.feedback.at if episode.feedback else episode.at


def _chosen(episode: Episode) -> str:
    if episode.outcome is None:
        return ""
    pair = [str(episode.metadata.get(f"question_{place}", "")) for place in ("first", "second")]
    others = [one for one in pair if one and one != episode.outcome]
    against = f" rather than {_option(others[0])}" if len(others) == 1 else ""
    return f"{_option(episode.outcome)}{against}"


def _option(text: str) -> str:
    return quoted(shorten(text, LONGEST_OPTION))
