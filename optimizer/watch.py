"""What a search tells whoever watches it, while it goes on. Watching changes nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from persona_agent.optimizer.gradient import Critique
from persona_agent.schema import Claim, Edit, Episode, GateResult, Noise, Trial
from persona_agent.schema.base import Record


class Drafted(Record):
    """A first persona was written; nothing of it is proven yet."""

    claims: tuple[Claim, ...]


class Simulated(Record):
    """Episodes were answered as if their outcomes were unknown: one trial an episode, in order."""

    what: str
    episodes: tuple[Episode, ...]
    trials: tuple[Trial, ...]


class Critiqued(Record):
    """Wrong answers were looked into; empty where all were right."""

    critiques: tuple[Critique, ...]


class Proposed(Record):
    """Edits were proposed; those that other interactions do not support are never tried."""

    edits: tuple[Edit, ...]
    unsupported: tuple[Edit, ...]


class Imagined(Record):
    """Queries of the user were invented for a round; ``cannot`` says why there is none."""

    episodes: tuple[Episode, ...] = ()
    cannot: str = ""


Event = Drafted | Noise | Simulated | Imagined | Critiqued | Proposed | GateResult
"""A gate is told as the result that the revision will hold, and so is the noise."""

Watch = Callable[[Event], None]
"""Called on the search's own thread: it is to return at once, and raises nothing."""

_WATCH: ContextVar[Watch | None] = ContextVar("persona_agent_watch", default=None)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Tell ``watch`` of every search that is started inside, as far as threads and tasks reach."""
    token = _WATCH.set(watch)
    try:
        yield
    finally:
        with suppress(ValueError):  # left in another context, where nothing is to undo
            _WATCH.reset(token)


def tell(event: Event) -> None:
    """Tell the watcher, if there is one."""
    watch = _WATCH.get()
    if watch is not None:
        watch(event)
