"""Random ``kill -9`` of a process that writes, and what is found afterwards.

A child process works on a data directory: it adds, adds batches over several users, retries,
attaches outcomes, learns facts, stores personas, recalls, forgets. It says what it begins and what
is done. The parent kills it at a random moment, opens the directory and compares: what is stored
must be what was acknowledged, with the one operation under way either done whole or not at all.
"""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from persona_agent.bench.kill_ledger import Found, Ledger, Operation, compare, read
from persona_agent.bench.kill_work import work
from persona_agent.memory import open_memory
from persona_agent.schema.base import Record
from persona_agent.settings import Settings

_OPENING_SHARE = 0.15
"""Of the children, killed while they start and open the memory."""
_OPENING_SECONDS = 0.05
_MOST_DONE = 25
"""Operations a child may do before its last moment is drawn."""
_LAST_SECONDS = 0.01
_PATIENCE_SECONDS = 120.0


class KillReport(Record):
    """What a run of kills found. All but the first three and ``seconds`` should be 0.

    ``under_way``: kills that met an operation begun and not acknowledged; ``half_done``: those
    after which it, or the whole state, was neither as before nor as after it.
    """

    kills: int
    acknowledged: int
    under_way: int
    lost: int
    duplicated: int
    foreign: int
    half_done: int
    seconds: float

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, duplicated, visible across users, or half done."""
        return not (self.lost or self.duplicated or self.foreign or self.half_done)


def run_kills(
    folder: Path,
    *,
    kills: int,
    seed: int = 0,
    store: str = "sqlite",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> KillReport:
    """Kill a writing process again and again; return what was found.

    Args:
        folder: an empty data directory.
        kills: how often.
        seed: of the operations and of the moments; the moments also depend on the machine.
        store: ``sqlite`` or ``chroma``.
        progress: called with the kills so far and all of them.
    """
    began = time.monotonic()
    settings = Settings(data_dir=folder, embedder="hash", store=store)
    moments = random.Random(seed)
    ledger, found = Ledger(), Found()
    acknowledged = under_way = 0
    for kill in range(kills):
        done, last = _one_life(settings, ledger, seed * 1_000_003 + kill, moments)
        for operation in done:
            ledger.apply(operation)
        acknowledged += len(done)
        under_way += last is not None
        memory = open_memory(settings)
        try:
            actual = read(memory)
        finally:
            memory.close()
        found += compare(ledger, last, actual)
        ledger = actual.ledger
        progress(kill + 1, kills)
    return KillReport(
        kills=kills,
        acknowledged=acknowledged,
        under_way=under_way,
        lost=found.lost,
        duplicated=found.duplicated,
        foreign=found.foreign,
        half_done=found.half_done,
        seconds=time.monotonic() - began,
    )


def _one_life(
    settings: Settings, ledger: Ledger, seed: int, moments: random.Random
) -> tuple[list[Operation], Operation | None]:
    """Let a child work until it is killed; return what it acknowledged and what was under way."""
    context = _context()
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=work, args=(theirs, settings, ledger, seed), daemon=True)
    child.start()
    theirs.close()
    messages: list[tuple[str, Operation | None]] = []
    try:
        if moments.random() < _OPENING_SHARE:
            _listen(ours, messages, moments.uniform(0, _OPENING_SECONDS))
        else:
            _listen(ours, messages, _PATIENCE_SECONDS, until=moments.randrange(_MOST_DONE))
            _listen(ours, messages, moments.uniform(0, _LAST_SECONDS))
    finally:
        child.kill()
        child.join()
    _listen(ours, messages, _PATIENCE_SECONDS)  # what it said before it died
    ours.close()
    done = [operation for said, operation in messages if said == "done" and operation]
    failed = [operation for said, operation in messages if said == "failed"]
    if failed:
        raise RuntimeError(f"the child failed in {failed[0]}")
    begun = [operation for said, operation in messages if said == "begin" and operation]
    return done, begun[-1] if len(begun) > len(done) else None


def _listen(
    pipe: Connection,
    messages: list[tuple[str, Operation | None]],
    seconds: float,
    until: int | None = None,
) -> None:
    """Gather messages for a time, or until the child is ready and so many operations are done."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        try:
            if not pipe.poll(left):
                return
            messages.append(pipe.recv())
        except (EOFError, OSError):
            return
        said = [kind for kind, _ in messages]
        if until is not None and "ready" in said and said.count("done") >= until:
            return


def _context() -> Any:
    """Return a way to start processes that have the library loaded already, where there is one."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([work.__module__, "persona_agent.memory.personas"])
    return context
