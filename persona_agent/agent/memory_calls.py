"""What a caller reads, takes out and puts back of a user's memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from persona_agent.agent.inputs import valid_user
from persona_agent.agent.sync import LoopThread, blocking
from persona_agent.errors import InputError
from persona_agent.memory import Memory
from persona_agent.memory.transfer import export_user, import_lines
from persona_agent.schema import Episode, Fact, Recalled

MOST_FOUND = 200


class MemoryCalls:
    """The part of the public API that is about what is stored."""

    memory: Memory
    _background: LoopThread

    async def search(
        self, user: str, query: str, *, limit: int = 8, task: str | None = None
    ) -> list[Recalled]:
        """Return the episodes that the agent would recall for a query, best first.

        Args:
            user: whose memory it is.
            query: any text that is not blank.
            limit: most episodes to return, 1 to 200.
            task: only episodes of this task.

        Raises:
            InputError: the query is blank, or the limit is out of range.
        """
        if not query.strip():
            raise InputError("a search needs a query, got a blank text")
        if not 1 <= limit <= MOST_FOUND:
            raise InputError(f"limit must be between 1 and {MOST_FOUND}, got {limit}")

        def find() -> list[Recalled]:
            vector = self.memory.embedder.embed([query])[0]
            return self.memory.episodes.recall(valid_user(user), vector, limit=limit, task=task)

        return await self.memory.reads.run(find)

    async def episodes(
        self, user: str, *, limit: int | None = None, task: str | None = None
    ) -> list[Episode]:
        """Return the user's episodes in time order; with ``limit`` the latest ones."""
        return await asyncio.to_thread(
            self.memory.episodes.timeline, valid_user(user), limit=limit, task=task
        )

    async def facts(self, user: str) -> list[Fact]:
        """Return the facts that hold now, with the ids of the episodes they rest on."""
        return await asyncio.to_thread(self.memory.facts.current, valid_user(user))

    async def delete_episodes(self, user: str, ids: Sequence[str]) -> int:
        """Remove single episodes; return how many there were. See ``forget`` for all of a user."""
        if isinstance(ids, str):
            raise InputError("ids must be a list of episode ids, got one text")
        return await asyncio.to_thread(self.memory.delete, valid_user(user), list(ids))

    async def export(self, user: str) -> list[str]:
        """Return everything that is stored of a user, one JSON object a line."""
        return await asyncio.to_thread(lambda: list(export_user(self.memory, valid_user(user))))

    async def import_lines(self, lines: Iterable[str]) -> dict[str, int]:
        """Store exported lines; return how many records of each kind were new.

        Raises:
            InputError: a line is not valid; nothing was stored.
            ConflictError: a user has another persona than the one that the lines begin with.
        """
        return await asyncio.to_thread(import_lines, self.memory, lines)

    search_sync = blocking(search)
    episodes_sync = blocking(episodes)
    facts_sync = blocking(facts)
    delete_episodes_sync = blocking(delete_episodes)
    export_sync = blocking(export)
    import_lines_sync = blocking(import_lines)
