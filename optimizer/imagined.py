"""Invented queries of a user: what the user simulator writes, and the mark that it stays apart.

A session's latent is who the user is, a turn's is what the query is for; both are given to the
model that writes (controllable user simulation). What was invented has no outcome: it may be judged
by what a text itself shows, and is never evidence of a claim, never stored, never in validation.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from datetime import datetime

from persona_agent.errors import (
    BudgetExceededError,
    ModelCallsBlockedError,
    ModelCannotError,
    ModelError,
)
from persona_agent.optimizer.watch import Imagined, tell
from persona_agent.prompts.lab import MOST_LABELS, USER_TURN, UserTurnInputs
from persona_agent.protocols import LanguageModel
from persona_agent.schema import SIMULATED, Episode, Persona, Query

EXAMPLES = 3


def is_simulated(episode: Episode) -> bool:
    """Whether an episode was invented: no claim may rest on it, no statistic count it."""
    return SIMULATED in episode.metadata


async def simulate_item(
    model: LanguageModel, user: Sequence[str], intent: str, examples: Sequence[str] = ()
) -> str:
    """Return one more thing such as the user of these statements is asked. Raises ModelError."""
    inputs = UserTurnInputs(user=tuple(user), kind="item", intent=intent, examples=tuple(examples))
    return (await model.ask(USER_TURN, inputs)).message


def intent_of(query: Query) -> str:
    """Return in words what a query is for: its task and what is done with it."""
    task = query.task_name.replace("-", " ").replace("_", " ")
    options = query.options
    if not options:
        return f"{task}: something that this user answers in their own words"
    if all(option.isdigit() for option in options):
        return f"{task}: something that this user rates from {options[0]} to {options[-1]}"
    if query.described:
        return f"{task}: a question of this user, who then picks one of several suggestions"
    labels = ", ".join(options[:MOST_LABELS])
    return f"{task}: something that this user puts under one of these labels: {labels}"


def examples_for(
    episodes: Sequence[Episode], query: Query, held_out: Collection[str] = ()
) -> list[str]:
    """Return texts of the same task that are not held out; of any task where there is none."""
    left = [one.query for one in episodes if one.id not in held_out]
    same = [one.text for one in left if one.task_name == query.task_name]
    texts = same or [one.text for one in left]
    return [text for text in texts if text != query.text][:EXAMPLES]


def simulated_episode(
    user_id: str, message: str, at: datetime, *, like: Query, name: str
) -> Episode:
    """Return an invented query like another one as an episode without an outcome, marked."""
    return Episode(
        id=name,
        user_id=user_id,
        query=like.model_copy(update={"text": message}),
        at=at,
        metadata={SIMULATED: True},
    )


class Imagination:
    """Invents queries of one user for the rounds of a search."""

    def __init__(self, train: Sequence[Episode], at: datetime, model: LanguageModel) -> None:
        """Take what queries are drawn from.

        Args:
            train: the earlier part of the history; nothing later is known here.
            at: the moment at which the queries are asked: memory holds what is before it.
            model: writes the queries.
        """
        self._train = [one for one in train if not one.query.described]
        self._at = at
        self._model = model
        self._able = True

    async def queries(self, persona: Persona, count: int, turn: int) -> list[Episode]:
        """Return at most ``count`` invented queries; the intents depend on ``turn`` alone.

        A model that cannot write as a user is not asked again: the search goes on without, and
        tells whoever watches. A query that fails or says nothing is left out.
        """
        if not self._able or not count or not self._train:
            return []
        drawn = random.Random(turn).sample(self._train, min(count, len(self._train)))
        found: list[Episode] = []
        for number, like in enumerate(drawn):
            try:
                message = await self._written(persona, like)
            except ModelCannotError as error:
                self._able = False
                tell(Imagined(cannot=str(error)))
                return []
            if message:
                name = f"{SIMULATED}-{turn}-{number}"
                found.append(
                    simulated_episode(
                        persona.user_id, message, self._at, like=like.query, name=name
                    )
                )
        tell(Imagined(episodes=tuple(found)))
        return found

    async def _written(self, persona: Persona, like: Episode) -> str:
        statements = [claim.statement for claim in persona.claims]
        examples = examples_for(self._train, like.query, {like.id})
        try:
            intent = intent_of(like.query)
            return (await simulate_item(self._model, statements, intent, examples)).strip()
        except (BudgetExceededError, ModelCallsBlockedError, ModelCannotError):
            raise
        except ModelError:
            return ""
