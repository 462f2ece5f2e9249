"""What a model wrote of a user and no persona took up: how much, and why. No text is ever told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar

TOO_FEW_CASES = "rests on too few cases"
NO_RULE = "as many cases speak against it as for it"
REFUSED = "was tried without success"
NOT_USABLE = "names what there is not"
JUDGED = "directs the assistant, as a model sees it"


class LeftOut:
    """Statements that were left out, each counted once however often it is written."""

    def __init__(self) -> None:
        self._why: dict[str, str] = {}

    def add(self, statement: str, why: str) -> None:
        """Count a statement; what was counted before keeps its first reason."""
        self._why.setdefault(statement.casefold(), why)

    @property
    def reasons(self) -> dict[str, int]:
        """How many were left out for each reason, the commonest first."""
        return dict(Counter(self._why.values()).most_common())


_COUNTING: ContextVar[LeftOut | None] = ContextVar("persona_agent_left_out", default=None)


@contextmanager
def counting_left_out() -> Iterator[LeftOut]:
    """Count what is left out inside, as far as threads and tasks reach."""
    found = LeftOut()
    token = _COUNTING.set(found)
    try:
        yield found
    finally:
        with suppress(ValueError):  # left in another context, where nothing is to undo
            _COUNTING.reset(token)


def leave_out(statement: str, why: str) -> None:
    """Count a statement that is left out, where somebody counts."""
    found = _COUNTING.get()
    if found is not None:
        found.add(statement, why)


def left_out_line(reasons: Mapping[str, int]) -> str:
    """Return how much was left out, and why, as one line; "" for nothing."""
    if not reasons:
        return ""
    parts = ", ".join(f"{why} ({number})" for why, number in reasons.items())
    return f"Left out of what the model wrote: {sum(reasons.values())}; {parts}"
