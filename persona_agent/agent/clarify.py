"""Asking the user: when a decision is worth a question, and what the reply says."""

from __future__ import annotations

from collections.abc import Mapping

from persona_agent.agent.answer import Answer
from persona_agent.agent.context import Context
from persona_agent.errors import ModelAnswerError
from persona_agent.persona.admission import admitted
from persona_agent.persona.overtaking import SAME_SITUATION, first_changes
from persona_agent.prompts import Case
from persona_agent.prompts.clarify import CLARIFY, ClarifyInputs
from persona_agent.prompts.parts import shorten
from persona_agent.protocols import Embedder, EpisodeStore, LanguageModel
from persona_agent.schema import SAID, Episode, Fact, Query
from persona_agent.schema.base import Record
from persona_agent.schema.episode import JsonScalar

UNSURE = 0.5
"""Confidence below which a decision is unsure: it is more likely wrong than right."""
LOOKS_BACK = 200
MOST_CASES = 12
LONGEST_REPLY = 400


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
        time that the user decided otherwise: a change of taste, or an exception.
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
        return tuple(Case.of(one) for one in reversed(same)) if drifted or unsure else None


async def ask_user(
    model: LanguageModel, query: Query, context: Context, same: tuple[Case, ...]
) -> Question | None:
    """Let the model ask what would settle a decision; None where the evidence is not divided.

    An unusable question is none: the decision stands without it.

    Raises:
        ModelError: the model cannot be asked.
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
    except ModelAnswerError:
        return None
    if not said.question:
        return None
    first, second = (query.options[number - 1] for number in said.between)
    return Question(text=said.question, between=(first, second))


def reply_as_fact(episode: Episode) -> Fact | None:
    """Return what the user's reply to a question states; None where none was asked or answered.

    None, too, for a reply that would change rules, tools, keys or safety wording.

    A comment is kept in the user's own words. A bare choice says that it goes before the other
    option of the question, in situations like the one of the query.
    """
    if not episode.metadata.get("question"):
        return None
    comment = " ".join(episode.feedback.comment.split()) if episode.feedback else ""
    text = comment[:LONGEST_REPLY] or _chosen(episode)
    if not text or not admitted(text):
        return None
    return Fact(
        user_id=episode.user_id, text=f"{SAID}{text}", sources=(episode.id,), valid_from=episode.at
    )


def _chosen(episode: Episode) -> str:
    if episode.outcome is None:
        return ""
    asked = shorten(episode.query.text, 200).replace('"', "'").replace(": ", " - ")
    pair = [str(episode.metadata.get(f"question_{place}", "")) for place in ("first", "second")]
    others = [one for one in pair if one and one != episode.outcome]
    against = f' rather than "{others[0]}"' if len(others) == 1 else ""
    return f'{asked.rstrip(".?! ")}?: "{episode.outcome}"{against}'
