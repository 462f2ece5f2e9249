"""Which episodes a call is about: the filters that every store honours alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from persona_agent.memory.codec import UNKNOWN_OUTCOME, micros
from persona_agent.memory.coded import Coded, Scalar
from persona_agent.memory.rows import Rows

Metadata = Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Selection:
    """Filters, all of which must hold; the default selects everything.

    ``before`` (microseconds since 1970) keeps episodes strictly earlier, ``since`` those of that
    moment or later, ``task`` those whose ``task_name`` equals it, ``with_outcome`` those whose
    outcome is known, ``where`` those whose metadata has every given key with an equal value
    (``True`` is not ``1``).
    """

    before: int | None = None
    task: str | None = None
    with_outcome: bool = False
    where: Metadata | None = None
    since: int | None = None

    @classmethod
    def of(
        cls,
        *,
        before: datetime | None,
        task: str | None,
        with_outcome: bool,
        where: Metadata | None = None,
        since: datetime | None = None,
    ) -> Selection:
        """Return the filters of a call. Raises InputError for a moment without a time zone."""
        if before is None and since is None and task is None and not with_outcome and not where:
            return EVERYTHING
        end, begin = (None if one is None else micros(one) for one in (before, since))
        return cls(end, task, with_outcome, where or None, begin)

    @property
    def keys(self) -> tuple[str, ...]:
        """The metadata that the filters compare."""
        return tuple(self.where or ())

    def mask(self, rows: Rows, column: Callable[[str], Coded]) -> npt.NDArray[np.bool_] | None:
        """Tell for each row whether it is selected; shape (n,). None: all are.

        ``column`` returns the metadata of all rows under a key; it is asked for ``keys`` only.
        """
        masks: list[npt.NDArray[np.bool_]] = []
        if self.before is not None:
            masks.append(rows.at < self.before)
        if self.since is not None:
            masks.append(rows.at >= self.since)
        if self.task is not None:
            masks.append(rows.tasks.equals(self.task))
        if self.with_outcome:
            masks.append(rows.outcomes != UNKNOWN_OUTCOME)
        masks += [column(key).equals(value) for key, value in (self.where or {}).items()]
        if not masks:
            return None
        mask = masks[0]
        for another in masks[1:]:
            mask &= another
        return mask


EVERYTHING = Selection()
