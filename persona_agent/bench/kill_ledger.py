"""What the killed process is known to have stored, and how what is found compares to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from persona_agent.memory import Memory
from persona_agent.schema import Episode, Fact, Persona, Query

Kind = Literal["add", "outcome", "persona", "learn", "recall", "forget"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. ``ids`` are (user, number) of its episodes; ``text`` an outcome, fact or version.

    ``recall`` and a retry of ``add`` change nothing.
    """

    kind: Kind
    user: str
    ids: tuple[tuple[str, int], ...] = ()
    text: str = ""


@dataclass
class Life:
    """All that is stored of a user."""

    episodes: dict[int, str | None] = field(default_factory=dict)
    """Outcome by number."""
    personas: list[str] = field(default_factory=list)
    facts: set[str] = field(default_factory=set)
    distilled: set[int] = field(default_factory=set)


@dataclass
class Ledger:
    """All that is stored, by user; users of whom nothing is stored are absent."""

    lives: dict[str, Life] = field(default_factory=dict)

    def apply(self, operation: Operation) -> None:
        """Do to the ledger what the operation does to the memory."""
        if operation.kind == "forget":
            self.lives.pop(operation.user, None)
            return
        for user, number in operation.ids if operation.kind == "add" else ():
            self._of(user).episodes.setdefault(number, None)
        if operation.kind == "outcome":
            life, number = self._of(operation.user), operation.ids[0][1]
            if life.episodes.get(number) != operation.text:
                life.distilled.discard(number)  # what changed has to be distilled again
            life.episodes[number] = operation.text
        elif operation.kind == "persona":
            self._of(operation.user).personas.append(operation.text)
        elif operation.kind == "learn":
            life = self._of(operation.user)
            life.facts.add(operation.text)
            life.distilled.update(number for _, number in operation.ids)

    def after(self, operation: Operation | None) -> Ledger:
        """Return the ledger with the operation done."""
        other = Ledger({user: _copied(life) for user, life in self.lives.items()})
        if operation is not None:
            other.apply(operation)
        return other

    def _of(self, user: str) -> Life:
        return self.lives.setdefault(user, Life())


@dataclass
class Found:
    """Counts of what must not be."""

    lost: int = 0
    duplicated: int = 0
    foreign: int = 0
    half_done: int = 0

    def __add__(self, other: Found) -> Found:
        return Found(
            self.lost + other.lost,
            self.duplicated + other.duplicated,
            self.foreign + other.foreign,
            self.half_done + other.half_done,
        )


@dataclass
class Actual:
    """What a memory holds, with what is wrong in itself."""

    ledger: Ledger
    wrong: Found


def episode_of(user: str, number: int) -> Episode:
    """Return the episode that a user and a number stand for."""
    return Episode(
        id=f"e{number:06d}", user_id=user, query=Query(text=f"{user} asks {number}", task=user)
    )


def read(memory: Memory) -> Actual:
    """Return all that a memory holds. Raises StoreError."""
    ledger, wrong = Ledger(), Found()
    users = {*memory.episodes.users(), *memory.personas.users(), *memory.facts.users()}
    for user in sorted(users):
        episodes = memory.episodes.timeline(user)
        facts, personas = memory.facts.history(user), memory.personas.history(user)
        pending = {episode.id for episode in memory.facts.pending(user, episodes)}
        wrong.duplicated += _repeated(episodes) + _repeated(facts)
        wrong.duplicated += abs(memory.episodes.count(user) - len(episodes))
        records: list[Episode | Fact | Persona] = [*episodes, *facts, *personas]
        wrong.foreign += sum(not _is_of(user, one) for one in records)
        latest = memory.personas.latest(user)
        if (latest.version if latest else None) != (personas[-1].version if personas else None):
            wrong.half_done += 1
        ledger.lives[user] = Life(
            episodes={int(one.id[1:]): one.outcome for one in episodes},
            personas=[one.version for one in personas],
            facts={one.text for one in facts},
            distilled={int(one.id[1:]) for one in episodes if one.id not in pending},
        )
    return Actual(ledger, wrong)


def compare(before: Ledger, under_way: Operation | None, actual: Actual) -> Found:
    """Count what is neither as before the operation under way nor as after it."""
    after = before.after(under_way)
    found = Found() + actual.wrong
    if actual.ledger in (before, after):
        return found
    found.half_done += 1
    for user in before.lives.keys() & after.lives.keys():
        kept = before.lives[user].episodes.keys() & after.lives[user].episodes.keys()
        life = actual.ledger.lives.get(user, Life())
        found.lost += len(kept - life.episodes.keys())
    return found


def _repeated(records: list[Episode] | list[Fact]) -> int:
    return sum(count - 1 for count in Counter(record.id for record in records).values())


def _is_of(user: str, record: Episode | Fact | Persona) -> bool:
    """Tell whether a record is this user's by its field and by its content."""
    if isinstance(record, Episode):
        return record.user_id == user and record.query.text.startswith(f"{user} asks ")
    if isinstance(record, Fact):
        return record.user_id == user and record.text.startswith(f"{user} knows ")
    return record.user_id == user and record.version.startswith(f"{user}-v")


def _copied(life: Life) -> Life:
    return Life(dict(life.episodes), list(life.personas), set(life.facts), set(life.distilled))
