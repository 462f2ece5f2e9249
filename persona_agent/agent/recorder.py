"""Storing the episodes of many turns at once, so that they share one write to the disk."""

from __future__ import annotations

from collections.abc import Sequence

from persona_agent.agent.batches import Batches
from persona_agent.agent.facade import PersonaAgent
from persona_agent.errors import InputError
from persona_agent.schema import Episode

MOST_AT_ONCE = 256


class Recorder:
    """Writes what comes while a write is under way together with the next one.

    To be used from one event loop.
    """

    def __init__(self, agent: PersonaAgent) -> None:
        self._agent = agent
        self._batches: Batches[Episode, bool] = Batches(self._write, most=MOST_AT_ONCE)

    async def add(self, episode: Episode) -> None:
        """Store an episode. It is durable when this returns, or this raises what storing raised.

        A caller that is cancelled does not take the episode back. What is stored may make learning
        due, which runs beside the answers.
        """
        await self._batches.add(episode)
        await self._agent.heard(episode.user_id, episode.query.text)

    async def aclose(self) -> None:
        """Wait until everything that was given is stored, or has failed."""
        await self._batches.aclose()

    async def _write(self, episodes: list[Episode]) -> Sequence[bool | Exception]:
        try:
            await self._agent.record_episodes(episodes)
        except InputError:
            if len(episodes) == 1:
                raise
            # One of them cannot be stored: that is no reason to lose those of other users.
            return [await self._written(episode) for episode in episodes]
        return [True] * len(episodes)

    async def _written(self, episode: Episode) -> bool | Exception:
        try:
            await self._agent.record_episodes([episode])
        except Exception as error:
            return error
        return True
