"""How episodes lie in Chroma: which collection a user is in, and what a row holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from persona_agent.memory.codec import decode
from persona_agent.memory.database import unfit
from persona_agent.protocols import Vectors
from persona_agent.schema import Episode

T = TypeVar("T")

SHARDS = 16
PREFIX = "episodes-"
PAGE = 2_000

BODY = "body"
"""The JSON of an episode is metadata: of a document, Chroma would index every trigram."""

PARTS = ["metadatas", "documents", "embeddings"]
"""What a ``get`` has to include; rows of former versions have their JSON as document."""


def shard_of(user_id: str) -> str:
    """Return the name of a user's collection. Raises InputError."""
    return f"{PREFIX}{int(hashed(user_id)[:2], 16) % SHARDS:02d}"


def key_of(user_id: str, episode_id: str) -> str:
    """Return the id of an episode in Chroma, unique over all users. Raises InputError."""
    return f"{hashed(user_id)[:32]}-{hashed(episode_id)[:32]}"


def hashed(name: str) -> str:
    """Return a name as 64 hexadecimal digits. Raises InputError for what is no text."""
    try:
        return hashlib.sha256(name.encode()).hexdigest()
    except UnicodeEncodeError as error:
        raise unfit("Chroma", error) from None


def pages(items: Sequence[T], size: int = PAGE) -> Iterator[list[T]]:
    """Yield keys or rows in lots of a size that Chroma takes at once."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def row(user_id: str, body: str) -> dict[str, str]:
    """Return the metadata of an episode's row."""
    return {"user_id": user_id, BODY: body}


def decoded(found: Mapping[str, Any], place: object) -> tuple[list[Episode], Vectors]:
    """Return the episodes of a ``get`` that included :data:`PARTS`. Raises StoreDamagedError."""
    bodies = [
        metadata.get(BODY, document)
        for metadata, document in zip(found["metadatas"], found["documents"], strict=True)
    ]
    episodes = [decode(body, place) for body in bodies]
    return episodes, np.asarray(found["embeddings"], dtype=np.float32)
