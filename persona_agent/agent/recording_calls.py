"""What a caller tells the agent: interactions, their outcomes, and what users say of decisions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from pydantic import ValidationError

from persona_agent.agent.clarify import reply_as_fact
from persona_agent.agent.inputs import checked_query, explain
from persona_agent.agent.learning_calls import LearningCalls
from persona_agent.agent.secrets import clean, without_secrets
from persona_agent.agent.sync import blocking
from persona_agent.errors import InputError
from persona_agent.memory.codec import ids_by_user
from persona_agent.memory.facts import Learned
from persona_agent.protocols import Completed
from persona_agent.schema import Episode, Feedback
from persona_agent.schema.episode import JsonScalar


class RecordingCalls(LearningCalls):
    """The part of the public API that is about what happened; the user's learning hears of it."""

    async def record(
        self,
        user: str,
        query: str,
        outcome: str | None = None,
        *,
        options: Sequence[str] = (),
        task: str = "",
        response: str | None = None,
        at: datetime | None = None,
        id: str | None = None,
        metadata: dict[str, JsonScalar] | None = None,
    ) -> str:
        """Store one interaction and return its episode id. It is durable when this returns.

        Args:
            user: whose interaction it is.
            query: what was asked.
            outcome: what the user really chose or wrote; leave out while it is unknown.
            options: the possible answers, if there were any; the outcome must be one of them.
            task: name of the recurring job, so that counts of different jobs stay apart.
            response: what an assistant answered.
            at: when; aware of its time zone. Default: now.
            id: your id of the interaction. Recording it again is a retry that changes nothing.
            metadata: anything else, as flat values.

        Raises:
            InputError: a value is not valid; nothing was stored.
            StoreError: nothing was stored.
        """
        given: dict[str, Any] = {"id": id, "at": at, "metadata": metadata}
        fields = {name: value for name, value in given.items() if value is not None}
        asked = checked_query(query, options, task)
        try:
            episode = Episode(
                user_id=user, query=asked, outcome=outcome, response=response, **fields
            )
        except ValidationError as error:
            raise InputError(explain(error)) from None
        await self.record_episodes([episode])
        await self._remember_reply(episode)
        if outcome is not None:
            await self._learned_something(user)
        elif not options:
            await self.heard(user, query)
        return episode.id

    async def record_episodes(self, episodes: Sequence[Episode]) -> int:
        """Store many interactions, all or nothing; return how many were new."""

        def store() -> int:
            kept = self._cleaned(episodes)
            vectors = self.memory.embedder.embed([episode.query.text for episode in kept])
            return len(self.memory.episodes.add(kept, vectors))

        return await asyncio.to_thread(store) if episodes else 0

    async def import_episodes(self, episodes: Sequence[Episode]) -> Completed:
        """Store interactions, and the outcomes of those that were stored without one.

        All or nothing, both together. Importing them again adds what is new in them and changes
        nothing else. Nothing is learned from them until the next optimization.

        Raises:
            InputError: an outcome is not one of the stored options, or an id comes twice.
            StoreError: nothing was stored.
        """

        def store() -> Completed:
            memory, kept = self.memory, self._cleaned(episodes)
            named = ids_by_user(kept)
            known = {(user, e.id) for user in named for e in memory.episodes.get(user, named[user])}
            fresh = [one for one in kept if (one.user_id, one.id) not in known]
            late = [one for one in kept if (one.user_id, one.id) in known]
            texts = [episode.query.text for episode in fresh]
            # Nothing is asked of the embedder for no texts: it may take long to load.
            vectors = memory.embedder.embed(texts) if texts else np.zeros((0, 0), np.float32)
            return memory.episodes.complete(fresh, vectors, late)

        done = await asyncio.to_thread(store)
        for episode in done.told:
            await self._remember_reply(episode)
        return done

    def _cleaned(self, episodes: Sequence[Episode]) -> Sequence[Episode]:
        return episodes if self.settings.keep_secrets else [clean(one) for one in episodes]

    async def feedback(
        self,
        episode_id: str,
        *,
        user: str,
        outcome: str | None = None,
        thumb: int | None = None,
        comment: str = "",
    ) -> Episode:
        """Attach what the user really wanted, a thumb (-1 or 1) or a comment to an episode.

        For a decision that came with a question, the outcome or the comment is the reply: it is
        kept as what the user stated. A thumb judges the response, and is no outcome: optimizing
        learns from outcomes, and from comments that state something of the user.

        Raises:
            InputError: no feedback given, or the outcome is not one of the options.
            NotFoundError: this user has no such episode.
        """
        if outcome is None and thumb is None and not comment:
            raise InputError("feedback needs an outcome, a thumb (-1 or 1) or a comment")
        try:
            said = Feedback.model_validate({"thumb": thumb, "comment": comment})
        except ValidationError as error:
            raise InputError(explain(error)) from None
        if not self.settings.keep_secrets:
            said = said.model_copy(update={"comment": without_secrets(said.comment)})
            outcome = None if outcome is None else without_secrets(outcome)
        told = await asyncio.to_thread(
            self.memory.episodes.set_outcome,
            user,
            episode_id,
            outcome=outcome,
            feedback=said if thumb is not None or comment else None,
        )
        await self._remember_reply(told)
        await self._learned_something(user)
        return told

    async def _remember_reply(self, episode: Episode) -> None:
        """Keep the user's reply to a question as a stated fact, in place of earlier replies."""
        fact = reply_as_fact(episode if self.settings.keep_secrets else clean(episode))
        if fact is None:
            return
        facts = self.memory.facts

        def keep() -> None:
            earlier = facts.for_episode(episode.user_id, episode.id)
            replies = (one.id for one in earlier if one.stated and one.sources == fact.sources)
            facts.learn(episode.user_id, [Learned(fact=fact, supersedes=tuple(replies))], [])

        await asyncio.to_thread(keep)

    record_sync = blocking(record)
    record_episodes_sync = blocking(record_episodes)
    import_episodes_sync = blocking(import_episodes)
    feedback_sync = blocking(feedback)
