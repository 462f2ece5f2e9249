"""The process that is killed: it does random operations and says what it begins and has done."""

from __future__ import annotations

import random
from collections.abc import Iterator
from multiprocessing.connection import Connection

import numpy as np

from persona_agent.bench.kill_ledger import Ledger, Life, Operation, episode_of
from persona_agent.memory import Memory, open_memory
from persona_agent.memory.facts import Learned
from persona_agent.protocols import Vectors
from persona_agent.schema import Fact, Persona
from persona_agent.settings import Settings

USERS = tuple(f"user{number}" for number in range(6))

_KINDS = {"add": 10, "batch": 6, "retry": 3, "outcome": 5, "persona": 3, "learn": 3, "recall": 5}
_FORGET = 3
_MOST = 300
"""Episodes of a user, beyond which the user is forgotten."""


def work(pipe: Connection, settings: Settings, ledger: Ledger, seed: int) -> None:
    """Open the memory and work until killed; ``ledger`` is what it holds."""
    memory = open_memory(settings)
    pipe.send(("ready", None))
    chance = random.Random(seed)
    for operation in _operations(ledger, chance):
        pipe.send(("begin", operation))
        try:
            _do(memory, operation, ledger)
        except BaseException as error:
            pipe.send(("failed", (operation, repr(error))))
            raise
        ledger.apply(operation)
        pipe.send(("done", operation))


def _operations(ledger: Ledger, chance: random.Random) -> Iterator[Operation]:
    """Yield operations that suit the ledger, which the caller keeps up to date."""
    kinds, weights = zip(*_KINDS.items(), ("forget", _FORGET), strict=True)
    while True:
        user = chance.choice(USERS)
        life = ledger.lives.get(user, Life())
        (kind,) = chance.choices(kinds, weights)
        known = sorted(life.episodes)
        if kind == "forget" or len(known) > _MOST:
            yield Operation("forget", user)
        elif kind == "add":
            yield Operation("add", user, ((user, _next(life)),))
        elif kind == "batch":
            several = chance.sample(USERS, 3)
            yield Operation("add", user, tuple(_batch(ledger, several)))
        elif kind == "persona":
            yield Operation("persona", user, text=f"{user}-v{len(life.personas)}")
        elif known:
            ids = ((user, chance.choice(known)),)
            if kind == "retry":
                yield Operation("add", user, ids)
            elif kind == "outcome":
                yield Operation("outcome", user, ids, f"outcome {chance.randrange(9)}")
            elif kind == "learn":
                text = f"{user} knows {chance.randrange(10**9)}"
                yield Operation("learn", user, ids, text)
            else:
                yield Operation("recall", user)


def _batch(ledger: Ledger, users: list[str]) -> Iterator[tuple[str, int]]:
    for user in users:
        first = _next(ledger.lives.get(user, Life()))
        yield from ((user, first + step) for step in range(10))


def _next(life: Life) -> int:
    return max(life.episodes, default=-1) + 1


def _do(memory: Memory, operation: Operation, ledger: Ledger) -> None:
    user = operation.user
    life = ledger.lives.get(user, Life())
    if operation.kind == "add":
        episodes = [episode_of(*id_) for id_ in operation.ids]
        memory.episodes.add(episodes, _vectors(operation.ids))
    elif operation.kind == "outcome":
        name = episode_of(*operation.ids[0]).id
        memory.episodes.set_outcome(user, name, outcome=operation.text)
    elif operation.kind == "persona":
        expected = life.personas[-1] if life.personas else None
        memory.personas.put(Persona(user_id=user, version=operation.text), expected=expected)
    elif operation.kind == "learn":
        episodes = memory.episodes.get(user, [episode_of(*id_).id for id_ in operation.ids])
        fact = Fact(user_id=user, text=operation.text, sources=tuple(one.id for one in episodes))
        memory.facts.learn(user, [Learned(fact)], episodes)
    elif operation.kind == "recall":
        _recall(memory, user, life)
    else:
        memory.forget(user)


def _recall(memory: Memory, user: str, life: Life) -> None:
    """Recall everything of a user; what is not exactly the user's own is an error."""
    (question,) = _vectors(((user, 0),))
    found = memory.episodes.recall(user, question, limit=10 * _MOST)
    numbers = sorted(int(one.episode.id[1:]) for one in found)
    if numbers != sorted(life.episodes) or any(one.episode.user_id != user for one in found):
        raise AssertionError(f"recall of {user} found {numbers}, not {sorted(life.episodes)}")


def _vectors(ids: tuple[tuple[str, int], ...]) -> Vectors:
    """Return a unit vector for each episode, far from all others, so that none is folded."""
    seeds = [(USERS.index(user), number) for user, number in ids]
    rows = [np.random.default_rng(seed).normal(size=32) for seed in seeds]
    matrix = np.asarray(rows, dtype=np.float32)
    unit: Vectors = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return unit
