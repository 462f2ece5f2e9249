"""Which episodes a call is about: the filters that every store honours alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from persona_agent.memory.codec import UNKNOWN_OUTCOME, micros
from persona_agent.memory.rows import Rows
from persona_agent.schema import Episode

Scalar = str | int | float | bool
Metadata = Mapping[str, Scalar]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Filters, all of which must hold; the default selects everything.

    ``before`` keeps episodes strictly earlier, ``task`` those whose ``task_name`` equals it,
    ``with_outcome`` those whose outcome is known, ``where`` those whose metadata has every given
    key with an equal value (``True`` is not ``1``).
    """

    before: datetime | None = None
    task: str | None = None
    with_outcome: bool = False
    where: Metadata | None = None

    def __post_init__(self) -> None:
        if self.before is not None:
            micros(self.before)  # refuses a moment without a time zone

    def matches(self, episode: Episode) -> bool:
        """Tell whether an episode is selected."""
        return (
            (self.before is None or episode.at < self.before)
            and (self.task is None or episode.query.task_name == self.task)
            and (not self.with_outcome or episode.outcome is not None)
            and (not self.where or has(episode.metadata, self.where))
        )

    def mask(self, rows: Rows, metadata: Mapping[str, Metadata]) -> npt.NDArray[np.bool_]:
        """Tell for each row whether it is selected; shape (n,).

        ``metadata`` maps episode ids to their metadata; it is only read where ``where`` is given.
        """
        mask = np.ones(len(rows), dtype=np.bool_)
        if self.before is not None:
            mask &= rows.at < micros(self.before)
        if self.task is not None:
            mask &= rows.tasks == self.task
        if self.with_outcome:
            mask &= rows.outcomes != UNKNOWN_OUTCOME
        if self.where:
            for index in np.flatnonzero(mask):
                mask[index] = has(metadata.get(rows.ids[index], {}), self.where)
        return mask


def has(metadata: Metadata, wanted: Metadata) -> bool:
    """Tell whether metadata has every wanted key with an equal value."""
    return all(
        key in metadata
        and metadata[key] == value
        and isinstance(metadata[key], bool) == isinstance(value, bool)
        for key, value in wanted.items()
    )
