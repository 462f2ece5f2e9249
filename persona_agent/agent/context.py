"""What enters the context of one answer: the persona's text and the recalled episodes.

Both depend on the persona's policy. Everything is restricted to before the moment of the query,
which is what keeps simulation and evaluation from seeing the future.
"""

from __future__ import annotations

import weakref
from collections.abc import Hashable, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from persona_agent.agent.last_made import LastMade
from persona_agent.agent.superseded import current
from persona_agent.persona import outcome_statistics, render
from persona_agent.persona.alternatives import as_version, choose
from persona_agent.prompts import Case
from persona_agent.protocols import Embedder, EpisodeStore
from persona_agent.schema import (
    Claim,
    ContextPolicy,
    Episode,
    Persona,
    Query,
    Recalled,
    Section,
    TaskStatistics,
)
from persona_agent.schema.base import Record

MOST_RECALLED = 200
CLEARLY_NEARER = 0.25
"""Difference of cosines by which one claim of a situation is plainly about the query, another not.

Claims on the product that is asked for are nearer than those on other products by 0.2 to 0.5, and
claims that share a word with a story nearer by 0.15 to 0.2 than one that takes knowledge to see.
"""

_Rendered = tuple[weakref.ref[Persona], tuple[TaskStatistics, ...] | None]
"""What a text is made of. The persona is not kept alive: users who are gone would add up."""


class Context(Record):
    """What the model gets to see of a user for one query; ``brief``: asked for in few words.

    ``date`` is the day of the query; "" where it is not known.
    """

    persona_version: str
    persona_text: str
    recalled: tuple[Recalled, ...] = ()
    brief: bool = False
    date: str = ""

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
        self._texts: LastMade[_Rendered, str] = LastMade()
        self._tasks: LastMade[tuple[Claim, ...], dict[str, frozenset[str]]] = LastMade()

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
        found: list[Recalled] = []
        policy = persona.policy
        if vector is None and (_asked_for(policy) or policy.most_claims or persona.alternatives):
            vector = self._embedder.embed([query.text])[0]
        if vector is not None:
            persona = self._suited(persona, query, vector, before)
        policy = persona.policy
        if _asked_for(policy) and vector is not None:
            found = self._remembered(persona, query, vector, before)
        alike = [one.episode.outcome or "" for one in found[policy.recalled :]]
        shown = self._to_the_point(persona, query, vector)
        return Context(
            persona_version=persona.version,
            persona_text=self.text(shown, query, before=before, alike=alike),
            recalled=tuple(found[: policy.recalled]),
            brief=policy.brief,
            date=(before or datetime.now(UTC)).date().isoformat(),
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
        what = (_asked_for(policy), policy.blend, policy.drop_superseded, policy.since)
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
        most = _asked_for(policy)
        reach = 2 * most if policy.drop_superseded else most
        found = self._episodes.recall(
            user,
            vector,
            limit=min(reach, MOST_RECALLED),
            blend=policy.blend,
            before=before,
            since=_current_taste(policy, before),
            task=query.task_name if query.task or query.options else None,
            with_outcome=True,
        )
        if policy.drop_superseded and found:
            vectors = self._episodes.vectors(user, [one.episode.id for one in found])
            found = current(found, vectors)
        return found[:most]

    def text(
        self,
        persona: Persona,
        query: Query,
        *,
        before: datetime | None = None,
        alike: Sequence[str] = (),
    ) -> str:
        """Render the persona with the statistics of the query's task as they stand now.

        A persona version holds the statistics of the moment it was made; an answer uses those
        of its own moment, so that an outcome recorded a second ago already counts.

        Args:
            persona: whose policy says what is shown.
            query: of the task whose outcomes are counted.
            before: only episodes strictly before this moment count; None counts all.
            alike: outcomes of cases like the query, closest first, to be listed with the counts.
        """
        if persona.policy.show_statistics:
            counted = self._statistics(persona, query.task_name, before)
            if alike and counted:
                counted = (counted[0].model_copy(update={"alike": tuple(alike)}),)
            return self._rendered(persona, counted)
        return self._rendered(persona, None)

    def _rendered(self, persona: Persona, counted: tuple[TaskStatistics, ...] | None) -> str:
        """Render a persona; most turns of a user show it as the one before did."""

        def rendered() -> str:
            shown = persona
            if counted is not None:
                shown = persona.model_copy(update={"statistics": counted})
            return render(shown, max_tokens=self._persona_tokens)

        return self._texts.get(persona.user_id, (weakref.ref(persona), counted), rendered)

    def _statistics(
        self, persona: Persona, task: str, before: datetime | None
    ) -> tuple[TaskStatistics, ...]:
        key = (persona.user_id, task, before, _current_taste(persona.policy, before))
        if key in self._counted:
            return self._counted[key]
        counted = outcome_statistics(self._known(persona, task, before))
        if self._snapshot:
            self._counted[key] = counted
        return counted

    def _known(self, persona: Persona, task: str, before: datetime | None) -> list[Episode]:
        return self._episodes.timeline(
            persona.user_id,
            before=before,
            since=_current_taste(persona.policy, before),
            task=task,
            with_outcome=True,
        )

    def _to_the_point(
        self, persona: Persona, query: Query, vector: npt.NDArray[np.float32] | None
    ) -> Persona:
        """Return the persona with as many claims as its policy has room for; see ``_telling``.

        For a choice, claims on situations of other tasks are left out, and those that always apply
        come after the task's own.
        """
        most = persona.policy.most_claims
        if most is None or vector is None or not persona.claims:
            return persona
        elsewhere = self._of_other_tasks(persona, query) if query.options else frozenset[str]()
        fitting = [
            one for one in persona.claims if one.pinned or not one.scope or one.id not in elsewhere
        ]
        own = [one for one in fitting if one.id not in elsewhere]
        near = {
            one.id: float(closeness)
            for one, closeness in zip(fitting, self._near(fitting, vector), strict=True)
        }
        kept = _telling(own, [near[one.id] for one in own], most)
        others = [one for one in fitting if one.id in elsewhere]
        kept |= _telling(others, [near[one.id] for one in others], most - len(kept))
        claims = [one for one in fitting if one.id in kept or one.pinned]
        return persona.model_copy(update={"claims": tuple(claims)})

    def _near(
        self, claims: Sequence[Claim], vector: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        if not claims:
            return np.zeros(0, dtype=np.float32)
        return self._embedder.embed([claim.statement for claim in claims]) @ vector

    def _of_other_tasks(self, persona: Persona, query: Query) -> frozenset[str]:
        """Return the ids of the claims of which all known cases are of other tasks."""

        def tasks() -> dict[str, frozenset[str]]:
            names = dict.fromkeys(name for one in persona.claims for name in one.evidence)
            known = self._episodes.get(persona.user_id, list(names))
            task = {episode.id: episode.query.task_name for episode in known}
            return {
                one.id: frozenset(task[name] for name in one.evidence if name in task)
                for one in persona.claims
                if one.origin != "user"
            }

        found = self._tasks.get(persona.user_id, persona.claims, tasks)
        return frozenset(id_ for id_, own in found.items() if own and query.task_name not in own)


def _telling(claims: Sequence[Claim], near: Sequence[float], most: int) -> set[str]:
    """Return the ids of the claims to show where there is room for few.

    A claim that always applies is near to no query, and so is one whose scope takes knowledge to
    see ("when the film is made from a novel"). One of each kind, that with the most evidence, is
    shown whatever is asked, unless another scope is nearer by CLEARLY_NEARER; the nearest ones fill
    what is left, one at least. What the user said in so many words goes by nearness alone: it rests
    on no number of cases.
    """
    drawn = [n for n, claim in enumerate(claims) if claim.origin != "user"]
    always = [
        n for n in drawn if not claims[n].scope or claims[n].section is Section.DECISION_HABITS
    ]
    scoped = [n for n in drawn if n not in always]

    def rank(place: int) -> tuple[int, int]:
        claim = claims[place]
        return len(claim.evidence) - len(claim.contrary), claim.helpful - claim.harmful

    standing = [max(kind, key=rank) for kind in (scoped, always) if kind]
    if scoped and max(near[n] for n in scoped) - near[standing[0]] > CLEARLY_NEARER:
        del standing[0]
    nearest = np.argsort(-np.asarray(near), kind="stable").tolist()
    chosen = list(dict.fromkeys([*standing[: max(0, most - 1)], *nearest]))[: max(0, most)]
    return {claims[place].id for place in chosen}


def _asked_for(policy: ContextPolicy) -> int:
    """Return how many cases like the query a policy asks for, in full or by outcome."""
    return policy.recalled + policy.listed


def _current_taste(policy: ContextPolicy, before: datetime | None) -> datetime | None:
    """Return since when cases are of the taste that a question asks about; None: all are."""
    since = policy.since
    return None if since is None or (before is not None and before <= since) else since
