"""What enters the context of one answer: the persona's text and the recalled episodes.

Both depend on the persona's policy. Everything is restricted to before the moment of the query,
which is what keeps simulation and evaluation from seeing the future.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from persona_agent.agent.superseded import current
from persona_agent.persona import outcome_statistics, render, too_many
from persona_agent.persona.alternatives import as_version, choose
from persona_agent.persona.sketches import sketches
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
MOST_TEXTS = 1_000
"""Users of whom the text shown last is kept."""

_Rendered = tuple[Callable[[], Persona | None], tuple[TaskStatistics, ...] | None, str]


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
        self._texts: dict[str, _Rendered] = {}

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
        policy = persona.policy
        if vector is None and (policy.recalled or policy.most_claims or persona.alternatives):
            vector = self._embedder.embed([query.text])[0]
        if vector is not None:
            persona = self._suited(persona, query, vector, before)
        if persona.policy.recalled and vector is not None:
            recalled = self._remembered(persona, query, vector, before)
        shown = self._to_the_point(persona, vector)
        return Context(
            persona_version=persona.version,
            persona_text=self.text(shown, query, before=before, recalled=recalled),
            recalled=tuple(recalled),
            brief=persona.policy.brief,
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
        what = (policy.recalled, policy.blend, policy.drop_superseded, policy.since)
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
            since=_current_taste(policy, before),
            task=query.task_name if query.task or query.options else None,
            with_outcome=True,
        )
        if policy.drop_superseded and found:
            vectors = self._episodes.vectors(user, [one.episode.id for one in found])
            found = current(found, vectors)
        return found[: policy.recalled]

    def text(
        self,
        persona: Persona,
        query: Query,
        *,
        before: datetime | None = None,
        recalled: Sequence[Recalled] = (),
    ) -> str:
        """Render the persona with the statistics of the query's task as they stand now.

        A persona version holds the statistics of the moment it was made; an answer uses those
        of its own moment, so that an outcome recorded a second ago already counts. Cases that are
        recalled are not shown in key words as well.
        """
        if persona.policy.show_statistics:
            counted = self._statistics(persona, query.task_name, before)
            if persona.policy.show_sketches and counted:
                known = self._known(persona, query.task_name, before)
                if not too_many(known):
                    made = sketches(known, left_out=[one.episode.id for one in recalled])
                    counted = (counted[0].model_copy(update={"sketches": made}),)
            return self._rendered(persona, counted)
        return self._rendered(persona, None)

    def _rendered(self, persona: Persona, counted: tuple[TaskStatistics, ...] | None) -> str:
        """Render a persona; most turns of a user show it as the one before did."""
        held, then, text = self._texts.get(persona.user_id, (_nothing, None, ""))
        if held() is persona and then == counted:
            return text
        shown = persona
        if counted is not None:
            shown = persona.model_copy(update={"statistics": counted})
        text = render(shown, max_tokens=self._persona_tokens)
        if len(self._texts) >= MOST_TEXTS:
            self._texts.clear()
        self._texts[persona.user_id] = weakref.ref(persona), counted, text
        return text

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

    def _to_the_point(self, persona: Persona, vector: npt.NDArray[np.float32] | None) -> Persona:
        """Return the persona with as many claims as its policy has room for; see ``_telling``."""
        most = persona.policy.most_claims
        if most is None or vector is None or len(persona.claims) <= most:
            return persona
        near = self._embedder.embed([claim.statement for claim in persona.claims]) @ vector
        kept = _telling(persona.claims, near, most)
        claims = [one for n, one in enumerate(persona.claims) if n in kept or one.pinned]
        return persona.model_copy(update={"claims": tuple(claims)})


def _telling(claims: Sequence[Claim], near: npt.NDArray[np.float32], most: int) -> set[int]:
    """Return the places of the claims to show where there is room for few.

    A claim that always applies is near to no query, and so is one whose scope takes knowledge to
    see ("when the film is made from a novel"). One of each kind, that with the most evidence, is
    shown whatever is asked; the nearest ones fill what is left, one at least. What the user said
    in so many words goes by nearness alone: it rests on no number of cases.
    """
    drawn = [n for n, claim in enumerate(claims) if claim.origin != "user"]
    always = [
        n for n in drawn if not claims[n].scope or claims[n].section is Section.DECISION_HABITS
    ]
    scoped = [n for n in drawn if n not in always]

    def rank(place: int) -> tuple[int, int]:
        claim = claims[place]
        return len(claim.evidence), claim.helpful - claim.harmful

    standing = [max(kind, key=rank) for kind in (scoped, always) if kind]
    nearest = np.argsort(-near, kind="stable").tolist()
    return set(list(dict.fromkeys([*standing[: most - 1], *nearest]))[:most])


def _current_taste(policy: ContextPolicy, before: datetime | None) -> datetime | None:
    """Return since when cases are of the taste that a question asks about; None: all are."""
    since = policy.since
    return None if since is None or (before is not None and before <= since) else since


def _nothing() -> None:
    """Stand in for the persona of a user of whom no text is kept."""
