"""Timeline and recall over episodes that are at hand as objects, for stores without columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from persona_agent.memory.codec import check_limit, copied, micros
from persona_agent.memory.recall import rank
from persona_agent.memory.rows import Rows
from persona_agent.memory.selection import Selection
from persona_agent.protocols import Vectors
from persona_agent.schema import Episode, RecallBlend, Recalled


def timeline(episodes: Iterable[Episode], selection: Selection, limit: int | None) -> list[Episode]:
    """Return copies of the selected episodes in time order (ties by id), the latest ones."""
    check_limit(limit)
    chosen = sorted(filter(selection.matches, episodes), key=lambda one: (one.at, one.id))
    return [copied(one) for one in (chosen if limit is None else chosen[len(chosen) - limit :])]


def recall(
    episodes: Sequence[Episode],
    vectors: Vectors,
    query: npt.NDArray[np.float32],
    selection: Selection,
    *,
    limit: int,
    blend: RecallBlend | None,
    now: datetime | None,
) -> list[Recalled]:
    """Return the best of all of a user's episodes, best first, as copies."""
    if not episodes:
        return []
    by_id = {episode.id: episode for episode in episodes}
    rows = Rows.of_episodes(episodes, vectors)
    moment = now or selection.before
    hits = rank(
        rows,
        query,
        limit=limit,
        blend=blend,
        now=None if moment is None else micros(moment),
        mask=selection.mask(rows, {id_: episode.metadata for id_, episode in by_id.items()}),
    )
    return [
        Recalled(
            episode=copied(by_id[rows.ids[hit.index]]),
            score=hit.score,
            similarity=hit.similarity,
        )
        for hit in hits
    ]
