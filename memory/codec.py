"""Episodes as stored: their JSON form, moments as integers, outcomes as codes, checked batches."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from persona_agent.errors import EmbedderMismatchError, InputError, StoreDamagedError
from persona_agent.protocols import Vectors
from persona_agent.schema import SIMULATED, Episode, Feedback, Query
from persona_agent.schema.base import Record

RecordT = TypeVar("RecordT", bound=Record)

UNKNOWN_OUTCOME = 0
"""The code of an outcome that is not known yet."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNIT_TOLERANCE = 1e-3
_GIVEN: dict[frozenset[str], set[str]] = {}
_new = object.__new__
_set = object.__setattr__  # records are frozen


def micros(moment: datetime) -> int:
    """Return a moment as microseconds since 1970, exactly. Raises InputError without a zone."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise InputError(f"{moment.isoformat()} has no time zone: give an aware datetime")
    return (moment - _EPOCH) // _MICROSECOND


def outcome_code(outcome: str | None) -> int:
    """Return a 64-bit code that is equal for equal outcomes; 0 where the outcome is unknown."""
    if outcome is None:
        return UNKNOWN_OUTCOME
    digest = hashlib.blake2b(outcome.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) or 1


def encode(episode: Episode) -> str:
    """Return the episode as JSON. Raises InputError for what no store may or JSON cannot hold."""
    if SIMULATED in episode.metadata:
        raise InputError(
            f"episode {episode.id!r}: metadata {SIMULATED!r} marks what was invented, and only "
            "what happened is stored: leave the episode out, or use another key"
        )
    for key, value in episode.metadata.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"episode {episode.id!r}: metadata {key!r} must be a finite number")
    offset = episode.at.utcoffset()
    if offset is not None and offset % timedelta(minutes=1):
        # ISO 8601 offsets have no seconds: kept as it is, the moment would move.
        episode = episode.model_copy(update={"at": episode.at.astimezone(UTC)})
    try:
        return episode.model_dump_json()
    except PydanticSerializationError as error:
        raise InputError(f"episode {episode.id!r} cannot be stored as JSON: {error}") from None


def decode(body: str | bytes, place: object) -> Episode:
    """Return the episode of a stored JSON. Raises StoreDamagedError naming ``place``."""
    try:
        return Episode.model_validate_json(body)
    except ValidationError as error:
        raise StoreDamagedError(
            f"{place} holds an episode that cannot be read ({error.errors()[0]['msg']}); "
            "the other episodes are intact: restore the file from a backup, or delete this episode"
        ) from None


def copied(episode: Episode) -> Episode:
    """Return a copy that shares nothing that can change."""
    values = episode.__dict__.copy()
    values["metadata"] = values["metadata"].copy()
    return unchecked(Episode, values, episode.__pydantic_fields_set__)


def shared(episode: Episode, user_id: str) -> Episode:
    """Return the episode in half the memory: what is equal in many of them is there once.

    Of a record's memory a large part is the set of the names of its fields that were given; nothing
    changes it on a record that is frozen.
    """
    query = episode.query
    values = episode.__dict__ | {
        "user_id": user_id,
        "query": unchecked(Query, query.__dict__, _names(query)),
    }
    return unchecked(Episode, values, _names(episode))


def _names(record: Record) -> set[str]:
    given = record.__pydantic_fields_set__
    return _GIVEN.setdefault(frozenset(given), given)


def unchecked(kind: type[RecordT], values: dict[str, object], given: set[str]) -> RecordT:
    """Return a record of values that were checked before; the dictionary becomes the record's own.

    This is what ``model_construct`` does, at a fifth of the time: recall makes twenty of them.
    ``given`` may be shared by records, because nothing is set on one that is frozen.
    """
    record = _new(kind)
    _set(record, "__dict__", values)
    _set(record, "__pydantic_fields_set__", given)
    _set(record, "__pydantic_extra__", None)
    _set(record, "__pydantic_private__", None)
    return record


def attach(episode: Episode, outcome: str | None, feedback: Feedback | None) -> Episode:
    """Return the episode with an outcome, feedback or both. Raises InputError."""
    if outcome is None and feedback is None:
        raise InputError(f"episode {episode.id!r}: give an outcome, feedback, or both")
    fields = dict(copied(episode))
    if outcome is not None:
        fields["outcome"] = outcome
    if feedback is not None:
        fields["feedback"] = feedback
    try:
        return Episode(**fields)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise InputError(f"episode {episode.id!r}: {problem}") from None


def completed(
    late: Sequence[Episode], stored: Mapping[tuple[str, str], Episode]
) -> tuple[list[Episode], list[str]]:
    """Compare the outcomes of late records with what is stored, by user and id.

    Returns:
        The stored episodes that had no outcome, with it; and the ids of the records with another
        outcome than the stored one.

    Raises:
        InputError: an outcome is not one of the stored options.
    """
    told, other = [], []
    for episode in late:
        before = stored.get((episode.user_id, episode.id))
        if before is None or episode.outcome is None:
            continue
        if before.outcome is None:
            told.append(attach(before, episode.outcome, None))
        elif before.outcome != episode.outcome:
            other.append(episode.id)
    return told, other


def ids_by_user(episodes: Sequence[Episode]) -> dict[str, list[str]]:
    """Return the ids of episodes by user. Raises InputError where one comes twice."""
    ids: dict[str, dict[str, None]] = {}
    for episode in episodes:
        mine = ids.setdefault(episode.user_id, {})
        if episode.id in mine:
            raise InputError(
                f"episode {episode.id!r} of user {episode.user_id!r} comes twice: give each once"
            )
        mine[episode.id] = None
    return {user_id: list(mine) for user_id, mine in ids.items()}


def check_batch(episodes: Sequence[Episode], vectors: Vectors) -> Vectors:
    """Return the vectors as a contiguous float32 matrix, one unit row for each episode.

    Raises:
        InputError: the shapes disagree, or a row is not of unit length.
    """
    matrix = np.ascontiguousarray(vectors, dtype=np.float32)
    if matrix.ndim != 2 or matrix.shape[0] != len(episodes) or matrix.shape[1] == 0:
        raise InputError(
            f"{len(episodes)} episodes need vectors of shape ({len(episodes)}, dimension), "
            f"not {matrix.shape}"
        )
    wrong = np.flatnonzero(~_is_unit(np.einsum("ij,ij->i", matrix, matrix)))
    if wrong.size:
        raise InputError(
            f"the vector of episode {episodes[int(wrong[0])].id!r} is not of unit length: "
            "normalise vectors before they are stored"
        )
    return matrix


def check_vector(vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return a query vector as contiguous float32. Raises InputError unless it is a unit vector."""
    row = np.ascontiguousarray(vector, dtype=np.float32)
    if row.ndim != 1 or not abs(float(row.dot(row)) - 1.0) <= 2 * _UNIT_TOLERANCE:  # NaN too
        raise InputError(f"recall needs one vector of unit length, not one of shape {row.shape}")
    return row


def check_limit(limit: int | None) -> None:
    """Raise InputError for a negative limit."""
    if limit is not None and limit < 0:
        raise InputError(f"limit must be 0 or more, not {limit}")


def mismatch(place: object, stored: str, used: str) -> EmbedderMismatchError:
    """Return the error for vectors of two embedders that would meet in one store."""
    return EmbedderMismatchError(
        f"{place} holds vectors of {stored}, but {used} is in use. Their vectors cannot be "
        f"compared: go on with {stored} (PERSONA_AGENT_EMBEDDER), or export the data and import it "
        "into an empty data directory, which embeds it anew"
    )


def _is_unit(squares: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    close: npt.NDArray[np.bool_] = np.abs(squares - 1.0) <= 2 * _UNIT_TOLERANCE
    return close  # False for NaN
