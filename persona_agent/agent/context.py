"""What enters the context of one answer: the persona's text and the recalled episodes.

Both depend on the persona's policy. Everything is restricted to before the moment of the query,
which is what keeps simulation and evaluation from seeing the future.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime

import numpy as np
import numpy.typing as npt

from persona_agent.agent.superseded import current
from persona_agent.persona import outcome_statistics, render
from persona_agent.persona.alternatives import as_version, choose
from persona_agent.prompts import Case
from persona_agent.protocols import Embedder, EpisodeStore
from persona_agent.schema import Persona, Query, Recalled, TaskStatistics
from persona_agent.schema.base import Record

MOST_RECALLED = 200


class Context(Record):
    """What the model gets to see of a user for one query; ``brief``: asked for in few words."""

    persona_version: str
    persona_text: str
    recalled: tuple[Recalled, ...] = ()
    brief: bool = False

    @property
    def cases(self) -> tuple[Case, ...]:
        """The recalled episodes as prompts show them, best first."""
        return tuple(Case.of(one.episode) for one in self.recalled)


class ContextBuilder:
    """Builds contexts from memory. Blocking (store and embedder); call it off the event loop.

    With ``snapshot`` the memory is read once for each question and moment, however many personas
    and policies are tried on it: for simulation, which asks of a past that stays as it was.
    """

    def __init__(
        self,
        episodes: EpisodeStore,
        embedder: Embedder,
        *,
        persona_tokens: int,
        snapshot: bool = False,
    ) -> None:
        self._episodes = episodes
        self._embedder = embedder
        self._persona_tokens = persona_tokens
        self._snapshot = snapshot
        self._found: dict[Hashable, list[Recalled]] = {}
        self._counted: dict[Hashable, tuple[TaskStatistics, ...]] = {}

    def build(
        self,
        persona: Persona,
        query: Query,
        *,
        before: datetime | None = None,
        vector: npt.NDArray[np.float32] | None = None,
    ) -> Context:
        """Return the context of a query.

        Recalled are episodes of the query's task; of every task, for a question that belongs to
        none and has no options. A persona with alternatives shows the version that did best on
        similar cases.

        Args:
            persona: whose claims are rendered, and whose policy says what is shown.
            query: what is asked.
            before: only episodes strictly before this moment are seen; None sees all.
            vector: the query's embedding, where it is known already.
        """
        recalled: list[Recalled] = []
        if vector is None and (persona.policy.recalled or persona.alternatives):
            vector = self._embedder.embed([query.text])[0]
        if vector is not None:
            persona = self._suited(persona, query, vector, before)
        if persona.policy.recalled and vector is not None:
            recalled = self._remembered(persona, query, vector, before)
        return Context(
            persona_version=persona.version,
            persona_text=self.text(persona, query, before=before),
            recalled=tuple(recalled),
            brief=persona.policy.brief,
        )

    def _suited(
        self,
        persona: Persona,
        query: Query,
        vector: npt.NDArray[np.float32],
        before: datetime | None,
    ) -> Persona:
        """Return the version of a persona that did best on cases of the same task like this one."""
        if not persona.alternatives:
            return persona
        known = self._episodes.get(persona.user_id, list(persona.track_record))
        ids = [
            one.id
            for one in known
            if one.query.task_name == query.task_name and (before is None or one.at < before)
        ]
        if not ids:
            return as_version(persona, 0)
        similarity = self._episodes.vectors(persona.user_id, ids) @ vector
        costs = np.array([persona.track_record[name] for name in ids])
        return as_version(persona, choose(costs, np.asarray(similarity, dtype=np.float64)))

    def _remembered(
        self,
        persona: Persona,
        query: Query,
        vector: npt.NDArray[np.float32],
        before: datetime | None,
    ) -> list[Recalled]:
        policy = persona.policy
        what = (policy.recalled, policy.blend, policy.drop_superseded)
        key = (persona.user_id, query.text, query.task_name, before, what)
        if key in self._found:
            return self._found[key]
        found = self._recalled(persona, query, vector, before)
        if self._snapshot:
            self._found[key] = found
        return found

    def _recalled(
        self,
        persona: Persona,
        query: Query,
        vector: npt.NDArray[np.float32],
        before: datetime | None,
    ) -> list[Recalled]:
        user, policy = persona.user_id, persona.policy
        # What overtakes a case is as similar to the query as the case is: look twice as far.
        reach = 2 * policy.recalled if policy.drop_superseded else policy.recalled
        found = self._episodes.recall(
            user,
            vector,
            limit=min(reach, MOST_RECALLED),
            blend=policy.blend,
            before=before,
            task=query.task_name if query.task or query.options else None,
            with_outcome=True,
        )
        if policy.drop_superseded and found:
            vectors = self._episodes.vectors(user, [one.episode.id for one in found])
            found = current(found, vectors)
        return found[: policy.recalled]

    def text(self, persona: Persona, query: Query, *, before: datetime | None = None) -> str:
        """Render the persona with the statistics of the query's task as they stand now.

        A persona version holds the statistics of the moment it was made; an answer uses those
        of its own moment, so that an outcome recorded a second ago already counts.
        """
        if persona.policy.show_statistics:
            counted = self._statistics(persona.user_id, query.task_name, before)
            persona = persona.model_copy(update={"statistics": counted})
        return render(persona, max_tokens=self._persona_tokens)

    def _statistics(
        self, user_id: str, task: str, before: datetime | None
    ) -> tuple[TaskStatistics, ...]:
        key = (user_id, task, before)
        if key in self._counted:
            return self._counted[key]
        known = self._episodes.timeline(user_id, before=before, task=task, with_outcome=True)
        counted = outcome_statistics(known)
        if self._snapshot:
            self._counted[key] = counted
        return counted
